"""An asyncio loop in virtual time: instead of waiting it moves its clock on to the next timer.

Everything that runs on it alone is deterministic and as fast as its own work. It has no sockets, threads or signals:
what would wait for the outside world raises `Standstill`.

    with VirtualLoop() as loop:
        loop.run_until_complete(main())
"""

import asyncio
import selectors
from typing import Any, Self

EPOCH = 1_700_000_000.0
"""The wall clock's time, in seconds since 1970, when a virtual loop's own clock shows 0."""


class Standstill(RuntimeError):
    """Nothing is scheduled any more, and the program waits nevertheless: a deadlock, or a wait for the real world."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose `time()` starts at 0 and jumps."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = _Jump(self)
        self._failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda loop, context: self._failures.append(context))

    def time(self) -> float:
        return self._now

    def wall_clock(self) -> float:
        """Seconds since 1970, as `time.time` would say."""
        return EPOCH + self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for task in asyncio.all_tasks(self):
            task.cancel()
        if tasks := asyncio.all_tasks(self):
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.close()
        if exc[0] is None:
            assert not self._failures, f"callbacks or tasks failed: {self._failures}"

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """Nobody sleeps in a system call, so nobody has to be woken."""


class _Jump(selectors.BaseSelector):
    """Where a loop would sleep, the clock jumps."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Standstill("nothing is left to wait for")
        self._loop.advance(max(0.0, timeout))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        raise Standstill("a virtual loop has no files")

    def unregister(self, fileobj: Any) -> Any:
        raise Standstill("a virtual loop has no files")

    def get_map(self) -> Any:
        return {}
