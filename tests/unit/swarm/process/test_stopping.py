"""Signals end a program in the order it wants."""

import asyncio
import os
import signal

import pytest

from swarm.process.stopping import first_of, stop_or_drain_requested, stop_requested


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


async def test_a_program_that_drains_does_so_at_the_first_sigterm_and_ends_at_the_second() -> None:
    drains = iter((True, False))
    async with stop_or_drain_requested() as stopping:
        drained = asyncio.Event()

        def drain() -> bool:
            drained.set()
            return next(drains)

        stopping.drains(drain)
        os.kill(os.getpid(), signal.SIGTERM)
        await drained.wait()
        assert not stopping.at_once.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.at_once.wait()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_ctrl_c_waits_for_no_drain() -> None:
    async with stop_or_drain_requested() as stopping:
        stopping.drains(lambda: True)
        os.kill(os.getpid(), signal.SIGINT)
        await stopping.at_once.wait()


async def test_a_program_that_does_not_drain_yet_ends_at_sigterm() -> None:
    async with stop_or_drain_requested() as stopping:
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.at_once.wait()


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
