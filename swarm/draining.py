"""Leaving a swarm without being missed: nothing new is taken, what is here is handed on, and a deadline ends it."""

import asyncio
from collections.abc import Callable

from foundation import limits


class Draining:
    """Whether this node is on its way out, and when it is over: nobody is left, or the deadline has come.

    `begin` and `undo` tell the others of this node; `nobody_left` is asked whenever `look` says that it may have
    become true.
    """

    def __init__(self, begin: Callable[[], None], undo: Callable[[], None], nobody_left: Callable[[], bool]) -> None:
        self.over = asyncio.Event()
        """Set when the node may go; never taken back."""
        self._loop = asyncio.get_running_loop()
        self._begin = begin
        self._undo = undo
        self._nobody_left = nobody_left
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def active(self) -> bool:
        return self._deadline is not None

    @property
    def seconds_left(self) -> float:
        """Until the node goes whatever is left; 0 when it does not drain."""
        return max(0.0, self._deadline - self._loop.time()) if self._deadline is not None else 0.0

    def begin(self, seconds: float) -> None:
        """Drains, for at most `seconds`; a drain that is under way is only ever made shorter."""
        deadline = self._loop.time() + seconds
        began = self._deadline is None
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline
            self._arm(deadline - limits.drain_goodbye_seconds)
        if began:
            self._begin()
        self.look()

    def undo(self) -> bool:
        """The node stays, and takes new work; false when it did not drain, or is gone already."""
        if self._deadline is None or self.over.is_set():
            return False
        self.close()
        self._deadline = None
        self._undo()
        return True

    def look(self) -> None:
        """Something of this node has ended."""
        if self.active and not self.over.is_set() and self._nobody_left():
            self._end()

    def close(self) -> None:
        """Waits for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        self.close()
        self._timer = self._loop.call_at(max(when, self._loop.time()), self._end)

    def _end(self) -> None:
        self.close()
        self.over.set()
