"""Which packets of one incoming source are missing, and when to ask for them (RFC 4585 section 6.2.1). Sans-IO.

A gap is asked for after a short while, in which what is only reordered arrives; then again after a round trip, with
growing gaps, as long as the answer can still be of use. A gap of video that stays is healed by a keyframe.
"""

from collections.abc import Iterable, Sequence

from foundation import limits
from media.parameters import Kind

_measured_tries_max = 2

_none_yet = -(1 << 62)
"""Below every extended sequence number; those of late packets may be negative."""


class _Missing:
    """One packet that has not come."""

    __slots__ = ("due", "first_asked_at", "gap_seconds", "noticed_at", "tries")

    def __init__(self, now: float) -> None:
        self.noticed_at = now
        self.due = now + limits.nack_delay_seconds
        self.tries = 0
        self.first_asked_at = 0.0
        self.gap_seconds = 0.0


class NackGenerator:
    """The missing packets of one source, by extended sequence number, at most `nack_missing_max`."""

    def __init__(self, kind: Kind) -> None:
        self.missing: dict[int, _Missing] = {}
        """In ascending order."""
        self.answered_seconds: float | None = None
        """How long after it was first asked for the last missing packet came as an ordinary one; see `repaired`."""
        self._video = kind == "video"
        self._seconds_max = limits.nack_video_seconds_max if self._video else limits.nack_audio_seconds_max
        self._next: int | None = None
        self._keyframe = _none_yet
        self._lost = _none_yet
        """The newest packet that was given up and nothing was done about."""

    def received(self, sequences: Sequence[int], keyframes: Iterable[int], now: float) -> bool:
        """Takes what arrived together; `keyframes` are the places of those that start one. True: something is due."""
        for place in keyframes:
            self._keyframe = max(self._keyframe, sequences[place])
        expected = self._next if self._next is not None else sequences[0]
        noticed = False
        for sequence in sequences:
            if sequence == expected:
                expected += 1
            elif sequence < expected:
                self.answered_seconds = self.repaired(sequence, now) or self.answered_seconds
            else:
                noticed = self._skipped(expected, sequence, now) or noticed
                expected = sequence + 1
        self._next = expected
        return noticed

    def repaired(self, sequence: int, now: float) -> float | None:
        """A retransmission of this packet came: the seconds since it was first asked for, if that was not long ago.

        Packets asked for twice count too: where asking again comes too soon, there would be no others, and the
        estimate would stay too low for good. One in ten answers that were lost makes it a tenth too high.
        """
        missing = self.missing.pop(sequence, None)
        measured = missing is not None and 1 <= missing.tries <= _measured_tries_max
        return now - missing.first_asked_at if missing is not None and measured else None

    @property
    def position(self) -> int | None:
        """The lowest number that is missing and may still come, else the one that comes next; None before the first."""
        if self._next is None:
            return None
        oldest = self._next - limits.sequence_late_max
        return next((sequence for sequence in self.missing if sequence > oldest), self._next)

    def ask_anew(self, now: float) -> None:
        """Another sender goes on with the same stream, from `position` on: what it repeats need not be asked for."""
        for missing in self.missing.values():
            missing.noticed_at, missing.tries = now, 0
            missing.due = now + limits.nack_resumed_seconds

    def poll(self, rtt_seconds: float, now: float) -> list[int]:
        """The packets to ask for now, in ascending order; what there is no more hope for is given up."""
        asked = []
        oldest = (self._next or 0) - limits.sequence_late_max
        for sequence, missing in list(self.missing.items()):
            if sequence < oldest:
                self._give_up(sequence)
            elif missing.due <= now:
                in_time = now + rtt_seconds <= missing.noticed_at + self._seconds_max
                if missing.tries < limits.nack_tries_max and in_time:
                    _ask(missing, rtt_seconds, now)
                    asked.append(sequence)
                else:
                    self._give_up(sequence)
        return asked

    def take_broken(self) -> bool:
        """Whether, since the last call, a packet of video was given up that no keyframe has made needless."""
        broken = self._video and self._lost > self._keyframe
        self._lost = _none_yet
        return broken

    def timeout(self) -> float | None:
        """The time from which `poll` or `take_broken` has something; it may lie in the past."""
        if self._lost > self._keyframe:
            return 0.0
        return min((missing.due for missing in self.missing.values()), default=None)

    def _skipped(self, first: int, end: int, now: float) -> bool:
        """Everything from `first` to before `end` did not come."""
        if end - first >= limits.sequence_jump_max:
            self.missing.clear()  # the source began to number anew
            return False
        if end - first > limits.nack_missing_max:
            self._give_up_all(end - 1)
            return True
        self.missing.update((sequence, _Missing(now)) for sequence in range(first, end))
        if len(self.missing) > limits.nack_missing_max:
            self._shrink()
        return True

    def _shrink(self) -> None:
        """Too much is missing: what a keyframe has made needless goes first, then all, as a keyframe is smaller."""
        for sequence in [sequence for sequence in self.missing if sequence < self._keyframe]:
            del self.missing[sequence]
        if len(self.missing) > limits.nack_missing_max:
            self._give_up_all(next(reversed(self.missing)))

    def _give_up_all(self, newest: int) -> None:
        self.missing.clear()
        self._lost = max(self._lost, newest)

    def _give_up(self, sequence: int) -> None:
        del self.missing[sequence]
        self._lost = max(self._lost, sequence)


def _ask(missing: _Missing, rtt_seconds: float, now: float) -> None:
    if missing.tries == 0:
        missing.gap_seconds = max(limits.nack_gap_ratio * rtt_seconds, limits.nack_gap_seconds_min)
        missing.first_asked_at = now
    else:
        missing.gap_seconds *= limits.nack_gap_ratio
    missing.tries += 1
    missing.due = now + missing.gap_seconds
