"""Ending on SIGINT and SIGTERM, in the order the program wants."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from foundation.tasks import TaskScope

_signals = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def stop_requested() -> AsyncIterator[asyncio.Event]:
    """An event that is set by the first SIGINT or SIGTERM; the second one has its usual effect, so that a shutdown
    which hangs can be cut short. Main thread only.
    """
    async with _handled() as stopping:
        yield stopping.at_once


class Stopping:
    """What the signals of a process ask for: the end `at_once`, or, from `drains` on, a drain before."""

    def __init__(self) -> None:
        self.at_once = asyncio.Event()
        self.terminated = False
        """Whether it was SIGTERM: someone may want a service to hand over what it does."""
        self._drain: Callable[[], bool] = lambda: False

    def drains(self, drain: Callable[[], bool]) -> None:
        """From now on SIGTERM calls `drain`; where that is false, as when it drains already, it is the end."""
        self._drain = drain

    def took(self, number: int) -> bool:
        """A signal has come; whether this is the end."""
        self.terminated = number == signal.SIGTERM
        if self.terminated and self._drain():
            return False
        self.at_once.set()
        return True


@asynccontextmanager
async def stop_or_drain_requested() -> AsyncIterator[Stopping]:
    """SIGTERM drains what can be drained, a second one ends it at once, and SIGINT does so from the beginning: who
    presses Ctrl-C waits for it. Signals after the end was asked for have their usual effect. Main thread only.
    """
    async with _handled() as stopping:
        yield stopping


@asynccontextmanager
async def _handled() -> AsyncIterator[Stopping]:
    loop = asyncio.get_running_loop()
    stopping = Stopping()

    def took(number: int) -> None:
        if stopping.took(number):
            restore()

    def restore() -> None:
        for number in _signals:
            loop.remove_signal_handler(number)

    for number in _signals:
        loop.add_signal_handler(number, took, number)
    try:
        yield stopping
    finally:
        restore()


async def first_of(*awaitables: Awaitable[Any], seconds: float | None = None) -> bool:
    """Waits until one of the awaitables is done, at most `seconds`, and cancels the others. False when time ran out.

    Raises what the one that is done raised.
    """
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(awaitable: Awaitable[Any]) -> None:
        try:
            await awaitable
        except Exception as exc:
            if not first.done():
                first.set_exception(exc)
        else:
            if not first.done():
                first.set_result(None)

    scope = TaskScope("first of", len(awaitables))
    for awaitable in awaitables:
        scope.spawn(run(awaitable), "wait")
    try:
        await asyncio.wait([first], timeout=seconds)
        decided = first.done()
    finally:
        first.cancel()
        await scope.close()
    if decided:
        first.result()
    return decided
