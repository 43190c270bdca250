"""Runs a scenario from beginning to end."""

import gc
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO
from uuid import UUID

from swarm.messages import Message
from swarm.simulate.course import Course
from swarm.simulate.host import Host
from swarm.simulate.measures import measure, open_window
from swarm.simulate.scenario import Scenario
from swarm.simulate.trace import line
from swarm.simulate.world import START, World

Progress = Callable[[float, int, int], None]
"""Share of the virtual time that is over, viewers served, events so far."""

_STEP_SECONDS = 1.0
"""Virtual time between two reports of progress."""


def simulate(
    scenario: Scenario, progress: Progress | None = None, trace: TextIO | None = None
) -> tuple[World, list[UUID], dict[str, Any]]:
    """The world at the end, its producers, and what was measured. `trace` gets one line for each message delivered."""
    began = time.process_time()
    world = World(scenario)
    course = Course(world)
    course.plan()
    if trace is not None:
        world.network.on_message = _tracer(world, trace)
    gc.collect()
    gc.freeze()
    gc.disable()  # A world is one cyclic heap that lives to the end: walking it again and again finds nothing.
    try:
        window = open_window(world)
        at, end = START, START + scenario.seconds
        while at < end:
            if at < START + scenario.measure_from <= at + _STEP_SECONDS:
                world.events.run_until(START + scenario.measure_from)
                window = open_window(world)
            at = min(end, at + _STEP_SECONDS)
            world.events.run_until(at)
            if progress is not None:
                progress((at - START) / scenario.seconds, _served(world), world.events.done)
    finally:
        gc.enable()
        gc.unfreeze()
    result = measure(world, window, course.producers, course.killed_at)
    result["scenario"] = asdict(scenario)
    result["events"] = world.events.done
    result["cpu_seconds"] = round(time.process_time() - began, 2)
    return world, course.producers, result


def _tracer(world: World, trace: TextIO) -> Callable[[Host, Host, Message], None]:
    def write(sender: Host, receiver: Host, message: Message) -> None:
        trace.write(line(world.events.now, sender.id, receiver.id, message))

    return write


def _served(world: World) -> int:
    return sum(feed.viewers for feed in world.feeding.all())
