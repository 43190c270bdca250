"""How long a node waited for the network: for answers that came, not for those that did not, nor for its own pauses."""

from collections import deque
from collections.abc import Hashable

_KEPT_SECONDS = 20.0
"""No viewer waits longer at one node."""


class Flights:
    """Times between a question of one node and its answer; they may overlap."""

    def __init__(self) -> None:
        self._open: dict[Hashable, float] = {}
        self._over: deque[tuple[float, float]] = deque()

    def begin(self, key: Hashable, now: float) -> None:
        """A question is on its way; asked again, the first one counts."""
        self._open.setdefault(key, now)

    def end(self, key: Hashable, now: float, answered: bool = True) -> None:
        """Its answer has come, or will not come."""
        began = self._open.pop(key, None)
        if began is not None and answered and now > began:
            self._over.append((began, now))
        while self._over and self._over[0][1] < now - _KEPT_SECONDS:
            self._over.popleft()

    def within(self, begin: float, end: float) -> float:
        """Seconds of this time in which at least one answer was on its way."""
        total, reached = 0.0, begin
        for began, ended in sorted(self._over):
            if ended > reached and began < end:
                total += min(ended, end) - max(began, reached)
                reached = max(reached, min(ended, end))
        return total
