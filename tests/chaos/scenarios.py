"""What goes wrong. Each fault is done, lasts, is mended, and says who may be touched by it.

`SCENARIOS` let a random source choose which node, how long and in which direction, so that a seed plays it again.
"""

import asyncio
import random
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from foundation.errors import RemoteError
from swarm.process.child import start_child
from tests.chaos.stage import Stage, environment


@dataclass(frozen=True, slots=True)
class May:
    """What may happen to the viewers of one node."""

    gap_seconds: float
    frames_missing: bool = False
    lost: bool = False

    def __str__(self) -> str:
        if self.lost:
            return "are lost"
        return f"{self.gap_seconds:.0f} s" + (", frames" if self.frames_missing else "")


UNTOUCHED = May(2.0)
"""No frame is missing. The publisher, the viewers and the wire are one process on a machine that does other things:
what it is late by itself is seen as a gap, though nobody was touched."""

REHOMED = May(10.0)
"""Another parent feeds their relay, from the first frame that it misses. The bound is for a machine at its limit: on an
idle one it is 0.4 s."""

CUT_OFF = May(25.0, frames_missing=True)
"""Their relay has relays below it, and cannot reach the owner though others can: after `cut_off_seconds` it lets those
below it go, and hangs below one of the others. Until then it cannot tell this from an owner that comes back."""

GONE = May(float("inf"), frames_missing=True, lost=True)


def stopped(seconds: float) -> May:
    """Their own node, or the source of it all, stood still for so long; afterwards they go on."""
    return May(seconds + 10.0, frames_missing=True)


@dataclass(slots=True)
class Fault:
    """What was done, and to whose viewers what may have happened; all others are `UNTOUCHED`."""

    title: str
    may: dict[str, May] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """What did not come as it should, beside what viewers saw."""


Act = Callable[[Stage], Awaitable[Fault]]

_TREE = {"owner": ("near", "beside"), "near": ("far",), "beside": (), "far": (), "outside": ()}


async def kill(stage: Stage, victim: str) -> Fault:
    """kill -9 of a node, but not of the publisher's."""
    stage[victim].node.process.send_signal(signal.SIGKILL)
    await stage[victim].node.process.wait()
    may = {victim: GONE}
    if victim == "near":
        may["far"] = REHOMED
    return Fault(f"kill -9 {victim}", may)


async def stop(stage: Stage, victim: str, seconds: float) -> Fault:
    """SIGSTOP of a node, then SIGCONT."""
    process = stage[victim].node.process
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        process.send_signal(signal.SIGCONT)
    may = {name: stopped(seconds) for name in stage.viewers if victim in (name, "owner")}
    if victim == "near":
        may["far"] = REHOMED
    return Fault(f"SIGSTOP {victim} {seconds:.1f} s", may)


async def partition(stage: Stage, one: str, other: str, kind: str, seconds: float) -> Fault:
    """Two nodes do not hear each other, or `one` is not heard ("there"), or does not hear ("back")."""
    if kind != "back":
        stage.wire.cut(stage[one].plug, stage[other].plug)
    if kind != "there":
        stage.wire.cut(stage[other].plug, stage[one].plug)
    await asyncio.sleep(seconds)
    stage.wire.mend()
    below = {other, *_TREE[other]} if other in _TREE[one] else set()
    may = CUT_OFF if one == "owner" and _TREE[other] else REHOMED
    arrow = {"both": "<-x->", "there": "-x->", "back": "<-x-"}[kind]
    return Fault(f"{one} {arrow} {other} {seconds:.1f} s", dict.fromkeys(below, may))


async def clock(stage: Stage, name: str, by: float, seconds: float) -> Fault:
    """A node's wall clock is set forward, back to the right time, back into the past, and right again."""
    victim = stage[name]
    for shift in (by, 0.0, -by, 0.0):
        victim.clock.set(shift)
        await asyncio.sleep(seconds / 4)
    return Fault(f"clock of {victim.name} +-{by:.0f} s")


