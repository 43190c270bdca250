"""Runs the demo's play, endlessly for people or once for `--check`."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from foundation.errors import RemoteError
from swarm.client.show import tree_view
from swarm.client.watch import Watched
from swarm.demo.checks import Verdict, Viewed, verdicts
from swarm.demo.stage import VIEWED_THROUGH, Stage, publish, raise_swarm, stage, watch
from swarm.demo.view import live_view, verdict_table
from swarm.process.stopping import first_of, stop_requested

_watch_seconds = 5.0
"""Of undisturbed watching, for the check: 150 pictures and 250 audio frames at each viewer."""

_refresh_seconds = 0.5


async def run_demo(*, check: bool) -> int:
    """Returns the exit code: 0, or 1 when `check` found something wrong or the swarm did not come about."""
    # A pipe has no width: lines that are read by programs are not wrapped at 80 columns.
    console = Console(highlight=False) if Console().is_terminal else Console(highlight=False, width=160)
    directory = Path(tempfile.mkdtemp(prefix="swarmd-demo-"))
    passed = False
    try:
        async with stop_requested() as stopping, stage(directory, console.print) as on:
            passed = await (_check if check else _show)(on, console, stopping)
            if not passed:
                _show_logs(on, console)
    finally:
        if passed:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            console.print(f"the logs of all processes are in {directory}")
    return 0 if passed else 1


async def _check(on: Stage, console: Console, stopping: asyncio.Event) -> bool:
    found: list[Verdict] = []

    async def work() -> None:
        await _prepare(on, console.print)
        console.print(f"watching for {_watch_seconds:.0f} s")
        before = [viewer.watched for viewer in on.viewers]
        await asyncio.sleep(_watch_seconds)
        viewed = _viewed(on, before)
        tree = await on.tree()
        found.extend(verdicts(viewed, await on.nodes(), tree))
        console.print(tree_view(tree, on.names))
        console.print(verdict_table(found))

    return await _worked(console, work(), stopping.wait()) and bool(found) and all(one.passed for one in found)


async def _show(on: Stage, console: Console, stopping: asyncio.Event) -> bool:
    note = "starting"

    def report(text: str) -> None:
        nonlocal note
        note = text
        if not console.is_terminal:
            console.print(text)

    async def work() -> None:
        await _prepare(on, report)
        report("Ctrl-C ends the demo and all its processes.")
        await stopping.wait()

    async def display() -> None:
        while True:
            live.update(live_view(on, await _tree(on), note), refresh=True)
            await asyncio.sleep(_refresh_seconds)

    with Live(console=console, auto_refresh=False) as live:
        return await _worked(console, work(), display(), stopping.wait())


async def _worked(console: Console, *work: Awaitable[object]) -> bool:
    """Whether the first that ended did so without a `RemoteError`, which is printed."""
    try:
        return await first_of(*work)
    except RemoteError as exc:
        console.print(Text(f"failed: {exc}", style="bold red"))
        return False


async def _prepare(on: Stage, report: Callable[[str], object]) -> None:
    await raise_swarm(on, report)
    await publish(on, report)
    for name in VIEWED_THROUGH:
        await watch(on, name, report)


def _viewed(on: Stage, before: list[Watched]) -> list[Viewed]:
    return [Viewed(viewer.name, earlier, viewer.watched) for viewer, earlier in zip(on.viewers, before, strict=True)]


async def _tree(on: Stage) -> dict[str, Any] | None:
    if on.producer_id is None:
        return None
    try:
        return await on.tree()
    except RemoteError:
        return None


def _show_logs(on: Stage, console: Console) -> None:
    for program in on.programs:
        if program.exit_code is not None:
            console.print(f"{program.name} has ended with exit code {program.exit_code}")
        if lines := program.log_end():
            console.rule(f"the end of {program.log.name}", align="left")
            for line in lines:
                console.print(line, markup=False)
