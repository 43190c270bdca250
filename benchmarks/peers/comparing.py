"""CPU per packet of two servers under the same load, in turn: at one given rate, and at the highest each of them takes.

Nothing here knows which servers they are. Both are up all the time and only one carries the stream; what the other
burns meanwhile is its own affair and in no figure. So both see the same machine, whatever else it does.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.server import Receive, Server, Stage, stage

Start = Callable[[int], AbstractAsyncContextManager[Server]]
"""Starts a server that has room for so many viewers."""

LOSS_MAX = 0.001
"""Of all packets: what still counts as "no loss", as a stray wake-up of this machine costs a whole frame of some."""

TRIAL_SECONDS = 2.0
TRIES = 2
"""Of a rate, until it counts as too high: something else may have run on the machine."""

FIRST_PACKETS_PER_SECOND = 10_000
STEP_FACTOR = 1.3
STEPS_MAX = 16
REFINEMENTS = 3
PUNCTUAL_MIN = 0.95
"""Of the wanted rate: below it the load generator is the limit."""


COMPARISON_SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True)
class Load:
    """How much and how long; at the low load `frames` per second, at the highest as many as go through."""

    viewers: int
    packets_per_frame: int
    frames: float
    viewers_highest: int
    packets_per_frame_highest: int
    receive: Receive = "kernel"
    packet_bytes: int = 1200
    seconds: float = 5.0
    rounds: int = 3

    def short(self) -> "Load":
        """A quick look at the same thing."""
        return Load(
            max(1, self.viewers // 2),
            self.packets_per_frame,
            self.frames,
            max(1, self.viewers_highest // 4),
            self.packets_per_frame_highest,
            self.receive,
            self.packet_bytes,
            seconds=1.5,
            rounds=1,
        )


@dataclass(slots=True)
class Window:
    """What one server did in one measured piece of time."""

    seconds: float
    sent: int
    arrived: int
    cpu_seconds: float

    @property
    def lost(self) -> float:
        return 1 - self.arrived / self.sent


@dataclass(slots=True)
class Total:
    """The windows of one server at one load."""

    frames_per_second: float
    windows: list[Window] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        arrived = sum(window.arrived for window in self.windows)
        seconds = sum(window.seconds for window in self.windows)
        cpu = sum(window.cpu_seconds for window in self.windows)
        each = [1e6 * window.cpu_seconds / max(1, window.arrived) for window in self.windows]
        return {
            "us_per_packet": round(1e6 * cpu / max(1, arrived), 2),
            "us_per_packet_min": round(min(each), 2),
            "us_per_packet_max": round(max(each), 2),
            "packets_per_second": round(arrived / seconds),
            "cpu_percent": round(100 * cpu / seconds, 1),
            "lost_percent": round(100 * (1 - arrived / sum(window.sent for window in self.windows)), 3),
        }


async def compare(ours: Start, theirs: Start, load: Load, ratio_wanted: float) -> dict[str, Any]:
    """Both loads, with fresh servers for each: figures by server, and the ratio of their CPU per packet."""
    async with asyncio.timeout(COMPARISON_SECONDS_MAX):
        async with AsyncExitStack() as stack:
            stages = await _stages(stack, [ours, theirs], load, load.viewers, load.packets_per_frame)
            ciphers = {each.server.name: each.cipher for each in stages}
            low = await in_turn(stages, [load.frames] * 2, load.seconds, load.rounds)
        async with AsyncExitStack() as stack:
            viewers, per_frame = load.viewers_highest, load.packets_per_frame_highest
            stages = await _stages(stack, [ours, theirs], load, viewers, per_frame)
            rates = [await highest_rate(each, min(TRIAL_SECONDS, load.seconds)) for each in stages]
            highest = await in_turn(stages, rates, load.seconds, load.rounds)
    names = list(ciphers)
    return {
        "cipher": ", ".join(f"{name} {cipher}" for name, cipher in ciphers.items()),
        "low load": _judged(
            names, low, ratio_wanted, f"{load.viewers} viewers, {load.packets_per_frame}-packet frames"
        ),
        "highest load": _judged(names, highest, ratio_wanted, f"{viewers} viewers, {per_frame}-packet frames"),
    }


async def _stages(stack: AsyncExitStack, starts: list[Start], load: Load, viewers: int, per_frame: int) -> list[Stage]:
    servers = [await stack.enter_async_context(start(viewers)) for start in starts]
    return [
        await stack.enter_async_context(stage(server, viewers, per_frame, load.packet_bytes, load.receive))
        for server in servers
    ]


def _judged(names: list[str], figures: list[dict[str, float]], wanted: float, load: str) -> dict[str, Any]:
    ours, theirs = figures
    return {
        "load": load,
        **dict(zip(names, figures, strict=True)),
        "ratio": round(ours["us_per_packet"] / theirs["us_per_packet"], 3),
        "ratio_wanted": round(wanted, 3),
    }


async def window(stage: Stage, frames_per_second: float, seconds: float) -> Window:
    """Sends for so long, waits for the rest to arrive, and says what it took."""
    stage.source.frames_per_second = frames_per_second
    frames, arrived, cpu = stage.source.frames, stage.arrived(), stage.server.cpu_seconds()
    started = time.monotonic()
    await stage.source.run(seconds)
    elapsed = time.monotonic() - started
    await stage.drained()
    sent = (stage.source.frames - frames) * stage.source.packets_per_frame * len(stage.audience)
    return Window(elapsed, sent, stage.arrived() - arrived, stage.server.cpu_seconds() - cpu)


async def in_turn(stages: list[Stage], rates: list[float], seconds: float, rounds: int) -> list[dict[str, float]]:
    """The figures of each server at its rate (frames per second); the rounds are interleaved."""
    totals = [Total(rate) for rate in rates]
    for _ in range(rounds):
        for each, total in zip(stages, totals, strict=True):
            total.windows.append(await window(each, total.frames_per_second, seconds))
    return [total.figures() for total in totals]


async def highest_rate(stage: Stage, trial_seconds: float = TRIAL_SECONDS) -> float:
    """The highest rate found at which everything arrives, in frames per second: by steps up, then by halving."""
    per_frame = stage.source.packets_per_frame * len(stage.audience)
    good, bad = 0.0, FIRST_PACKETS_PER_SECOND / per_frame
    for _ in range(STEPS_MAX):
        if not await _taken(stage, bad, trial_seconds):
            break
        good, bad = bad, bad * STEP_FACTOR
    if not good:
        raise RuntimeError(f"{stage.server.name} loses packets at {FIRST_PACKETS_PER_SECOND} per second")
    for _ in range(REFINEMENTS):
        middle = (good + bad) / 2
        if await _taken(stage, middle, trial_seconds):
            good = middle
        else:
            bad = middle
    return good


async def _taken(stage: Stage, frames_per_second: float, seconds: float) -> bool:
    for _ in range(TRIES):
        tried = await window(stage, frames_per_second, seconds)
        per_frame = stage.source.packets_per_frame * len(stage.audience)
        wanted = frames_per_second * tried.seconds * per_frame
        if tried.lost <= LOSS_MAX and tried.sent >= PUNCTUAL_MIN * wanted - per_frame:
            return True
    return False
