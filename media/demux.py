"""Whose a datagram is, by its first byte (RFC 7983), and RTP from RTCP by its second (RFC 5761)."""

from enum import Enum

DHT_FIRST_BYTE = 0xD5
"""Of the DHT's datagrams: in the range 192-255, which RFC 7983 leaves free."""


class DatagramKind(Enum):
    """Which protocol a datagram on the node's one port belongs to."""

    STUN = "stun"
    DTLS = "dtls"
    SRTP = "srtp"
    DHT = "dht"
    NONE = "none"


def _kind(first: int) -> DatagramKind:
    if first <= 3:
        return DatagramKind.STUN
    if 20 <= first <= 63:
        return DatagramKind.DTLS
    if 128 <= first <= 191:
        return DatagramKind.SRTP
    return DatagramKind.DHT if first == DHT_FIRST_BYTE else DatagramKind.NONE


KIND_OF_FIRST_BYTE = tuple(_kind(first) for first in range(256))
"""Indexed by `data[0]`: one look-up on a path which runs for every packet."""


def classify(data: bytes) -> DatagramKind:
    """The protocol of one datagram; an empty one is nobody's."""
    return KIND_OF_FIRST_BYTE[data[0]] if data else DatagramKind.NONE


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of kind SRTP is RTCP: packet type 192-223 (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223
