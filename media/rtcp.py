"""RTCP in and out (RFC 3550, 4585, 5104, 5506; draft-alvestrand-rmcat-remb), on the packet classes of aiortc.

Compounds that arrive may be reduced-size (RFC 5506): no sender or receiver report has to lead them.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiortc.rtp import (
    RTCP_BYE,
    RTCP_PSFB,
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RR,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    RTCP_SDES,
    RTCP_SR,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
    pack_rtcp_packet,
    unpack_remb_fci,
)

from foundation import limits
from foundation.errors import RemoteError

_compound_bytes_max = 1500
"""What one datagram holds: it bounds the work a compound can make."""

_report_blocks_max = 31
"""Of one sender or receiver report: the count has five bits."""

_report_block_bytes = 24
_nack_header_bytes = 12
_sdes_cname = 1
_types_parsed = frozenset({RTCP_SR, RTCP_RR, RTCP_BYE, RTCP_RTPFB, RTCP_PSFB})


@dataclass(frozen=True, slots=True)
class Pli:
    """Picture loss indication (RFC 4585 section 6.3.1): the source `media_ssrc` should send a keyframe."""

    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """Full intra request (RFC 5104 section 4.3.1) to sources, as `(ssrc, sequence number)`."""

    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bitrate in bits per second, for all `ssrcs` together."""

    bitrate: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 section 6.2.1): sequence numbers of `media_ssrc`, each once, in the order given."""

    media_ssrc: int
    lost: tuple[int, ...]


def parse_compound(data: bytes) -> list[AnyRtcpPacket]:
    """The reports, BYEs, generic NACKs and payload-specific feedback of a decrypted RTCP datagram, in order.

    Everything else is checked for its length and left out: aiortc reads any transport feedback as a NACK, and fails on
    a source description with several chunks, whose names nobody here asks for. Raises `RemoteError`.
    """
    if not data or len(data) > _compound_bytes_max:
        raise RemoteError("an RTCP datagram is empty or too large")
    packets: list[AnyRtcpPacket] = []
    try:
        for packet_type, count, block in _blocks(data):
            if packet_type not in _types_parsed or (packet_type == RTCP_RTPFB and count != RTCP_RTPFB_NACK):
                continue
            packets += [_nack(block)] if _is_plain_nack(packet_type, block) else RtcpPacket.parse(block)
    except (ValueError, struct.error, IndexError, AssertionError, OverflowError) as exc:
        raise RemoteError("an RTCP packet is malformed") from exc
    return packets


def _is_plain_nack(packet_type: int, block: bytes) -> bool:
    """Whether it is a whole generic NACK without padding."""
    return packet_type == RTCP_RTPFB and len(block) >= _nack_header_bytes and not block[0] & 0x20


def _nack(block: bytes) -> RtcpRtpfbPacket:
    """At most `nack_numbers_max` numbers of it: a datagram can name 6,000, and aiortc takes 3 ms to list those."""
    ssrc, media_ssrc = struct.unpack_from("!II", block, 4)
    lost: list[int] = []
    for first, following in struct.iter_unpack("!HH", block[_nack_header_bytes:]):
        lost.append(first)
        while following:
            lost.append((first + (following & -following).bit_length()) & 0xFFFF)
            following &= following - 1
        if len(lost) >= limits.nack_numbers_max:
            break
    del lost[limits.nack_numbers_max :]
    return RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=ssrc, media_ssrc=media_ssrc, lost=lost)


def _blocks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each packet of a compound as `(type, count or format, bytes)`."""
    position = 0
    while position < len(data):
        if len(data) - position < 4:
            raise RemoteError("an RTCP header is truncated")
        first, packet_type, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise RemoteError("an RTCP packet is truncated or not of version 2")
        yield packet_type, first & 0x1F, _without_profile_extension(data[position:end])
        position = end


