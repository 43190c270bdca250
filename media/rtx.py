"""What a retransmission carries (RFC 4588): the packet as it was first sent, behind its own sequence number."""

from foundation.errors import RemoteError
from media.rtp import RtpHeader

_osn_bytes = 2
"""Of the original sequence number, in front of the payload (section 4)."""


def restored(packet: bytes, header: RtpHeader, payload_type: int, ssrc: int) -> bytes | None:
    """The original packet, with its own payload type and SSRC; None when there is none: probes are all padding.

    Marker, timestamp, contributing sources and header extensions are kept, padding is not: it was the retransmission's
    own (section 4). Raises `RemoteError` when the payload ends inside the sequence number.
    """
    start, end = header.payload_start, header.payload_end
    if start == end:
        return None
    if end - start < _osn_bytes:
        raise RemoteError("a retransmission ends inside its original sequence number")
    body = start + _osn_bytes
    head = bytes((packet[0] & ~0x20, packet[1] & 0x80 | payload_type)) + packet[start:body]
    return head + packet[4:8] + ssrc.to_bytes(4, "big") + packet[12:start] + packet[body:end]
