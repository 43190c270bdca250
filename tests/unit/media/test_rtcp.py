import struct

import pytest
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import RemoteError
from media import rtcp
from media.rtcp import Fir, Nack, Pli, Remb, feedback_message, parse_compound

BLOCK = RtcpReceiverInfo(
    ssrc=7, fraction_lost=1, packets_lost=-2, highest_sequence=0xFFFFFFFF, jitter=4, lsr=5, dlsr=0xFFFFFFFF
)
TWCC = bytes.fromhex("8fcd0005 00000001 00000002 00010001 00000100 2001aa00".replace(" ", ""))


def only(data: bytes) -> AnyRtcpPacket:
    (packet,) = parse_compound(data)
    return packet


def block(kind: int, count: int, payload: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(payload) // 4) + payload


def whole_compound() -> bytes:
    return (
        rtcp.sender_report(1, 2**64 - 1, 2**32 - 1, 2**32 + 5, 2**33, [BLOCK])
        + rtcp.source_description(1, "cname")
        + rtcp.picture_loss_indication(1, 2)
        + rtcp.receiver_estimated_maximum_bitrate(1, 1_000_000, [2, 3])
        + TWCC
        + rtcp.bye([1, 2])
    )


def test_a_sender_report_survives_the_way() -> None:
    packet = only(rtcp.sender_report(1, 2**64 - 1, 2**32 - 1, 2**32 + 5, 2**33, [BLOCK]))
    assert isinstance(packet, RtcpSrPacket)
    info = packet.sender_info
    assert (packet.ssrc, info.ntp_timestamp, info.rtp_timestamp) == (1, 2**64 - 1, 2**32 - 1)
    assert (info.packet_count, info.octet_count) == (5, 0)
    assert packet.reports == [BLOCK]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 70])
def test_any_number_of_report_blocks_is_reported(count: int) -> None:
    packets = RtcpPacket.parse(rtcp.receiver_report(1, [BLOCK] * count))
    assert all(isinstance(packet, RtcpRrPacket) and packet.ssrc == 1 for packet in packets)
    assert sum(len(packet.reports) for packet in packets if isinstance(packet, RtcpRrPacket)) == count
    assert len(packets) == max(1, -(-count // 31))


@pytest.mark.parametrize("cname", ["", "a", "ab", "abc", "abcd", "x" * 255])
def test_a_source_description_ends_its_one_chunk_and_is_padded(cname: str) -> None:
    data = rtcp.source_description(9, cname)
    assert len(data) % 4 == 0
    assert data[10 + len(cname)] == 0
    (packet,) = RtcpPacket.parse(data)
    assert isinstance(packet, RtcpSdesPacket)
    assert (packet.chunks[0].ssrc, packet.chunks[0].items) == (9, [(1, cname.encode())])
    assert parse_compound(data) == []


def test_a_bye_names_its_sources() -> None:
    assert only(rtcp.bye([1, 2])) == RtcpByePacket(sources=[1, 2])


def test_keyframe_requests_name_their_source() -> None:
    assert feedback_message(only(rtcp.picture_loss_indication(1, 2))) == Pli(2)
    assert feedback_message(only(rtcp.full_intra_request(1, 2, 256 + 7))) == Fir(((2, 7),))


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**60), st.lists(st.integers(0, 2**32 - 1), max_size=255))
def test_a_bitrate_survives_the_way_but_for_rounding_down(bitrate: int, ssrcs: list[int]) -> None:
    message = feedback_message(only(rtcp.receiver_estimated_maximum_bitrate(1, bitrate, ssrcs)))
    assert isinstance(message, Remb)
    assert message.ssrcs == tuple(ssrcs)
    assert message.bitrate <= bitrate <= message.bitrate + bitrate // 2**17


def test_a_nack_names_each_lost_packet_once_and_wraps() -> None:
    fci = struct.pack("!HHHH", 65534, 0b111, 1, 1)
    assert feedback_message(only(block(205, 1, struct.pack("!II", 1, 2) + fci))) == Nack(2, (65534, 65535, 0, 1, 2))


def test_transport_wide_feedback_is_no_nack() -> None:
    assert parse_compound(TWCC + rtcp.bye([1])) == [RtcpByePacket(sources=[1])]
    assert feedback_message(RtcpRtpfbPacket(fmt=15, ssrc=1, media_ssrc=2, lost=[5])) is None


def test_other_feedback_and_reports_ask_for_nothing() -> None:
    assert feedback_message(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=2, fci=b"XXXX0000")) is None
    assert feedback_message(RtcpPsfbPacket(fmt=2, ssrc=1, media_ssrc=2, fci=b"12345678")) is None
    assert feedback_message(RtcpRrPacket(ssrc=1)) is None


