"""RTP headers and extensions, read in place (RFC 3550 section 5, RFC 8285); distances of numbers that wrap."""

import struct
from dataclasses import dataclass

from foundation.errors import RemoteError

HEADER_BYTES = 12

ONE_BYTE_PROFILE = 0xBEDE
"""RFC 8285 section 4.2: ids 1-14, values of 1-16 bytes."""

TWO_BYTE_PROFILE = 0x1000
"""RFC 8285 section 4.3: ids 1-255, values of 0-255 bytes; the low four bits of the profile are free."""

ONE_BYTE_ID_MAX = 14

_fixed = struct.Struct("!BBHII")
_extension = struct.Struct("!HH")


@dataclass(slots=True)
class RtpHeader:
    """The fields of one RTP header, and where its parts lie in the packet (byte offsets, ends exclusive).

    Without an extension block `extension_profile` is 0 and both extension offsets are where it would stand. With one,
    they enclose the elements without the four bytes of profile and length. The payload excludes the padding.
    """

    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    extension_profile: int
    extensions_start: int
    extensions_end: int
    payload_start: int
    payload_end: int

    @property
    def extensions_one_byte(self) -> bool:
        return self.extension_profile == ONE_BYTE_PROFILE

    @property
    def extensions_two_byte(self) -> bool:
        return self.extension_profile & 0xFFF0 == TWO_BYTE_PROFILE


def parse_header(packet: bytes) -> RtpHeader:
    """Reads the header of a decrypted RTP packet. Raises `RemoteError`; an empty payload (padding only) is valid."""
    size = len(packet)
    if size < HEADER_BYTES:
        raise RemoteError("an RTP packet is shorter than its header")
    first, second, sequence_number, timestamp, ssrc = _fixed.unpack_from(packet)
    if first >> 6 != 2:
        raise RemoteError("an RTP packet is not of version 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    profile, extensions_start, extensions_end = 0, start, start
    if first & 0x10:
        if size < start + 4:
            raise RemoteError("an RTP header extension is truncated")
        profile, words = _extension.unpack_from(packet, start)
        extensions_start = start + 4
        start = extensions_end = extensions_start + 4 * words
    if start > size:
        raise RemoteError("an RTP packet ends inside its header")
    end = size
    if first & 0x20:
        padding = packet[-1]
        end -= padding
        if padding == 0 or end < start:
            raise RemoteError("an RTP packet has an impossible padding")
    return RtpHeader(
        second >= 0x80,
        second & 0x7F,
        sequence_number,
        timestamp,
        ssrc,
        profile,
        extensions_start,
        extensions_end,
        start,
        end,
    )


def elements(packet: bytes, header: RtpHeader) -> list[tuple[int, int, int]]:
    """The header extension elements as `(id, offset of the value, length of the value)`, padding left out.

    Empty for a profile that is not of RFC 8285. An id which ends the one-byte form (15, or 0 with a length) ends the
    list, as section 4.2 asks. Raises `RemoteError` when an element leaves the block.
    """
    if header.extension_profile == ONE_BYTE_PROFILE:
        return _one_byte_elements(packet, header.extensions_start, header.extensions_end)
    if header.extension_profile & 0xFFF0 == TWO_BYTE_PROFILE:
        return _two_byte_elements(packet, header.extensions_start, header.extensions_end)
    return []


def _one_byte_elements(packet: bytes, position: int, end: int) -> list[tuple[int, int, int]]:
    found = []
    while position < end:
        byte = packet[position]
        position += 1
        if byte == 0:
            continue
        identifier, length = byte >> 4, (byte & 0x0F) + 1
        if not 1 <= identifier <= ONE_BYTE_ID_MAX:
            break
        if position + length > end:
            raise RemoteError("an RTP header extension element is truncated")
        found.append((identifier, position, length))
        position += length
    return found


def _two_byte_elements(packet: bytes, position: int, end: int) -> list[tuple[int, int, int]]:
    found = []
    while position < end:
        identifier = packet[position]
        position += 1
        if identifier == 0:
            continue
        if position >= end or position + 1 + packet[position] > end:
            raise RemoteError("an RTP header extension element is truncated")
        length = packet[position]
        found.append((identifier, position + 1, length))
        position += 1 + length
    return found


def sequence_distance(later: int, earlier: int) -> int:
    """How many packets `later` lies after `earlier`, from -32768 to 32767: 16-bit sequence numbers wrap."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(later: int, earlier: int) -> int:
    """How many ticks `later` lies after `earlier`, from -2^31 to 2^31 - 1: 32-bit timestamps wrap."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000
