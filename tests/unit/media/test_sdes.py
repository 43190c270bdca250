import pytest
from aiortc.rtp import RtcpPacket, RtcpSdesPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media import rtcp
from media.sdes import described_mids, description


def test_a_description_says_name_and_mid() -> None:
    (parsed,) = RtcpPacket.parse(description(7, "somebody", "video0"))
    assert isinstance(parsed, RtcpSdesPacket)
    assert [(chunk.ssrc, chunk.items) for chunk in parsed.chunks] == [(7, [(1, b"somebody"), (15, b"video0")])]


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_mid_is_read_back(cname: str, mid: str) -> None:
    compound = rtcp.receiver_report(1) + description(9, cname, mid) + description(10, cname) + rtcp.bye([3])
    assert described_mids(compound) == [(9, mid)]


def test_all_chunks_are_read() -> None:
    one, other = description(1, "a", "x"), description(2, "bcd", "yz")
    chunks = one[4:] + other[4:]
    together = bytes((0x82, 202)) + (len(chunks) // 4).to_bytes(2, "big") + chunks
    assert described_mids(together) == [(1, "x"), (2, "yz")]


def test_every_truncated_length_is_refused() -> None:
    whole = description(1, "somebody", "video0")
    for length in range(1, len(whole)):
        with pytest.raises(RemoteError):
            described_mids(whole[:length])
    assert described_mids(b"") == []


@pytest.mark.parametrize(
    "body",
    [b"\0\0\0", b"\0\0\0\1\x0f", b"\0\0\0\1\x0f\x05abc", b""],
    ids=["no ssrc", "no length", "a short item", "no chunk"],
)
def test_a_truncated_chunk_is_refused(body: bytes) -> None:
    size = len(body) + -len(body) % 4
    with pytest.raises(RemoteError):
        described_mids(bytes((0x81, 202)) + (size // 4).to_bytes(2, "big") + body)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_anything_is_read_or_refused(data: bytes) -> None:
    for compound in (data, b"\x83\xca\0\x05" + data, description(1, "a", "b") + data):
        try:
            described_mids(compound)
        except RemoteError:
            continue
