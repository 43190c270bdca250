import struct

import pytest
from aiortc.rtp import RtpPacket, wrap_rtx
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media.rtp import parse_header
from media.rtx import restored
from tests.unit.media.rtp_samples import packet

blocks = st.none() | st.binary(max_size=5).map(lambda value: bytes((0x10 | max(0, len(value) - 1),)) + (value or b"x"))


def wrapped(original: bytes, payload_type: int = 97, ssrc: int = 0xC0, number: int = 9, padding: int = 0) -> bytes:
    """The original as RFC 4588 section 4 sends it again."""
    header = parse_header(original)
    start = header.payload_start
    first = original[0] | (0x20 if padding else 0)
    head = struct.pack("!BBH4sI", first, original[1] & 0x80 | payload_type, number, original[4:8], ssrc)
    pad = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return head + original[12:start] + original[2:4] + original[start:] + pad


def unwrapped(data: bytes) -> bytes | None:
    return restored(data, parse_header(data), 96, 0xA0)


@settings(deadline=None, max_examples=200)
@given(
    number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=60),
    marker=st.booleans(),
    block=blocks,
    padding=st.integers(0, 255),
)
def test_the_original_comes_back_whole(
    number: int, timestamp: int, payload: bytes, marker: bool, block: bytes | None, padding: int
) -> None:
    original = packet(0xA0, number, timestamp, payload, marker=marker, block=block)
    assert unwrapped(wrapped(original, padding=padding)) == original


def test_contributing_sources_are_kept() -> None:
    plain = packet(0xA0, 7)
    original = bytes((plain[0] | 2,)) + plain[1:12] + b"source 1" + plain[12:]
    assert unwrapped(wrapped(original)) == original


def test_it_undoes_what_aiortc_does() -> None:
    original = packet(0xA0, 77, 3000, b"picture", marker=True)
    data = wrap_rtx(RtpPacket.parse(original), payload_type=97, sequence_number=5, ssrc=0xC0).serialize()
    assert unwrapped(data) == original


def test_a_probe_of_padding_alone_carries_nothing() -> None:
    probe = bytearray(packet(0xC0, 1, payload=bytes(254) + b"\xff", payload_type=97))
    probe[0] |= 0x20
    assert unwrapped(bytes(probe)) is None


def test_a_packet_without_payload_carries_nothing() -> None:
    assert unwrapped(packet(0xC0, 1, payload=b"", payload_type=97)) is None


def test_half_a_sequence_number_is_refused() -> None:
    with pytest.raises(RemoteError):
        unwrapped(packet(0xC0, 1, payload=b"\x01", payload_type=97))


def test_half_a_sequence_number_before_padding_is_refused() -> None:
    data = bytearray(packet(0xC0, 1, payload=b"\x01\x00\x02", payload_type=97))
    data[0] |= 0x20
    with pytest.raises(RemoteError):
        unwrapped(bytes(data))


@pytest.mark.parametrize("block", [None, b"\x10\x01\x32abc"])
def test_at_every_truncated_length_it_is_refused_carries_nothing_or_is_a_packet(block: bytes | None) -> None:
    whole = wrapped(packet(0xA0, 7, 3000, b"picture", block=block))
    start = parse_header(whole).payload_start
    for length in range(len(whole)):
        data = whole[:length]
        if length < start or length == start + 1:
            with pytest.raises(RemoteError):
                unwrapped(data)
        elif length == start:
            assert unwrapped(data) is None
        else:
            original = unwrapped(data)
            assert original is not None
            header = parse_header(original)
            assert (header.sequence_number, header.ssrc, header.payload_type) == (7, 0xA0, 96)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80).map(lambda rest: b"\x90" + rest) | st.binary(max_size=80))
def test_of_anything_it_makes_a_packet_or_refuses_it(data: bytes) -> None:
    try:
        original = unwrapped(data)
    except RemoteError:
        return
    if original is not None:
        assert parse_header(original).ssrc == 0xA0
        assert len(original) <= len(data) - 2