@pytest.mark.parametrize(
    "packet",
    [
        RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=b""),
        RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=b"1234"),
        RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=b"REMB"),
        RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=b"REMB\x02\0\0\0\0\0\0\1"),
    ],
)
def test_malformed_feedback_is_refused(packet: AnyRtcpPacket) -> None:
    with pytest.raises(RemoteError):
        feedback_message(packet)


def test_reduced_size_compounds_and_unknown_packets_are_accepted() -> None:
    unknown = block(204, 3, b"APP!data") + block(207, 0, b"XR.." * 3)
    assert parse_compound(unknown + rtcp.picture_loss_indication(1, 2)) == [RtcpPsfbPacket(1, 1, 2)]


def test_what_a_profile_appends_to_a_report_is_left_out() -> None:
    report = rtcp.receiver_report(1, [BLOCK])
    extended = struct.pack("!BBH", report[0], report[1], len(report) // 4) + report[4:] + b"more"
    assert only(extended) == RtcpRrPacket(ssrc=1, reports=[BLOCK])


def test_a_source_description_of_several_chunks_spoils_nothing() -> None:
    chunks = struct.pack("!IBB1sB", 1, 1, 1, b"a", 0) + struct.pack("!IBB1sB", 0xFFFFFFFF, 1, 1, b"b", 0)
    assert parse_compound(rtcp.bye([5]) + block(202, 2, chunks)) == [RtcpByePacket(sources=[5])]


def test_padding_is_taken_off() -> None:
    assert only(b"\xa1\xcb\x00\x02" + struct.pack("!I", 5) + b"\0\0\0\4") == RtcpByePacket(sources=[5])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x40\xc9\x00\x01\x00\x00\x00\x01",
        b"\x81\xc9\x00\x01\x00\x00\x00\x01",
        b"\x82\xcb\x00\x01\x00\x00\x00\x01",
        b"\x81\xce\x00\x01\x00\x00\x00\x01",
        b"\xa1\xcb\x00\x01\x00\x00\x00\x00",
        b"\xa1\xcb\x00\x00",
        rtcp.bye([1]) * 200,
    ],
)
def test_a_malformed_compound_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        parse_compound(data)


def test_a_compound_truncated_anywhere_but_between_packets_is_refused() -> None:
    data = whole_compound()
    assert len(parse_compound(data)) == 4
    ends, position = set(), 0
    while position < len(data):
        position += 4 + 4 * int.from_bytes(data[position + 2 : position + 4])
        ends.add(position)
    for length in range(len(data)):
        if length in ends:
            parse_compound(data[:length])
        else:
            with pytest.raises(RemoteError):
                parse_compound(data[:length])


def test_trailing_bytes_are_refused() -> None:
    for extra in (b"\0", b"\0\0\0\0", b"\x80\xc9\x00\x07"):
        with pytest.raises(RemoteError):
            parse_compound(whole_compound() + extra)


@st.composite
def almost_compounds(draw: st.DrawFn) -> bytes:
    data = b""
    for _ in range(draw(st.integers(1, 4))):
        payload = draw(st.binary(max_size=60))
        words = draw(st.sampled_from([len(payload) // 4, len(payload) // 4, 0, 20]))
        first = 0x80 | draw(st.integers(0, 63))
        data += struct.pack("!BBH", first, draw(st.integers(200, 207)), words) + payload
    return data


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(max_size=200), almost_compounds()))
def test_random_input_is_parsed_or_refused(data: bytes) -> None:
    try:
        packets = parse_compound(data)
        for packet in packets:
            feedback_message(packet)
    except RemoteError:
        pass


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=30), st.binary(max_size=3))
def test_nacks_are_read_as_aiortc_reads_them(entries: list[tuple[int, int]], rest: bytes) -> None:
    data = block(205, 1, struct.pack("!II", 1, 2) + b"".join(struct.pack("!HH", *entry) for entry in entries))
    (theirs,) = RtcpPacket.parse(data)
    assert isinstance(theirs, RtcpRtpfbPacket)
    ours = only(data)
    assert isinstance(ours, RtcpRtpfbPacket)
    expected = [number & 0xFFFF for number in theirs.lost][: limits.nack_numbers_max]
    assert (ours.ssrc, ours.media_ssrc, ours.lost) == (theirs.ssrc, theirs.media_ssrc, expected)
    if rest:
        with pytest.raises(RemoteError):
            parse_compound(data + rest)


def test_of_a_huge_nack_only_the_first_numbers_are_taken() -> None:
    data = block(205, 1, struct.pack("!II", 1, 2) + b"\x00\x00\xff\xff" * 370)
    packet = only(data)
    assert isinstance(packet, RtcpRtpfbPacket)
    assert len(packet.lost) == limits.nack_numbers_max


def test_a_nack_shorter_than_its_header_is_refused() -> None:
    for words in (0, 1):
        with pytest.raises(RemoteError):
            parse_compound(block(205, 1, bytes(4 * words)))
