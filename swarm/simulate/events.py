"""Virtual time: what happens when. Events of one moment happen in the order in which they were planned."""

import heapq
from collections.abc import Callable
from typing import Any

Event = Callable[..., None]


class Events:
    """A heap of calls. `now` is virtual time in seconds; it moves only while `run_until` runs."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.done = 0
        self._heap: list[tuple[float, int, Event, tuple[Any, ...]]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, event: Event, *arguments: Any) -> None:
        """Plans `event(*arguments)`; a time that is over means now."""
        self._serial += 1
        heapq.heappush(self._heap, (when if when > self.now else self.now, self._serial, event, arguments))

    def after(self, delay: float, event: Event, *arguments: Any) -> None:
        """Plans `event(*arguments)` in `delay` seconds."""
        self._serial += 1
        heapq.heappush(self._heap, (self.now + delay, self._serial, event, arguments))

    def run_until(self, end: float) -> None:
        """Lets everything happen that is due by `end`; then it is `end`."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end:
            self.now, _, event, arguments = pop(heap)
            self.done += 1
            event(*arguments)
        self.now = end
