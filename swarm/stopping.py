"""Ending on SIGINT and SIGTERM, in the order the program wants."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from foundation.tasks import TaskScope

_signals = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def stop_requested() -> AsyncIterator[asyncio.Event]:
    """An event that is set by the first SIGINT or SIGTERM; the second one has its usual effect, so that a shutdown
    which hangs can be cut short. Main thread only.
    """
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop() -> None:
        event.set()
        restore()

    def restore() -> None:
        for number in _signals:
            loop.remove_signal_handler(number)

    for number in _signals:
        loop.add_signal_handler(number, stop)
    try:
        yield event
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
