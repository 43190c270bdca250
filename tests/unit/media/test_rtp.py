import struct

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media.rtp import elements, parse_header, sequence_distance, timestamp_distance

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
TWCC = RTCRtpHeaderExtensionParameters(9, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")


def packet(
    *, csrc: int = 0, profile: int | None = None, block: bytes = b"", payload: bytes = b"payload", padding: int = 0
) -> bytes:
    first = 0x80 | (0x20 if padding else 0) | (0x10 if profile is not None else 0) | csrc
    data = struct.pack("!BBHII", first, 0x80 | 96, 65535, 0xFFFFFFFF, 0x01020304) + b"CSRC" * csrc
    if profile is not None:
        data += struct.pack("!HH", profile, len(block) // 4) + block
    return data + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def found(profile: int, block: bytes) -> list[tuple[int, bytes]]:
    data = packet(profile=profile, block=block)
    return [(i, data[start : start + length]) for i, start, length in elements(data, parse_header(data))]


def test_the_fixed_fields_are_read() -> None:
    header = parse_header(packet())
    assert header.marker
    assert header.payload_type == 96
    assert header.sequence_number == 65535
    assert header.timestamp == 0xFFFFFFFF
    assert header.ssrc == 0x01020304
    assert header.extension_profile == 0
    assert (header.extensions_start, header.extensions_end) == (12, 12)
    assert (header.payload_start, header.payload_end) == (12, 19)


def test_csrcs_extensions_and_padding_are_left_out_of_the_payload() -> None:
    data = packet(csrc=15, profile=0xBEDE, block=b"\x10a\0\0", padding=5)
    header = parse_header(data)
    assert data[header.payload_start : header.payload_end] == b"payload"
    assert data[header.extensions_start : header.extensions_end] == b"\x10a\0\0"


def test_a_packet_of_padding_alone_has_an_empty_payload() -> None:
    header = parse_header(packet(payload=b"", padding=255))
    assert header.payload_start == header.payload_end == 12


@pytest.mark.parametrize("padding_byte", [0, 8, 255])
def test_an_impossible_padding_is_refused(padding_byte: int) -> None:
    data = bytearray(packet(payload=b"payload"))
    data[0] |= 0x20
    data[-1] = padding_byte
    with pytest.raises(RemoteError):
        parse_header(bytes(data))


@pytest.mark.parametrize("version", [0, 1, 3])
def test_another_version_is_refused(version: int) -> None:
    data = packet()
    with pytest.raises(RemoteError):
        parse_header(bytes([version << 6]) + data[1:])


def test_a_truncated_header_is_refused() -> None:
    data = packet(csrc=2, profile=0xBEDE, block=b"\x10a\0\0", payload=b"")
    assert parse_header(data).payload_start == len(data)
    for length in range(len(data)):
        with pytest.raises(RemoteError):
            parse_header(data[:length])


def test_one_byte_elements_are_found_where_they_lie() -> None:
    assert found(0xBEDE, b"\x10a\x00\x00\x52xyz\x00\x00\x00\x00") == [(1, b"a"), (5, b"xyz")]


def test_two_byte_elements_are_found_whatever_the_application_bits() -> None:
    block = b"\x01\x00\x00\xff\x02ab\x00"
    for profile in (0x1000, 0x100F):
        assert found(profile, block) == [(1, b""), (255, b"ab")]


@pytest.mark.parametrize("stop", [b"\xf0", b"\x02"])
def test_a_reserved_id_ends_the_one_byte_elements(stop: bytes) -> None:
    assert found(0xBEDE, b"\x10a" + stop + b"x" + b"\x20b\x00\x00") == [(1, b"a")]


def test_an_unknown_profile_has_no_elements() -> None:
    assert found(0x1234, b"\x10a\x10a") == []


@pytest.mark.parametrize(
    ("profile", "block"),
    [(0xBEDE, b"\x13abc"), (0xBEDE, b"\x00\x00\x00\x10"), (0x1000, b"\x01\x03ab"), (0x1000, b"\x00\x00\x00\x01")],
)
def test_an_element_that_leaves_its_block_is_refused(profile: int, block: bytes) -> None:
    with pytest.raises(RemoteError):
        found(profile, block)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.sampled_from([b"", b"\x90\x60", b"\xb1\xe0"]))
def test_random_input_is_parsed_inside_its_bounds_or_refused(data: bytes, start: bytes) -> None:
    data = start + data
    try:
        header = parse_header(data)
        found_elements = elements(data, header)
    except RemoteError:
        return
    assert 12 <= header.extensions_start <= header.extensions_end <= header.payload_start
    assert header.payload_start <= header.payload_end <= len(data)
    position = header.extensions_start
    for _, start_of_value, length in found_elements:
        assert position < start_of_value
        position = start_of_value + length
        assert position <= header.extensions_end


@settings(deadline=None, max_examples=100)
@given(
    seq=st.integers(0, 65535),
    ts=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=50),
    mid=st.text("abc0", min_size=1, max_size=20),
    level=st.integers(0, 65535),
    padding=st.integers(0, 255),
)
def test_what_another_implementation_wrote_is_read_alike(
    seq: int, ts: int, payload: bytes, mid: str, level: int, padding: int
) -> None:
    wire = HeaderExtensionsMap()
    wire.configure(RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(3, MID), TWCC]))
    original = RtpPacket(payload_type=111, marker=1, sequence_number=seq, timestamp=ts, ssrc=7, payload=payload)
    original.extensions = HeaderExtensions(mid=mid, transport_sequence_number=level)
    original.csrc = [1, 2]
    original.padding_size = padding
    data = original.serialize(wire)
    header = parse_header(data)
    assert (header.sequence_number, header.timestamp, header.ssrc) == (seq, ts, 7)
    assert (header.payload_type, header.marker) == (111, True)
    assert data[header.payload_start : header.payload_end] == payload
    values = {i: data[start : start + length] for i, start, length in elements(data, header)}
    assert values == {3: mid.encode(), 9: struct.pack("!H", level)}


def test_distances_are_the_shorter_way_round() -> None:
    assert sequence_distance(0, 65535) == 1
    assert sequence_distance(65535, 0) == -1
    assert sequence_distance(32768, 0) == -32768
    assert sequence_distance(32767, 0) == 32767
    assert timestamp_distance(0, 0xFFFFFFFF) == 1
    assert timestamp_distance(0xFFFFFFFF, 0) == -1
    assert timestamp_distance(0x80000000, 0) == -(2**31)
