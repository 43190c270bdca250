"""Four nodes under a crowd that comes and goes: does anything grow?

    python -m tests.chaos.soak [--seconds 1800] [--seed N] [--json]

One of the nodes is restarted now and then. Of each process memory, descriptors, threads and tasks are sampled, after
its garbage was collected on demand (`injected/sitecustomize.py`), because a node does so seldom. After a warm-up the
regression of each series must be flat, and when the crowd has gone everything must come back to where it began. Exit
code 1 when anything does not.
"""

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click
import uvloop

from benchmarks.nodes import NodeProcess, node
from tests.chaos.crowd import Crowd
from tests.chaos.slopes import growth, slope
from tests.chaos.stage import environment

NODES = 4
PUBLISHERS = 5
VIEWERS = 20

SAMPLES_WANTED = 120
SAMPLE_SECONDS_MIN = 2.0
COLLECT_SECONDS = 0.5
"""From the signal until the node has collected: its loop turns at least four times a second."""

WARM_UP_SHARE = 0.25
WARM_UP_SECONDS_MAX = 300.0
"""By then every path of the code was taken, and caches that are bounded by time are full; DHT leases live 45 s."""

RESTARTS = 6
SAMPLES_MIN = 10
"""Of a series that is judged: a node that was restarted just before the end says nothing."""

COOLING_SECONDS_MAX = 150.0
"""Idle links are closed after 30 s, a viewer that vanished is missed after 30 s, and a pull lingers for 5 s."""

GROWTH_MAX = {"megabytes": 6.0, "descriptors": 8.0, "threads": 2.0, "tasks": 16.0}
"""Of the regression from the end of the warm-up to the end, however long that is: the longer a run, the slower a leak
it finds. Memory varies by 0.1-0.3 MB with each of 25 guests and the 4 s of packets kept for them, which weigh on the
regression; the others by one or two with each guest that is just joining."""

RETURN_MAX = {"megabytes": 25.0, "descriptors": 4.0, "threads": 6.0, "tasks": 2.0}
"""More than before the first guest, when all are gone. Memory: modules that are loaded when first used, OpenSSL's and
Python's free lists and arenas of the highest load. Threads: those of the executor, which stay. The others: a connection
that a question of ours left open."""

FAILED_SHARE_MAX = 0.1
"""Of those who came: a publisher leaves, or its node ends, before they have a picture."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process; `at` is in seconds since the start of the load."""

    at: float
    megabytes: float
    descriptors: int
    threads: int
    tasks: int


MEASURES = ("megabytes", "descriptors", "threads", "tasks")


@dataclass(slots=True, eq=False)
class Subject:
    """One process under observation."""

    name: str
    process: NodeProcess
    base: Sample | None = None
    samples: list[Sample] = field(default_factory=list)
    end: Sample | None = None


