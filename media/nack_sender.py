"""NACKs on their way to whoever sends: publishers which agreed, and parents over links. Sans-IO.

Each hop repairs what was lost on it, and what was lost above is asked for by the first node which misses it; when it
comes it is passed on to everyone, as anything that arrives late.
"""

from collections.abc import Iterable, Sequence

from foundation import limits
from media import rtcp
from media.counters import Counters
from media.producer import ProducerTrack

_rtt_gain = 1 / 8
"""RFC 6298 section 2."""


class NackSender:
    """What is missing of the tracks of one session."""

    def __init__(self, counters: Counters) -> None:
        self.path_rtt_seconds: float | None = None
        """Measured by checks of the path, where there are such (the end of a link which dialed)."""
        self._counters = counters
        self._asking: set[ProducerTrack] = set()
        self._lacking: dict[ProducerTrack, None] = {}
        self._due: float | None = None
        self._answered_seconds: float | None = None

    @property
    def rtt_seconds(self) -> float:
        """The best estimate there is: of the path, else of how long answers to NACKs took, else a default.

        A publisher is sent no sender reports, so that its receiver reports do not tell it.
        """
        return self.path_rtt_seconds or self._answered_seconds or limits.rtt_default_seconds

    def add(self, tracks: Iterable[ProducerTrack]) -> None:
        """Asks for what is missing of those tracks whose sender takes NACKs."""
        for track in tracks:
            if track.producer.piped or "nack" in track.incoming.feedback:
                self._asking.add(track)

    def forget(self, track: ProducerTrack) -> None:
        """The track is gone."""
        self._asking.discard(track)
        self._lacking.pop(track, None)

    def received(self, track: ProducerTrack, sequences: Sequence[int], keyframes: Iterable[int], now: float) -> None:
        """Takes extended sequence numbers of the track's source; `keyframes` are the places of those that start one."""
        if track not in self._asking:
            return
        gaps = track.gaps
        if gaps.received(sequences, keyframes, now) or (gaps.missing and track not in self._lacking):
            self._lacking[track] = None
            due = now + limits.nack_delay_seconds
            self._due = due if self._due is None else min(self._due, due)
        if gaps.answered_seconds is not None and track.incoming.rtx_payload_type is None:
            self._measured(gaps.answered_seconds)
            gaps.answered_seconds = None

    def repaired(self, track: ProducerTrack, sequence: int, now: float) -> None:
        """A retransmission came which was needed, before it is taken as the packet it is."""
        if track in self._asking and (sample := track.gaps.repaired(sequence, now)) is not None:
            self._measured(sample)

    def poll(self, sender_ssrc: int, now: float) -> tuple[list[bytes], list[ProducerTrack]]:
        """The RTCP packets that are due, and the tracks which only a keyframe can heal."""
        if self._due is None or now < self._due:
            return [], []
        packets, broken, times = [], [], []
        rtt_seconds = self.rtt_seconds
        for track in tuple(self._lacking):
            if track.source is not None:
                if lost := track.gaps.poll(rtt_seconds, now):
                    self._counters.nacks_sent += len(lost)
                    packets.append(rtcp.generic_nack(sender_ssrc, track.source.ssrc, lost))
                if track.gaps.take_broken():
                    broken.append(track)
                if (when := track.gaps.timeout()) is not None:
                    times.append(when)
                    continue
            del self._lacking[track]
        self._due = max(min(times), now + limits.nack_poll_gap_seconds_min) if times else None
        return packets, broken

    def timeout(self) -> float | None:
        """The time from which `poll` may have something."""
        return self._due

    def _measured(self, sample: float) -> None:
        previous = self._answered_seconds
        self._answered_seconds = sample if previous is None else previous + _rtt_gain * (sample - previous)
