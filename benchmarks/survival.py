"""What viewers notice when nodes die, leave and come: real processes, 2.5 Mbit/s, every frame accounted for.

    python -m benchmarks.survival [--repeat 10] [--viewers 20] [kill] [drain] [owner] [joining]

Four scenes. `kill`: SIGKILL to a relay that feeds two relays with all the viewers. `drain`: SIGTERM to the same relay.
`owner`: SIGKILL to the publisher's node; 3 s later the publisher posts to another one, a carrier and a stranger in
turn. `joining`: three nodes that turn viewers away, and a fourth that is started. Viewers ask for nothing again: a
packet which the nodes lose stays lost. Each scene is a new swarm each time.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import click
import uvloop

from benchmarks.framed import FramedViewer, now, percentile, publishing, until_frame
from benchmarks.nodes import node
from benchmarks.survival_stage import Stage, relay_of_relays, saturated, two_relays

ABSENT_SECONDS = 3.0
BEFORE_SECONDS = 2.0
AFTER_SECONDS = 1.5
FRAMES_MORE = 60
RECOVERY_SECONDS_MAX = 30.0
EXIT_SECONDS_MAX = 30.0
MAX_CONSUMERS = 4


@dataclass(slots=True)
class Seen:
    """What the viewers of one scene saw; times in seconds."""

    gaps: list[float] = field(default_factory=list)
    """Of each viewer."""
    delays: list[float] = field(default_factory=list)
    """The longest of each viewer."""
    gaps_before: list[float] = field(default_factory=list)
    """Of each viewer in the time before, when nothing happened: what the machine does by itself."""
    frames_missing: int = 0
    packets_twice: int = 0
    sequence_numbers_missing: int = 0
    sessions_lost: int = 0
    seconds: float = 0.0
    """Until the process had ended, every viewer played on, or a viewer was served by the new node."""
    exit_code: int | None = None


def _look(viewers: list[FramedViewer], alive: list[bool], begin: float, end: float, whole_before: bool) -> Seen:
    """`whole_before`: the stream flowed until `begin`, and may miss nothing across it."""
    since = begin - BEFORE_SECONDS if whole_before else begin
    return Seen(
        gaps=[viewer.gap(begin, end) for viewer in viewers],
        delays=[viewer.delay(begin, end) for viewer in viewers],
        gaps_before=[viewer.gap(since, begin) for viewer in viewers] if whole_before else [],
        frames_missing=sum(len(viewer.missing(since)) for viewer in viewers),
        packets_twice=sum(viewer.received.duplicates for viewer in viewers),
        sequence_numbers_missing=sum(viewer.sequence_numbers_missing(since) for viewer in viewers),
        sessions_lost=sum(not lives or len(viewer.ssrcs) != 1 for viewer, lives in zip(viewers, alive, strict=True)),
    )


async def _seen(stage: Stage, begin: float, whole_before: bool = True) -> Seen:
    end = now()
    alive = await asyncio.gather(*(viewer.alive(stage.http) for viewer in stage.viewers))
    return _look(stage.viewers, alive, begin, end, whole_before)


async def kill(viewers: int, turn: int = 0) -> Seen:
    """A relay with relays below it dies."""
    async with relay_of_relays(viewers) as stage:
        await asyncio.sleep(BEFORE_SECONDS)
        begin = now()
        stage.relays[0].process.send_signal(signal.SIGKILL)
        await _goes_on(stage)
        return await _seen(stage, begin)


async def drain(viewers: int, turn: int = 0) -> Seen:
    """The same relay is told to end."""
    async with relay_of_relays(viewers) as stage:
        await asyncio.sleep(BEFORE_SECONDS)
        begin = now()
        process = stage.relays[0].process
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(EXIT_SECONDS_MAX):
            exit_code = await process.wait()
        ended = now()
        await _goes_on(stage)
        seen = await _seen(stage, begin)
        seen.seconds, seen.exit_code = ended - begin, exit_code
        return seen


async def owner(viewers: int, turn: int = 0) -> Seen:
    """The publisher's node dies, and the publisher comes back by a carrier, or in every second turn by a stranger."""
    async with two_relays(viewers) as stage:
        await asyncio.sleep(BEFORE_SECONDS)
        stage.owner.process.send_signal(signal.SIGKILL)
        await asyncio.sleep(ABSENT_SECONDS)
        frames, begin = stage.publisher.frames, now()
        new_home = stage.relays[0 if turn % 2 == 0 else 2]
        url = f"{new_home.url}/whip/{stage.producer}"
        seconds = float("inf")
        try:
            async with publishing(stage.http, url, frames, retry=True):
                seconds = await until_frame(stage.viewers, frames, RECOVERY_SECONDS_MAX) - begin
                await asyncio.sleep(AFTER_SECONDS)
                seen = await _seen(stage, begin, whole_before=False)
        except TimeoutError:
            seen = await _seen(stage, begin, whole_before=False)
    seen.seconds = seconds
    return seen


