"""CatchUp: a consumer begins with what the cache holds: a viewer with the last keyframe, a pipe where it is told to.

Sans-IO.

The group goes out as a paced burst in the order of its numbers, live packets behind it as they come; once nothing
waits the viewer is one of the running group. A player that trusts timestamps would show the group at its own pace, and
stay behind; Chromium alone catches up by itself. So time is squeezed: timestamps before the live ones are moved towards
them, to a sixteenth of their distance. Frames of a camera are then 1-2 ms apart, still in order, and whoever gets one
of these packets again gets the same timestamp. On pipes timestamps stay as they are: the next node squeezes them.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from foundation import limits
from media.history import History, Kept
from media.rtp import timestamp_distance

_squeeze_divisor = 16
"""Frames at 60/s are then 1.04 ms apart, and the 3 s of the largest group take 190 ms."""

_live_rates_min = 3.0
"""How many times faster than the stream itself its group is sent at least: or it would never be caught up with."""

_step_seconds = 0.01


class Squeeze(NamedTuple):
    """Of the packets below the number `end`; `anchor` is the newest timestamp among them."""

    end: int
    anchor: int

    def timestamp(self, sequence: int, timestamp: int) -> int:
        """What takes the place of the source's timestamp in one packet, before the consumer's offset is added."""
        if sequence >= self.end:
            return timestamp
        return (self.anchor - timestamp_distance(self.anchor, timestamp) // _squeeze_divisor) & 0xFFFFFFFF


class CatchUp:
    """What one consumer is still to be sent before it is up with the live packets."""

    def __init__(
        self,
        history: History,
        group: Sequence[int],
        now: float,
        *,
        clock_rate: int = 90_000,
        seconds: float = limits.catch_up_seconds,
    ) -> None:
        """`group` is what the history has, at this moment, from its first number on; it is sent in `seconds`."""
        self._history = history
        self._waiting = deque(group)
        self._start = group[0]
        self._begun_at = now
        self._sent_bytes = 0
        kept = [found for number in group if (found := history.get(number)) is not None]
        newest = reduce(_later, (each.timestamp for each in kept))
        self.squeeze = Squeeze(group[-1] + 1, newest)
        lasts = timestamp_distance(newest, kept[0].timestamp) / clock_rate
        lasts = max(lasts, now - kept[0].came_at, limits.catch_up_seconds)
        faster = max(1 / seconds, _live_rates_min / lasts)
        self.bytes_per_second = max(limits.catch_up_bytes_per_second_min, sum(len(k.packet) for k in kept) * faster)

    @property
    def done(self) -> bool:
        """Whether the next live packet follows what was sent."""
        return not self._waiting

    def expired(self, now: float) -> bool:
        """Whether it took too long, and a fresh keyframe is the better beginning."""
        return now > self._begun_at + limits.catch_up_seconds_max

    def read_on(self, sequences: Sequence[int]) -> None:
        """Live packets came; those from before the keyframe are nobody's."""
        self._waiting.extend(number for number in sequences if number >= self._start)

    def poll(self, now: float, send: Callable[[list[tuple[int, Kept]]], None]) -> None:
        """Sends what is due, in bursts; a timer that rings late has more to send."""
        due = (now - self._begun_at + _step_seconds) * self.bytes_per_second
        while self._waiting and self._sent_bytes < due:
            send(self._taken(due))

    def timeout(self) -> float:
        """The time from which `poll` has something."""
        return self._begun_at + self._sent_bytes / self.bytes_per_second

    def _taken(self, due: float) -> list[tuple[int, Kept]]:
        taken: list[tuple[int, Kept]] = []
        while self._waiting and self._sent_bytes < due and len(taken) < limits.burst_packets_max:
            number = self._waiting.popleft()
            kept = self._history.get(number)
            if kept is not None:
                taken.append((number, kept))
                self._sent_bytes += len(kept.packet)
        return taken


def _later(one: int, other: int) -> int:
    return one if timestamp_distance(one, other) >= 0 else other
