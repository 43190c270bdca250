"""Retransmission: what a consumer track answers to the NACKs of its receiver (RFC 4585 section 6.2.1). Sans-IO.

With RTX (RFC 4588) the packet goes under an SSRC and a counter of their own. Without, it goes as it first went, byte by
byte: under one (SSRC, SRTP index) there are never two plaintexts, or AES-GCM gives its key away. So all of it is made
from what the run's mapping says, and only packets of this run and still in the history are sent.
"""

from foundation import limits
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.history import History
from media.rewriter import remapped_extensions
from media.rtp import RtpHeader, parse_header, sequence_distance

_padding_flag = 0x20
_osn_bytes = 2


class Retransmitter:
    """For one consumer track, from its first NACK on.

    Its allowance is a share of the bytes which the track is sent: it grows with them, without a clock.
    """

    __slots__ = ("_allowance", "_earned_at", "_ids", "_next_number", "_sent_at", "_track")

    def __init__(self, track: ConsumerTrack) -> None:
        self._track = track
        self._ids = dict(track.extension_ids)
        self._next_number = track.first_number
        self._allowance = float(limits.retransmission_burst_bytes)
        self._earned_at = track.bytes_
        self._sent_at: dict[int, float] = {}

    def answer(self, lost: tuple[int, ...], history: History, now: float, counters: Counters) -> list[bytes]:
        """The plain packets to protect and send for these outgoing sequence numbers."""
        self._earn()
        packets = []
        for place, number in enumerate(lost):
            if self._allowance <= 0:
                counters.nacks_over_budget += len(lost) - place
                break
            self._allowance -= limits.nack_bytes
            packet = self._repeated(number, history, now, counters)
            if packet is not None:
                self._allowance -= len(packet)
                packets.append(packet)
        return packets

    def _repeated(self, number: int, history: History, now: float, counters: Counters) -> bytes | None:
        track = self._track
        newest = track.newest[0]
        behind = sequence_distance((newest + track.sequence_offset) & 0xFFFF, number)
        sequence = newest - behind
        kept = history.get(sequence) if behind >= 0 and sequence >= track.run_start else None
        if kept is None or (track.rtx and len(kept.packet) + _osn_bytes > limits.rtp_bytes_max):
            counters.nacks_unknown += 1
            return None
        if not track.rtx and behind >= limits.plain_retransmission_packets_max:
            counters.nacks_too_late += 1
            return None
        if self._under_way(kept.came_at, now) or not self._may_repeat(sequence, now):
            counters.nacks_too_soon += 1
            return None
        header = parse_header(kept.packet)
        packet = first_sent(track, kept.packet, header, sequence, self._ids)
        return self._wrapped(packet, header) if track.rtx else packet

    def _wrapped(self, packet: bytes, header: RtpHeader) -> bytes:
        parameters = self._track.parameters
        assert parameters.rtx_payload_type is not None
        assert parameters.rtx_ssrc is not None
        number = self._next_number & 0xFFFF
        self._next_number += 1
        return rtx_packet(packet, header, parameters.rtx_payload_type, number, parameters.rtx_ssrc)

    def _under_way(self, came_at: float, now: float) -> bool:
        """Whether it was asked for before it could arrive: it was late itself, as it was lost above and repaired."""
        return now - came_at < self._round_trip

    @property
    def _round_trip(self) -> float:
        """The shortest that is to be expected, in seconds; 0 as long as the receiver has not told."""
        return limits.retransmission_round_trip_ratio * (self._track.reception.rtt_seconds or 0.0)

    def _may_repeat(self, sequence: int, now: float) -> bool:
        """Whether a round trip has passed since it was last sent again; notes that it is now."""
        gap = max(limits.retransmission_gap_seconds_min, self._round_trip)
        if now - self._sent_at.get(sequence, float("-inf")) < gap:
            return False
        if len(self._sent_at) >= limits.retransmissions_remembered_max:
            self._sent_at = {number: at for number, at in self._sent_at.items() if now - at < gap}
            if len(self._sent_at) >= limits.retransmissions_remembered_max:
                return False
        self._sent_at[sequence] = now
        return True

    def _earn(self) -> None:
        sent = self._track.bytes_
        earned = (sent - self._earned_at) * limits.retransmission_share
        self._earned_at = sent
        self._allowance = min(self._allowance + earned, float(limits.retransmission_burst_bytes))


def first_sent(track: ConsumerTrack, packet: bytes, header: RtpHeader, sequence: int, ids: dict[int, int]) -> bytes:
    """The plain packet as `media.forward` first sent it in this run, but for the padding of tracks with RTX."""
    made = bytearray(packet)
    made[8:12] = track.ssrc.to_bytes(4, "big")
    if not track.pipe:
        timestamp = header.timestamp if track.squeeze is None else track.squeeze.timestamp(sequence, header.timestamp)
        made[1] = header.marker << 7 | track.parameters.codec.payload_type
        made[2:4] = ((sequence + track.sequence_offset) & 0xFFFF).to_bytes(2, "big")
        made[4:8] = ((timestamp + track.timestamp_offset) & 0xFFFFFFFF).to_bytes(4, "big")
        if header.extensions_end > header.extensions_start:
            made[header.extensions_start : header.extensions_end] = remapped_extensions(packet, header, ids)
    return bytes(made)


def rtx_packet(packet: bytes, header: RtpHeader, payload_type: int, number: int, ssrc: int) -> bytes:
    """The retransmission (RFC 4588 section 4) of a packet with this layout: two bytes longer, without padding."""
    start = header.payload_start
    head = bytes((packet[0] & ~_padding_flag, header.marker << 7 | payload_type)) + number.to_bytes(_osn_bytes, "big")
    head += packet[4:8] + ssrc.to_bytes(4, "big") + packet[12:start]
    return head + packet[2:4] + packet[start : header.payload_end]