class Soak:
    """A swarm, and what is known of it."""

    def __init__(self, stack: AsyncExitStack, http: aiohttp.ClientSession, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.subjects: list[Subject] = []
        self.running: list[Subject] = []
        self.deaths: list[str] = []
        self._stack = stack
        self._http = http
        self._directory = directory
        self._begin = time.monotonic()
        self._restarting: Subject | None = None

    def urls(self) -> list[str]:
        """Of the nodes that are not about to end."""
        return [subject.process.url for subject in self.running if subject is not self._restarting]

    async def start(self, name: str) -> Subject:
        joins = [option for each in self.running for option in ("--join", each.process.authority)]
        with environment(CHAOS_COLLECT="1"):
            process = await self._stack.enter_async_context(
                node("--data-dir", str(self._directory / name), "--drain-seconds", "3", *joins)
            )
        subject = Subject(name, process)
        self.subjects.append(subject)
        self.running.append(subject)
        return subject

    async def restart_last(self) -> None:
        """In one of the ways in which processes end."""
        subject = self._restarting = self.running[-1]
        subject.process.process.send_signal(self.rng.choice((signal.SIGTERM, signal.SIGKILL, signal.SIGINT)))
        await subject.process.process.communicate()
        self.running.remove(subject)
        self._restarting = None
        await self.start(subject.name)

    async def sample(self) -> dict[Subject, Sample]:
        """All running nodes, once each."""
        for subject in self.running:
            subject.process.process.send_signal(signal.SIGUSR2)
        await asyncio.sleep(COLLECT_SECONDS)
        return {subject: await self._look(subject) for subject in self.running}

    async def _look(self, subject: Subject) -> Sample:
        pid = subject.process.process.pid
        async with self._http.get(f"{subject.process.url}/api/v1/node") as response:
            tasks = (await response.json())["tasks"]
        return Sample(
            at=round(time.monotonic() - self._begin, 1),
            megabytes=round(subject.process.resident_megabytes(), 2),
            descriptors=len(os.listdir(f"/proc/{pid}/fd")),
            threads=len(os.listdir(f"/proc/{pid}/task")),
            tasks=tasks,
        )

    # --- the three parts of a run ---

    async def load(self, seconds: float, crowd: Crowd) -> None:
        """Samples, and now and then a restart, while the crowd comes and goes."""
        pause = max(SAMPLE_SECONDS_MIN, seconds / SAMPLES_WANTED)
        begin = self._begin = time.monotonic()
        restart_at = begin + seconds / RESTARTS
        crowd.start()
        while (now := time.monotonic()) < begin + seconds:
            if now >= restart_at:
                await self.restart_last()
                restart_at += seconds / RESTARTS
            for subject, sample in (await self.sample()).items():
                subject.samples.append(sample)
            await asyncio.sleep(pause)
        await crowd.close()

    async def cool(self) -> None:
        """Until all is as it was, or for as long as it may take."""
        until = time.monotonic() + COOLING_SECONDS_MAX
        while True:
            for subject, sample in (await self.sample()).items():
                subject.end = sample
            back = not any(_not_back(subject, self.base_of(subject)) for subject in self.running)
            if back or time.monotonic() >= until:
                return
            await asyncio.sleep(SAMPLE_SECONDS_MIN)

    def base_of(self, subject: Subject) -> Sample:
        """A restarted node is held against what its first process began with."""
        first = next(each for each in self.subjects if each.name == subject.name)
        assert first.base is not None
        return first.base


def _not_back(subject: Subject, base: Sample) -> list[str]:
    assert subject.end is not None
    return [
        f"{subject.name}: {measure} {getattr(base, measure):g} before, {getattr(subject.end, measure):g} after"
        for measure in MEASURES
        if getattr(subject.end, measure) - getattr(base, measure) > RETURN_MAX[measure]
    ]


def _not_flat(subject: Subject, samples: list[Sample]) -> list[str]:
    found = []
    for measure in MEASURES:
        points = [(sample.at, float(getattr(sample, measure))) for sample in samples]
        if len(points) >= SAMPLES_MIN and growth(points) > GROWTH_MAX[measure]:
            found.append(f"{subject.name}: {measure} grow by {3600 * slope(points):.1f} an hour")
    return found


def _judged(subject: Subject, seconds: float) -> list[Sample]:
    warm_up = min(WARM_UP_SECONDS_MAX, WARM_UP_SHARE * seconds)
    born = subject.samples[0].at if subject.samples else 0.0
    return [sample for sample in subject.samples if sample.at >= born + warm_up]


async def soak(seconds: float, seed: int) -> dict[str, Any]:
    """One run: everything that was seen, and `failures`."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmd-soak-")))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        # Questions that take turns on connections of the crowd's would keep all of them open.
        asking = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        run = Soak(stack, await stack.enter_async_context(asking), directory, seed)
        for number in range(NODES):
            await run.start(f"node-{number}")
        for subject, sample in (await run.sample()).items():
            subject.base = sample
        crowd = Crowd(http, run.urls, run.rng, PUBLISHERS, VIEWERS)
        stack.push_async_callback(crowd.close)
        await run.load(seconds, crowd)
        await run.cool()
        failures = _crowd_failures(crowd)
        for subject in run.subjects:
            failures += _not_flat(subject, _judged(subject, seconds))
            if subject.end is not None:
                failures += _not_back(subject, run.base_of(subject))
        return {
            "seconds": seconds,
            "seed": seed,
            "crowd": dict(crowd.counts),
            "nodes": [_described(subject, run.base_of(subject), seconds) for subject in run.subjects],
            "failures": failures,
        }


def _crowd_failures(crowd: Crowd) -> list[str]:
    counts = crowd.counts
    unserved = counts["view failed"] + counts["too late"]
    if not counts["saw"] or unserved > FAILED_SHARE_MAX * (counts["saw"] + unserved):
        return [f"beside {counts['saw']} viewers who saw their stream {unserved} did not"]
    return []


def _described(subject: Subject, base: Sample, seconds: float) -> dict[str, Any]:
    judged = _judged(subject, seconds)
    slopes = {
        measure: round(3600 * slope([(sample.at, float(getattr(sample, measure))) for sample in judged]), 2)
        for measure in MEASURES
    }
    return {
        "name": subject.name,
        "base": asdict(base),
        "end": asdict(subject.end) if subject.end else None,
        "judged": len(judged),
        "per_hour": slopes,
        "samples": [asdict(sample) for sample in subject.samples],
    }


_columns = "{:8} {:>11} {:>8} {:>8} {:>8} {:>8} {:>10} {:>7}"


def show(result: dict[str, Any]) -> None:
    click.echo(f"--seconds {result['seconds']:g} --seed {result['seed']}")
    click.echo(", ".join(f"{name} {count}" for name, count in sorted(result["crowd"].items())))
    click.echo(_columns.format("node", "", "before", "median", "highest", "after", "an hour", "samples"))
    for subject in result["nodes"]:
        for measure in MEASURES:
            values = sorted(sample[measure] for sample in subject["samples"])
            if not values:
                continue
            after = subject["end"][measure] if subject["end"] else "ended"
            trend = f"{subject['per_hour'][measure]:+.1f}" if subject["judged"] >= SAMPLES_MIN else "-"
            seen = subject["base"][measure], values[len(values) // 2], values[-1], after, trend, subject["judged"]
            click.echo(_columns.format(subject["name"], measure, *seen))
    for failure in result["failures"]:
        click.echo(f"FAILED: {failure}")
    click.echo("FAILED" if result["failures"] else "nothing grows")


@click.command()
@click.option("--seconds", default=1800.0, show_default=True, help="Of load; the swarm needs up to 3 minutes more.")
@click.option("--seed", type=int, default=None, help="[default: from the clock]")
@click.option("--json", "as_json", is_flag=True, help="Print all samples.")
def main(seconds: float, seed: int | None, as_json: bool) -> None:
    """Prints what each process used, and whether anything grew."""
    result = uvloop.run(soak(seconds, int(time.time()) if seed is None else seed))
    if as_json:
        click.echo(json.dumps(result))
    else:
        show(result)
    sys.exit(1 if result["failures"] else 0)


if __name__ == "__main__":
    main()