def _without_profile_extension(block: bytes) -> bytes:
    """A report without what RFC 3550 section 6.4.3 lets a profile append, which aiortc takes for an error."""
    first, packet_type = block[0], block[1]
    if packet_type not in (RTCP_SR, RTCP_RR) or first & 0x20:
        return block
    size = (28 if packet_type == RTCP_SR else 8) + _report_block_bytes * (first & 0x1F)
    if len(block) <= size:
        return block
    return struct.pack("!BBH", first, packet_type, size // 4 - 1) + block[4:size]


def feedback_message(packet: AnyRtcpPacket) -> Pli | Fir | Remb | Nack | None:
    """What a parsed packet asks for; None for reports and for other feedback. Raises `RemoteError`."""
    if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
        return Nack(packet.media_ssrc, tuple(dict.fromkeys(number & 0xFFFF for number in packet.lost)))
    if not isinstance(packet, RtcpPsfbPacket):
        return None
    if packet.fmt == RTCP_PSFB_PLI:
        return Pli(packet.media_ssrc)
    if packet.fmt == RTCP_PSFB_FIR:
        return _fir(packet.fci)
    if packet.fmt == RTCP_PSFB_APP and packet.fci[:4] == b"REMB":
        return _remb(packet.fci)
    return None


def _fir(fci: bytes) -> Fir:
    if not fci or len(fci) % 8:
        raise RemoteError("a full intra request is malformed")
    return Fir(tuple((ssrc, number) for ssrc, number in struct.iter_unpack("!IB3x", fci)))


def _remb(fci: bytes) -> Remb:
    try:
        bitrate, ssrcs = unpack_remb_fci(fci)
    except (ValueError, struct.error) as exc:
        raise RemoteError("a bitrate estimate is malformed") from exc
    return Remb(bitrate, tuple(ssrcs))


def sender_report(
    ssrc: int, ntp: int, rtp: int, packets: int, octets: int, reports: Sequence[RtcpReceiverInfo] = ()
) -> bytes:
    """A sender report (RFC 3550 section 6.4.1) with at most 31 report blocks; the counts wrap at 2^32."""
    assert len(reports) <= _report_blocks_max
    info = RtcpSenderInfo(
        ntp_timestamp=ntp,
        rtp_timestamp=rtp,
        packet_count=packets & 0xFFFFFFFF,
        octet_count=octets & 0xFFFFFFFF,
    )
    return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=info, reports=list(reports)))


def receiver_report(ssrc: int, reports: Sequence[RtcpReceiverInfo] = ()) -> bytes:
    """A receiver report, or as many as the blocks need: 31 fit into one. Without blocks it is an empty one."""
    parts = [reports[i : i + _report_blocks_max] for i in range(0, len(reports), _report_blocks_max)] or [[]]
    return b"".join(bytes(RtcpRrPacket(ssrc=ssrc, reports=list(part))) for part in parts)


def source_description(ssrc: int, cname: str) -> bytes:
    """A source description with the CNAME alone (RFC 3550 section 6.5.1)."""
    name = cname.encode()
    assert len(name) <= 255
    chunk = struct.pack("!IBB", ssrc, _sdes_cname, len(name)) + name + b"\0"
    return pack_rtcp_packet(RTCP_SDES, 1, chunk + bytes(-len(chunk) % 4))


def bye(ssrcs: Sequence[int]) -> bytes:
    """A BYE of at most 31 sources (RFC 3550 section 6.6)."""
    assert len(ssrcs) <= _report_blocks_max
    return bytes(RtcpByePacket(sources=list(ssrcs)))


def picture_loss_indication(ssrc: int, media_ssrc: int) -> bytes:
    """A request from `ssrc` for a keyframe of `media_ssrc` (RFC 4585 section 6.3.1)."""
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=ssrc, media_ssrc=media_ssrc))


def generic_nack(ssrc: int, media_ssrc: int, lost: Iterable[int]) -> bytes:
    """A request from `ssrc` for these packets of `media_ssrc` (RFC 4585 section 6.2.1).

    `lost` is in ascending order, as it was sent: extended sequence numbers, or those of a packet which wrap.
    """
    groups: list[list[int]] = []
    for number in lost:
        number &= 0xFFFF
        place = (number - groups[-1][0] - 1) & 0xFFFF if groups else 16
        if place < 16:
            groups[-1][1] |= 1 << place
        else:
            groups.append([number, 0])
    fci = b"".join(struct.pack("!HH", first, following) for first, following in groups)
    return pack_rtcp_packet(RTCP_RTPFB, RTCP_RTPFB_NACK, struct.pack("!II", ssrc, media_ssrc) + fci)


def full_intra_request(ssrc: int, media_ssrc: int, sequence_number: int) -> bytes:
    """The same as a command (RFC 5104 section 4.3.1): a new request has a new `sequence_number`, modulo 256."""
    fci = struct.pack("!IB3x", media_ssrc, sequence_number & 0xFF)
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_FIR, ssrc=ssrc, media_ssrc=0, fci=fci))


def receiver_estimated_maximum_bitrate(ssrc: int, bitrate: int, ssrcs: Sequence[int]) -> bytes:
    """A REMB of `bitrate` bits per second for at most 255 sources together; it is rounded down to 18 bits."""
    assert len(ssrcs) <= 255
    fci = pack_remb_fci(bitrate, list(ssrcs))
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ssrc, media_ssrc=0, fci=fci))
