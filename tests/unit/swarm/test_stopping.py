"""Signals end a program in the order it wants."""

import asyncio
import os
import signal

import pytest

from swarm.stopping import first_of, stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    async with stop_requested() as stopping:
        os.kill(os.getpid(), number)
        await stopping.wait()


async def test_a_second_interrupt_has_its_usual_effect() -> None:
    async with stop_requested() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        await stopping.wait()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def test_handlers_are_removed_at_the_end() -> None:
    async with stop_requested():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_the_first_that_is_done_ends_the_wait_and_the_others() -> None:
    never = asyncio.ensure_future(asyncio.Event().wait())
    assert await first_of(asyncio.sleep(0), never)
    assert never.cancelled()


async def test_a_wait_that_runs_out_of_time_says_so() -> None:
    assert not await first_of(asyncio.Event().wait(), seconds=0)


async def test_what_the_first_raised_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await first_of(fail(), asyncio.Event().wait())


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    never = asyncio.ensure_future(asyncio.Event().wait())
    waiting = asyncio.ensure_future(first_of(never))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert never.cancelled()
