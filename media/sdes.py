"""Source descriptions that say to which track an SSRC belongs: CNAME and MID (RFC 3550 6.5, RFC 8843 15.1).

A pipe's SSRC changes when its source begins anew. The new one is announced so, before its first packet.
"""

import struct
from collections.abc import Iterator

from aiortc.rtp import RTCP_SDES, pack_rtcp_packet

from foundation.errors import RemoteError

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"

_CNAME = 1
_MID = 15
_END = 0


def description(ssrc: int, cname: str, mid: str | None = None) -> bytes:
    """One RTCP packet which describes one source."""
    items = _item(_CNAME, cname)
    if mid is not None:
        items += _item(_MID, mid)
    chunk = struct.pack("!I", ssrc) + items + b"\0"
    return pack_rtcp_packet(RTCP_SDES, 1, chunk + bytes(-len(chunk) % 4))


def described_mids(compound: bytes) -> list[tuple[int, str]]:
    """The `(ssrc, mid)` of every described source which has a MID, in order. Raises `RemoteError`."""
    found = []
    for count, body in _descriptions(compound):
        position = 0
        for _ in range(count):
            ssrc, mid, position = _chunk(body, position)
            if mid is not None:
                found.append((ssrc, mid))
    return found


def _item(kind: int, text: str) -> bytes:
    encoded = text.encode()
    assert len(encoded) <= 255
    return bytes((kind, len(encoded))) + encoded


def _descriptions(compound: bytes) -> Iterator[tuple[int, bytes]]:
    """The number of chunks and the body of each source description in a compound."""
    position = 0
    while position < len(compound):
        if len(compound) - position < 4:
            raise RemoteError("an RTCP header is truncated")
        first, packet_type, words = struct.unpack_from("!BBH", compound, position)
        end = position + 4 + 4 * words
        if end > len(compound):
            raise RemoteError("an RTCP packet is truncated")
        if packet_type == RTCP_SDES:
            yield first & 0x1F, compound[position + 4 : end]
        position = end


def _chunk(body: bytes, position: int) -> tuple[int, str | None, int]:
    """SSRC and MID of the chunk at `position`, and where the next one is."""
    if len(body) - position < 4:
        raise RemoteError("a source description is truncated")
    ssrc = int.from_bytes(body[position : position + 4], "big")
    position += 4
    mid = None
    while position < len(body) and body[position] != _END:
        if len(body) - position < 2 or len(body) - position - 2 < body[position + 1]:
            raise RemoteError("an item of a source description is truncated")
        kind, value = body[position], body[position + 2 : position + 2 + body[position + 1]]
        if kind == _MID:
            mid = value.decode("utf-8", "replace")
        position += 2 + len(value)
    return ssrc, mid, position + 4 - position % 4
