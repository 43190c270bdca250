"""What one session receives: RTP sorted by track and passed on in bursts, and the RTCP that answers it. Sans-IO."""

import random
from collections.abc import Iterable

from aiortc.rtp import RtcpSrPacket

from foundation import limits
from foundation.errors import RemoteError
from media.arrivals import Arrivals
from media.burst import Burst
from media.congestion import CongestionFeedback
from media.counters import Counters
from media.keyframe import starts_keyframe
from media.keyframe_sender import KeyframeSender
from media.listener import RtpListener
from media.nack_sender import NackSender
from media.producer import Producer, ProducerTrack
from media.reports import ReceiverReports, joined, receiver_reports
from media.rtp import RtpHeader, elements, parse_header
from media.rtx import restored


class RtpReceiver:
    """The producers of one session, from the packet path's side."""

    def __init__(self, counters: Counters, rng: random.Random) -> None:
        self.arrivals = Arrivals()
        self._counters = counters
        self._listener = RtpListener()
        self._congestion = CongestionFeedback()
        self._keyframes = KeyframeSender()
        self._nacks = NackSender(counters)
        self._reports = ReceiverReports(rng)

    def add(self, producer: Producer) -> None:
        """Takes packets for its tracks from now on."""
        self._listener.add(producer.tracks.values())
        self._nacks.add(producer.tracks.values())
        if not producer.piped:
            self._congestion.agree(track.incoming for track in producer.tracks.values())

    def remove(self, producer: Producer) -> list[int]:
        """Takes no more; the SSRCs that fed its tracks."""
        for track in producer.tracks.values():
            self._keyframes.forget(track)
            self._nacks.forget(track)
        return self._listener.remove(producer.tracks.values())

    def hears(self, ssrc: int) -> bool:
        """Whether a track is fed or repaired by this SSRC."""
        return ssrc in self._listener.bound or ssrc in self._listener.repairing

    def received(self, packets: Iterable[bytes], now: float) -> None:
        """Takes the packets of one burst, in order of arrival: each track's are forwarded as one burst."""
        bursts: dict[ProducerTrack, Burst] = {}
        for packet in packets:
            self._counters.rtp_received += 1
            try:
                self._sort(packet, bursts, now)
            except RemoteError:
                self._counters.rtp_malformed += 1
        self._forward(bursts)
        self._reports.received(now)

    def sender_reported(self, report: RtcpSrPacket, now: float) -> None:
        """Takes what a source said of its clock."""
        track = self._listener.bound.get(report.ssrc)
        if track is None and report.ssrc in self._listener.repairing:
            return
        if track is None or track.source is None:
            self._counters.rtcp_unknown_ssrc += 1
            return
        info = report.sender_info
        track.source.sender_report(info.ntp_timestamp, info.rtp_timestamp, now)

    def described(self, ssrc: int, mid: str, now: float) -> None:
        """An SSRC was said to belong to the track with this MID."""
        if self.arrivals.overlap(ssrc) is not None:
            return  # it was announced already, and another link feeds the track until this one's packets are level
        self.arrivals.came(mid)
        self._listener.described(ssrc, mid, now)

    def ended(self, ssrc: int) -> None:
        """A source said BYE: another may take its track at once."""
        self._listener.unbind(ssrc)

    def want_keyframe(self, track: ProducerTrack, now: float) -> None:
        """Somebody needs a keyframe of a track that is received here."""
        self._keyframes.want(track, now)

    def poll(self, ssrc: int, cname: str, now: float, rtt_seconds: float | None = None) -> list[bytes]:
        """The RTCP compounds that are due, from our `ssrc` of the name `cname`; `rtt_seconds` if the path tells it."""
        self._nacks.path_rtt_seconds = rtt_seconds
        nacks, broken = self._nacks.poll(ssrc, now)
        for track in broken:
            if track.producer.consumers:
                self._keyframes.want(track, now)
        requests = self._keyframes.poll(ssrc, now)
        self._counters.keyframe_requests_sent += len(requests)
        sources = (track.source for track in self._listener.bound.values() if track.source is not None)
        blocks = self._reports.poll(now, sources)
        return joined(requests + nacks + self._congestion.poll(ssrc, now)) + receiver_reports(ssrc, cname, blocks)

    def timeout(self) -> float | None:
        """The time from which `poll` has something."""
        parts = (self._keyframes, self._nacks, self._congestion, self._reports)
        times = (part.timeout() for part in parts)
        return min((when for when in times if when is not None), default=None)

    def _sort(self, packet: bytes, bursts: dict[ProducerTrack, Burst], now: float) -> None:
        if len(packet) > limits.rtp_bytes_max:
            raise RemoteError("an RTP packet is too large to be passed on")
        header = parse_header(packet)
        found = elements(packet, header)
        self._congestion.received(packet, header, found, now)
        track = self._listener.bound.get(header.ssrc)
        if track is None and (repaired := self._listener.repaired_by(header)) is not None:
            self._repair(repaired, packet, header, bursts, now)
            return
        if track is None:
            self._forward(bursts)  # before a track begins anew with another source
            overlap = self.arrivals.overlap(header.ssrc)
            if overlap is not None and not overlap.level(header, now):
                self._counters.rtp_repeated += not overlap.take(packet, header, now)
                return
            self.arrivals.came(header.ssrc)
            track = self._listener.track_for(packet, header, found, now)
            if track is None:
                if not self.arrivals.keep(header.ssrc, packet, now):
                    self._count_unknown(header.payload_type)
                return
        source = track.source
        assert source is not None
        sequence = source.received(header, len(packet), now)
        if sequence is None:
            self._counters.rtp_refused += 1
        elif header.payload_type != track.incoming.codec.payload_type:
            self._counters.rtp_unknown_payload_type += 1
            self._forward(bursts)
            self._nacks.received(track, [sequence], (), now)  # it is unwanted, but not missing
        else:
            self._gather(track, packet, header, sequence, bursts, now)

    def _repair(
        self, track: ProducerTrack, packet: bytes, header: RtpHeader, bursts: dict[ProducerTrack, Burst], now: float
    ) -> None:
        """A retransmission as RTX: what it carries takes the way of any packet, if it has not come yet."""
        source = track.source
        original = None if source is None else restored(packet, header, track.incoming.codec.payload_type, source.ssrc)
        if source is None or original is None or not source.lacks(int.from_bytes(original[2:4], "big")):
            self._counters.rtx_unneeded += 1
            return
        header = parse_header(original)
        sequence = source.received(header, len(original), now, repaired=True)
        assert sequence is not None, "what a source lacks it takes"
        self._counters.packets_repaired += 1
        self._nacks.repaired(track, sequence, now)
        self._gather(track, original, header, sequence, bursts, now)

    def _gather(
        self,
        track: ProducerTrack,
        packet: bytes,
        header: RtpHeader,
        sequence: int,
        bursts: dict[ProducerTrack, Burst],
        now: float,
    ) -> None:
        """Adds a packet to its track's burst, which leaves when it is full or its numbering ends."""
        if track.source is not None and track.source.restarts != track.restarts:
            self._forward(bursts)
            track.restart()
        if track.intake is not None:
            packet, header = track.intake.renamed(packet, header)
        keyframe = track.kind == "video" and starts_keyframe(
            track.parameters.codec.name, packet[header.payload_start : header.payload_end]
        )
        if keyframe:
            track.keyframe_seen(header.timestamp, now)
        burst = bursts.get(track)
        if burst is None:
            burst = bursts[track] = Burst(now)
        burst.add(packet, header, sequence, keyframe)
        if burst.full:
            self._forward(bursts)

    def _forward(self, bursts: dict[ProducerTrack, Burst]) -> None:
        for track, burst in bursts.items():
            track.heard_at = burst.now
            self._nacks.received(track, burst.sequences, burst.keyframes, burst.now)
            track.fanout.forward(burst)
        bursts.clear()

    def _count_unknown(self, payload_type: int) -> None:
        if self._listener.knows_payload_type(payload_type):
            self._counters.rtp_unknown_ssrc += 1
        else:
            self._counters.rtp_unknown_payload_type += 1
