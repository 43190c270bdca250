"""Named deadlines of a sans-IO core: each key has at most one, and the earliest is known at once."""

import heapq
from collections.abc import Hashable

_STALE_ENTRIES_MAX = 64


class Deadlines:
    """A heap with lazy deletion; times are whatever clock the caller passes as `now`, in seconds."""

    def __init__(self) -> None:
        self._current: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._current

    def set(self, key: Hashable, at: float) -> None:
        """Sets or moves the deadline of `key`."""
        self._serial += 1
        self._current[key] = at, self._serial
        heapq.heappush(self._heap, (at, self._serial, key))
        if len(self._heap) > 2 * len(self._current) + _STALE_ENTRIES_MAX:
            self._heap = [(at, serial, key) for key, (at, serial) in self._current.items()]
            heapq.heapify(self._heap)

    def advance(self, key: Hashable, at: float) -> None:
        """Sets the deadline of `key` unless it has an earlier one."""
        current = self._current.get(key)
        if current is None or at < current[0]:
            self.set(key, at)

    def clear(self, key: Hashable) -> None:
        self._current.pop(key, None)

    def next(self) -> float | None:
        """The earliest deadline, None without any."""
        while self._heap:
            at, serial, key = self._heap[0]
            if self._current.get(key) == (at, serial):
                return at
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> Hashable | None:
        """Takes out the earliest key whose time has come, None when there is none."""
        at = self.next()
        if at is None or at > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._current[key]
        return key