async def disk(stage: Stage, seconds: float) -> Fault:
    """No node can write a byte to its `--data-dir` (RLIMIT_FSIZE 0); one starts again so, one for the first time."""
    fault = Fault("disk full")
    before = await stage.id_of("outside")
    async with _full_disks(stage):
        await asyncio.sleep(seconds)
        process = stage["outside"].node.process
        process.send_signal(signal.SIGINT)
        await process.wait()
        await stage.start("outside", variables={"CHAOS_FILE_BYTES": "0"})
        if await stage.id_of("outside") != before:
            fault.failures.append("a node that started again on a full disk has another identity")
        fault.failures += await _first_start(stage)
    return fault


@asynccontextmanager
async def _full_disks(stage: Stage) -> AsyncIterator[None]:
    members = list(stage.members.values())
    before = [resource.prlimit(member.pid, resource.RLIMIT_FSIZE) for member in members]
    for member, (_, hard) in zip(members, before, strict=True):
        resource.prlimit(member.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for member, limit in zip(members, before, strict=True):
            if member.alive:
                resource.prlimit(member.pid, resource.RLIMIT_FSIZE, limit)


async def _first_start(stage: Stage) -> list[str]:
    """A node that can keep no key does not start: it would be another one each time."""
    directory = stage.directory / "new"
    with environment(CHAOS_FILE_BYTES="0"):
        process = await start_child(
            "cli", "run", "--listen", "127.0.0.1:0", "--data-dir", str(directory), stderr=asyncio.subprocess.PIPE
        )
    _, said = await process.communicate()
    failures = []
    if process.returncode != 2 or len(said.splitlines()) != 1:
        failures.append(f"a first start on a full disk ended with {process.returncode}: {said.decode()!r}")
    if any(directory.iterdir()):
        failures.append("a first start on a full disk left something behind")
    return failures


async def directory(stage: Stage, seconds: float) -> Fault:
    """No datagram of the DHT reaches anybody; carriers take viewers all the same."""
    fault = Fault(f"no DHT for {seconds:.0f} s")
    stage.wire.drop_directory()
    await asyncio.sleep(seconds)
    for name in ("near", "beside"):
        try:
            await stage.watch(name, 1)
        except (RemoteError, OSError, TimeoutError) as exc:
            fault.failures.append(f"without a DHT the carrier {name} took no viewer: {exc!r}")
    stage.wire.mend()
    return fault


# --- by chance ---


def _any_kill(rng: random.Random, seconds: float) -> Act:
    victim = rng.choice(("near", "near", "far", "beside", "outside"))
    return lambda stage: kill(stage, victim)


def _any_stop(rng: random.Random, seconds: float) -> Act:
    """For 1 to 20 s, and often for just as long."""
    victim = rng.choice(("near", "near", "owner", "far", "beside", "outside"))
    lasts = min(seconds, rng.choice((1.0, rng.uniform(2, 19), 20.0)))
    return lambda stage: stop(stage, victim, lasts)


def _any_partition(rng: random.Random, seconds: float) -> Act:
    pairs = (
        ("owner", "near"),
        ("owner", "near"),
        ("near", "far"),
        ("owner", "beside"),
        ("near", "beside"),
        ("owner", "outside"),
    )
    one, other = rng.choice(pairs)
    kind = rng.choice(("both", "there", "back"))
    lasts = min(seconds, rng.uniform(1, 20))
    return lambda stage: partition(stage, one, other, kind, lasts)


def _any_clock(rng: random.Random, seconds: float) -> Act:
    """By seconds that a lease survives, an hour as of summer time, or days."""
    victim = rng.choice(("owner", "owner", "near", "far"))
    by = rng.choice((rng.uniform(4, 40), 3600.0, 86_400.0 * rng.uniform(1, 400)))
    return lambda stage: clock(stage, victim, by, min(240.0, seconds))


SCENARIOS: dict[str, Callable[[random.Random, float], Act]] = {
    "kill": _any_kill,
    "stop": _any_stop,
    "partition": _any_partition,
    "clock": _any_clock,
    "disk": lambda rng, seconds: lambda stage: disk(stage, min(60.0, seconds)),
    "directory": lambda rng, seconds: lambda stage: directory(stage, seconds),
}
"""By name; `seconds` is how long the longest faults last."""

ONCE = ("disk", "directory")
"""In these nothing is left to chance."""