async def joining(viewers: int, turn: int = 0) -> Seen:
    """A fourth node joins three full ones: the time from its first word to a viewer's first keyframe from it."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(saturated(MAX_CONSUMERS))
        fourth = await stack.enter_async_context(node("--join", stage.owner.authority))
        begin = now()
        loop = asyncio.get_running_loop()
        seconds = float("inf")
        for at in range(viewers):
            viewer = FramedViewer(loop)
            stack.push_async_callback(viewer.close)
            try:
                await viewer.join(stage.http, stage.whep((stage.owner, *stage.relays)[at % 3]), RECOVERY_SECONDS_MAX)
            except TimeoutError:
                break
            if viewer.served_by == fourth.url:
                seconds = min(seconds, now() - begin)
            stage.viewers.append(viewer)
        seen = Seen(seconds=seconds)
        alive = await asyncio.gather(*(viewer.alive(stage.http) for viewer in stage.viewers))
        seen.sessions_lost = alive.count(False)
        return seen


async def _goes_on(stage: Stage) -> None:
    """Until every viewer has two seconds of frames that are sent from now on, or for as long as anybody would wait."""
    try:
        await until_frame(stage.viewers, stage.publisher.frames + FRAMES_MORE, RECOVERY_SECONDS_MAX)
    except TimeoutError:
        return


Scene = Callable[[int, int], Awaitable[Seen]]

SCENES: dict[str, Scene] = {"kill": kill, "drain": drain, "owner": owner, "joining": joining}

_TITLES = {
    "kill": "kill -9 of a relay with relays and all viewers below it",
    "drain": "drain of the same relay",
    "owner": "owner killed, publisher back by another node after 3 s",
    "joining": "a fourth node joins a saturated swarm of three",
}


async def measure(scene: str, repeat: int, viewers: int) -> dict[str, Any]:
    """The figures of one scene, over all its repetitions.

    The gaps before, in a second or more of each repetition, are the machine's own: a scene cannot be better.
    """
    seen = [await SCENES[scene](viewers if scene != "joining" else 4, turn) for turn in range(repeat)]
    gaps = [1000 * gap for each in seen for gap in each.gaps]
    delays = [1000 * delay for each in seen for delay in each.delays]
    before = [1000 * gap for each in seen for gap in each.gaps_before]
    seconds = [each.seconds for each in seen]
    return {
        "scene": _TITLES[scene],
        "times": repeat,
        "viewers": viewers,
        "gap_p50_ms": round(percentile(gaps, 50), 1),
        "gap_p99_ms": round(percentile(gaps, 99), 1),
        "gap_max_ms": round(max(gaps, default=float("nan")), 1),
        "delay_p50_ms": round(percentile(delays, 50), 1),
        "delay_p99_ms": round(percentile(delays, 99), 1),
        "gap_before_p50_ms": round(percentile(before, 50), 1),
        "gap_before_p99_ms": round(percentile(before, 99), 1),
        "frames_missing": sum(each.frames_missing for each in seen),
        "packets_twice": sum(each.packets_twice for each in seen),
        "sequence_numbers_missing": sum(each.sequence_numbers_missing for each in seen),
        "sessions_lost": sum(each.sessions_lost for each in seen),
        "seconds_p50": round(percentile(seconds, 50), 2),
        "seconds_max": round(max(seconds), 2),
        "exit_codes": sorted({each.exit_code for each in seen if each.exit_code is not None}),
        "machine_load": round(os.getloadavg()[0], 1),
    }


@click.command()
@click.argument("scenes", nargs=-1, type=click.Choice(tuple(SCENES)))
@click.option("--repeat", default=10, show_default=True, help="Times for each scene.")
@click.option("--viewers", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(scenes: tuple[str, ...], repeat: int, viewers: int, as_json: bool) -> None:
    """Prints gaps, missing frames, frames that came twice, and times, of each scene."""
    for scene in scenes or tuple(SCENES):
        result = uvloop.run(measure(scene, repeat, viewers))
        if as_json:
            click.echo(json.dumps(result))
            continue
        for name, value in result.items():
            click.echo(f"{name:26} {value}")
        click.echo()


if __name__ == "__main__":
    main()
