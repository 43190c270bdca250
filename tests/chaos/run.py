"""Faults in a swarm of real processes, and what viewers notice of them.

    python -m tests.chaos.run [--seed N] [--seconds N] [--rounds N] [SCENARIO...]

Each round is a new swarm. Who is not said to be touched must not be: no frame is missing, no session lost. Afterwards a
newcomer at every node that lives must get the stream. Exit code 1 when anything was otherwise.
"""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

import aiohttp
import click
import uvloop

from benchmarks.framed import FramedViewer, now, until_frame
from foundation.errors import RemoteError
from tests.chaos.scenarios import ONCE, SCENARIOS, UNTOUCHED, Act, Fault, May
from tests.chaos.stage import WAIT_SECONDS_MAX, Stage, staged

VIEWERS = 3
"""At each of three nodes."""

ROUNDS = 3
SECONDS = 600.0
BEFORE_SECONDS = 5.0
"""Within 3 s carriers tell their children whom to ask when they are gone."""
RECOVERY_SECONDS_MAX = 60.0
FRAMES_MORE = 60


@dataclass(slots=True)
class Row:
    """What the viewers of one node saw."""

    of: str
    viewers: int
    may: May
    gap_seconds: float
    frames_missing: int
    packets_twice: int
    lost: int

    @property
    def good(self) -> bool:
        return (
            self.gap_seconds <= self.may.gap_seconds
            and (self.may.frames_missing or not self.frames_missing)
            and (self.may.lost or not self.lost)
            and not self.packets_twice
        )


@dataclass(slots=True)
class Report:
    """One round."""

    title: str
    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.failures and all(row.good for row in self.rows)


async def play(act: Act, viewers: int = VIEWERS) -> Report:
    """One round: a new swarm, in which this happens."""
    async with staged(viewers) as stage:
        await asyncio.sleep(BEFORE_SECONDS)
        begin = now() - BEFORE_SECONDS
        fault = await act(stage)
        report = Report(fault.title, failures=fault.failures)
        await _goes_on(stage, fault)
        end = now()
        report.rows = [await _row(stage, name, fault, begin, end) for name in stage.viewers]
        report.failures += await _newcomers(stage)
        report.failures += stage.complaints()
        return report


async def _goes_on(stage: Stage, fault: Fault) -> None:
    """Until whoever is to be there has two seconds of frames that are sent from now on, or for as long as they get."""
    kept = [
        viewer
        for name, viewers in stage.viewers.items()
        if not fault.may.get(name, UNTOUCHED).lost
        for viewer in viewers
    ]
    try:
        await until_frame(kept, stage.publisher.frames + FRAMES_MORE, RECOVERY_SECONDS_MAX)
    except TimeoutError:
        fault.failures.append(f"some viewers have no picture {RECOVERY_SECONDS_MAX:.0f} s after all was mended")


async def _row(stage: Stage, name: str, fault: Fault, begin: float, end: float) -> Row:
    viewers = stage.viewers[name]
    alive = [await viewer.alive(stage.http) for viewer in viewers]
    return Row(
        of=name,
        viewers=len(viewers),
        may=fault.may.get(name, UNTOUCHED),
        gap_seconds=max(viewer.gap(begin, end) for viewer in viewers),
        frames_missing=sum(len(viewer.missing(begin)) for viewer in viewers),
        packets_twice=sum(viewer.received.duplicates for viewer in viewers),
        lost=sum(_lost(viewer, lives) for viewer, lives in zip(viewers, alive, strict=True)),
    )


def _lost(viewer: FramedViewer, lives: bool) -> bool:
    return not lives or len(viewer.ssrcs) != 1


async def _newcomers(stage: Stage) -> list[str]:
    """Nodes at which nobody gets the stream any more."""
    failures = []
    for name, member in stage.members.items():
        if not member.alive:
            continue
        try:
            await stage.watch(name, 1)
        except (RemoteError, aiohttp.ClientError, OSError, TimeoutError) as exc:
            failures.append(f"a newcomer got no picture at {name} within {WAIT_SECONDS_MAX:.0f} s: {exc!r}")
    return failures


_columns = "{:34} {:7} {:>7} {:>13} {:>8} {:>7} {:>5} {:>4}  {}"
_heads = ("fault", "of", "viewers", "may have", "gap s", "missing", "twice", "lost", "")


def show(report: Report) -> None:
    for row in report.rows:
        seen = f"{row.gap_seconds:.2f}", row.frames_missing, row.packets_twice, row.lost
        click.echo(
            _columns.format(report.title, row.of, row.viewers, str(row.may), *seen, "ok" if row.good else "FAILED")
        )
    for failure in report.failures:
        click.echo(f"{report.title:34} FAILED: {failure}")


@click.command()
@click.argument("scenarios", nargs=-1, type=click.Choice(tuple(SCENARIOS)))
@click.option("--seed", type=int, default=None, help="Plays a run again.  [default: from the clock]")
@click.option("--seconds", default=SECONDS, show_default=True, help="The longest fault: how long the DHT is gone.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="Of each scenario that chance has a part in.")
def main(scenarios: tuple[str, ...], seed: int | None, seconds: float, rounds: int) -> None:
    """Prints what the viewers of each node saw, and whether they should have."""
    seed = int(time.time()) if seed is None else seed
    click.echo(f"--seed {seed} --seconds {seconds:g} --rounds {rounds}")
    click.echo(
        f"{'fault':34} {'of':7} {'viewers':>7} {'may have':>13} {'gap s':>8} {'missing':>7} {'twice':>5} {'lost':>4}"
    )
    good = True
    for name in scenarios or tuple(SCENARIOS):
        for turn in range(1 if name in ONCE else rounds):
            report = uvloop.run(play(SCENARIOS[name](random.Random(f"{seed}/{name}/{turn}"), seconds)))
            show(report)
            good = good and report.good
    click.echo("all as it should be" if good else f"FAILED; again: --seed {seed} --seconds {seconds:g}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
