"""What one session sends: outgoing SSRCs, sender reports about them, and what their receivers answer. Sans-IO."""

import random
from collections.abc import Iterable

from aiortc.rtp import RtcpReceiverInfo

from media import rtcp
from media.consumer import Consumer
from media.counters import Counters
from media.reports import Outgoing, SenderReports, joined, sender_report
from media.sdes import description

_bye_sources_max = 31
"""The count of a BYE has five bits."""


class RtpSender:
    """The consumers of one session, from RTCP's side; their packets are sent by the fanouts of their producers."""

    def __init__(self, counters: Counters, rng: random.Random) -> None:
        self.bitrate_allowed: int | None = None
        """Bits per second which the receiver said it can take (REMB)."""
        self._counters = counters
        self._outgoing: dict[int, Outgoing] = {}
        self._rtx: set[int] = set()
        """Their SSRCs for retransmissions, of which receivers report too."""
        self._catching_up: dict[Outgoing, None] = {}
        self._reports = SenderReports(rng)

    def add(self, consumer: Consumer) -> list[Outgoing]:
        """Answers for its tracks from now on."""
        added = []
        for kind, track in consumer.tracks.items():
            outgoing = Outgoing(track, consumer.producer.tracks[kind], consumer.producer.id.hex)
            self._outgoing[track.ssrc] = outgoing
            if track.parameters.rtx_ssrc is not None:
                self._rtx.add(track.parameters.rtx_ssrc)
            added.append(outgoing)
        return added

    def remove(self, consumer: Consumer) -> list[int]:
        """Answers for them no more; their SSRCs."""
        ssrcs = [track.ssrc for track in consumer.tracks.values()]
        for ssrc in ssrcs:
            outgoing = self._outgoing.pop(ssrc)
            self._reports.stop(outgoing)
            self._catching_up.pop(outgoing, None)
        rtx = [track.parameters.rtx_ssrc for track in consumer.tracks.values()]
        self._rtx.difference_update(ssrc for ssrc in rtx if ssrc is not None)
        return ssrcs

    def flows(self, outgoing: Outgoing, now: float) -> None:
        """Its packets flow, for the first time or after a rest: a report is due."""
        self._reports.flows(outgoing, now)
        if outgoing.source.fanout.timeout(outgoing.track) is not None:
            self._catching_up[outgoing] = None

    def replace_ssrc(self, outgoing: Outgoing, ssrc: int) -> bytes:
        """A pipe goes on under a fresh SSRC; the RTCP packets which tell so, to be sent before its next packet."""
        track = outgoing.track
        ended = track.ssrc
        del self._outgoing[ended]
        track.ssrc = ssrc
        self._outgoing[ssrc] = outgoing
        return rtcp.bye([ended]) + description(ssrc, outgoing.cname, track.parameters.mid)

    def receiver_reported(self, block: RtcpReceiverInfo, now: float) -> None:
        """Takes one report block."""
        if block.ssrc in self._rtx:
            return
        outgoing = self._find(block.ssrc)
        if outgoing is not None:
            outgoing.received_block(block, now)

    def feedback(self, message: rtcp.Pli | rtcp.Fir | rtcp.Remb | rtcp.Nack | None, now: float) -> None:
        """Takes a request; keyframes are asked for upstream, and lost packets sent again."""
        match message:
            case rtcp.Pli(media_ssrc):
                self._keyframe_requested(media_ssrc)
            case rtcp.Fir(requests):
                for ssrc, _ in requests:
                    self._keyframe_requested(ssrc)
            case rtcp.Remb(bitrate, _):
                self.bitrate_allowed = bitrate
            case rtcp.Nack(media_ssrc, lost):
                if (outgoing := self._find(media_ssrc)) is not None:
                    outgoing.track.reception.nacked += len(lost)
                    self._counters.nacks_received += len(lost)
                    outgoing.source.fanout.retransmit(outgoing.track, lost, now)

    def poll(self, now: float, unix_time: float) -> list[bytes]:
        """The RTCP compounds that are due; sends what is due to those who catch up."""
        for outgoing in list(self._catching_up):
            outgoing.source.fanout.poll(outgoing.track, now)
            if outgoing.source.fanout.timeout(outgoing.track) is None:
                del self._catching_up[outgoing]
        due, resting = self._reports.poll(now)
        for outgoing in resting:
            outgoing.source.fanout.rest(outgoing.track)
        return joined(sender_report(outgoing, now, unix_time) for outgoing in due)

    def timeout(self) -> float | None:
        """The time from which `poll` has something."""
        times = [outgoing.source.fanout.timeout(outgoing.track) for outgoing in self._catching_up]
        return min((when for when in (*times, self._reports.timeout()) if when is not None), default=None)

    def _keyframe_requested(self, ssrc: int) -> None:
        outgoing = self._find(ssrc)
        if outgoing is not None:
            self._counters.keyframe_requests_received += 1
            outgoing.source.producer.request_keyframe(outgoing.track.kind)

    def _find(self, ssrc: int) -> Outgoing | None:
        outgoing = self._outgoing.get(ssrc)
        if outgoing is None:
            self._counters.rtcp_unknown_ssrc += 1
        return outgoing


def farewells(ssrc: int, ended: list[int]) -> Iterable[bytes]:
    """Compounds from `ssrc` which say that these sources have ended."""
    for first in range(0, len(ended), _bye_sources_max):
        yield rtcp.receiver_report(ssrc) + rtcp.bye(ended[first : first + _bye_sources_max])
