"""RTCP reports: when they are due, and what stands in them (RFC 3550 section 6). Sans-IO.

Nothing is due where nothing flows: a schedule sleeps until packets wake it.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiortc.rtp import RtcpReceiverInfo

from foundation import limits
from media import rtcp
from media.consumer_track import ConsumerTrack
from media.producer import ProducerTrack
from media.sdes import description
from media.source import Source

_blocks_per_report = 31
_rtp_header_bytes = 12


class ReportSchedule:
    """The time of the next report: a second after the last one, times 0.5-1.5 so that sessions do not fall in step."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._due: float | None = None

    def wake(self, now: float) -> None:
        """There is something to report on: not at once, but by and by."""
        if self._due is None:
            self._due = now + limits.report_gap_seconds * self._rng.uniform(0.5, 1.5)

    def poll(self, now: float) -> bool:
        """Whether a report is due; true puts the schedule to sleep."""
        if self._due is None or now < self._due:
            return False
        self._due = None
        return True

    def timeout(self) -> float | None:
        return self._due


class ReceiverReports:
    """Report blocks about the sources of one session from which packets came since the last report."""

    def __init__(self, rng: random.Random) -> None:
        self._schedule = ReportSchedule(rng)
        self._reported: dict[Source, int] = {}

    def received(self, now: float) -> None:
        """Packets came."""
        self._schedule.wake(now)

    def poll(self, now: float, sources: Iterable[Source]) -> list[RtcpReceiverInfo]:
        """The blocks that are due."""
        if not self._schedule.poll(now):
            return []
        known, self._reported = self._reported, {source: source.packets for source in sources}
        heard = [source for source, packets in self._reported.items() if packets != known.get(source, 0)]
        if heard:
            self._schedule.wake(now)
        return [source.report_block(now) for source in heard]

    def timeout(self) -> float | None:
        return self._schedule.timeout()


@dataclass(slots=True, eq=False)
class Outgoing:
    """A consumer track, the producer track which feeds it, and what was reported about it."""

    track: ConsumerTrack
    source: ProducerTrack
    cname: str
    packets_reported: int = 0
    reported_at: tuple[int, float] | None = None
    """The middle 32 bits of the NTP time in the last sender report, and when it went."""

    def received_block(self, block: RtcpReceiverInfo, now: float) -> None:
        """Takes the receiver's report about this track."""
        reception = self.track.reception
        reception.fraction_lost = block.fraction_lost / 256
        reception.jitter_ticks = block.jitter
        if self.reported_at is not None and block.lsr == self.reported_at[0]:
            reception.rtt_seconds = max(0.0, now - self.reported_at[1] - block.dlsr / 65536)


class SenderReports:
    """When tracks of one session's consumers get a sender report: at once when packets flow, then every second."""

    def __init__(self, rng: random.Random) -> None:
        self._schedule = ReportSchedule(rng)
        self._begun: dict[Outgoing, float] = {}
        self._flowing: dict[Outgoing, None] = {}

    def flows(self, outgoing: Outgoing, now: float) -> None:
        """Packets of this track flow, for the first time or after a rest."""
        self._begun[outgoing] = now

    def stop(self, outgoing: Outgoing) -> None:
        """The track is gone."""
        self._begun.pop(outgoing, None)
        self._flowing.pop(outgoing, None)

    def poll(self, now: float) -> tuple[list[Outgoing], list[Outgoing]]:
        """The tracks to report on now, and those which have come to rest: say `flows` when one of them wakes."""
        due = list(self._begun)
        resting = []
        if self._schedule.poll(now):
            resting = [outgoing for outgoing in self._flowing if outgoing.track.packets == outgoing.packets_reported]
            for outgoing in resting:
                del self._flowing[outgoing]
            due += [outgoing for outgoing in self._flowing if outgoing not in self._begun]
        self._flowing.update(dict.fromkeys(self._begun))
        self._begun.clear()
        if self._flowing:
            self._schedule.wake(now)
        for outgoing in due:
            outgoing.packets_reported = outgoing.track.packets
        return due, resting

    def timeout(self) -> float | None:
        if self._begun:
            return min(self._begun.values())
        return self._schedule.timeout()


def sender_report(outgoing: Outgoing, now: float, unix_time: float) -> bytes:
    """Sender report and source description of one track; empty as long as its time is not known.

    The time is that of the sender's clock. A track that got no report of it yet is told by its sibling's, as both must
    agree for lip sync.
    """
    source, track = outgoing.source.source, outgoing.track
    times = None if source is None else source.clock.at(now, unix_time)
    if source is None or times is None:
        return b""
    ntp, rtp = times
    if source.clock.report is None:
        ntp = _sibling_time(outgoing.source, now) or ntp
    outgoing.reported_at = (ntp >> 16) & 0xFFFFFFFF, now
    octets = track.bytes_ - _rtp_header_bytes * track.packets
    report = rtcp.sender_report(track.ssrc, ntp, (rtp + track.timestamp_offset) & 0xFFFFFFFF, track.packets, octets)
    return report + description(track.ssrc, outgoing.cname, track.parameters.mid if track.pipe else None)


def receiver_reports(ssrc: int, cname: str, blocks: Sequence[RtcpReceiverInfo]) -> list[bytes]:
    """Compounds with these blocks, as many as are needed."""
    return [
        rtcp.receiver_report(ssrc, blocks[first : first + _blocks_per_report]) + description(ssrc, cname)
        for first in range(0, len(blocks), _blocks_per_report)
    ]


def joined(packets: Iterable[bytes]) -> list[bytes]:
    """RTCP packets packed into compounds that fit a datagram."""
    compounds: list[bytes] = []
    for packet in packets:
        if compounds and len(compounds[-1]) + len(packet) <= limits.rtcp_compound_bytes_max:
            compounds[-1] += packet
        elif packet:
            compounds.append(packet)
    return compounds


def _sibling_time(track: ProducerTrack, now: float) -> int | None:
    for sibling in track.producer.tracks.values():
        if sibling.source is not None and sibling.source.clock.report is not None:
            times = sibling.source.clock.at(now, 0.0)
            assert times is not None
            return times[0]
    return None
