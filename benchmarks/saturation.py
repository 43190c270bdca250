"""The highest rate which one node, on one core, carries without loss: for frames in bursts, single packets, and audio.

    python -m benchmarks.saturation [--only bursts] [--seconds 5] [--short] [--json]

The rate of one publisher is raised until packets are missing at its viewers (more than 0.1 %, twice), and what is found
is then held for longer. Viewers count in the kernel, so that the load generator leaves a whole core to the node. Single
packets are the worst case of a publisher that paces: nothing comes together to be sent together. Audio is the same with
small packets; at 50 packets/s and stream, the rate found is that of so many streams.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import click
import uvloop

from benchmarks.peers.comparing import LOSS_MAX, Total, highest_rate, window
from benchmarks.peers.report import show_table
from benchmarks.peers.server import stage
from benchmarks.peers.swarmd import swarmd
from swarm.bench.load import FrameSource

BACK_OFF = 0.95
BACK_OFFS_MAX = 8


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one publisher sends to how many, and the packets per second that are wanted."""

    viewers: int
    packets_per_frame: int
    packet_bytes: int
    wanted: int


SCENARIOS = {
    "bursts": Scenario(400, 24, 1200, 350_000),
    "single packets": Scenario(400, 1, 1200, 120_000),
    "audio": Scenario(500, 1, 160, 120_000),
}


class PacedSource(FrameSource):
    """Sends each packet at its own time, in a thread: the timers of event loops count in milliseconds.

    Nothing else uses the publisher's SRTP session and buffer meanwhile.
    """

    async def run(self, seconds: float) -> None:
        await asyncio.to_thread(self._run, seconds)

    def _run(self, seconds: float) -> None:
        start = due = time.monotonic()
        while due - start < seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            self.send_frame()
            due += 1 / self.frames_per_second


@click.command()
@click.option("--only", type=click.Choice(list(SCENARIOS)), help="One of the three.")
@click.option("--seconds", default=5.0, show_default=True, help="How long the rate found is held.")
@click.option("--short", is_flag=True, help="A quick look: a quarter of the viewers, one second.")
@click.option("--json", "as_json", is_flag=True)
def main(only: str | None, seconds: float, short: bool, as_json: bool) -> None:
    """Prints packets per second, the CPU of the node and what each packet cost."""
    chosen = {name: scenario for name, scenario in SCENARIOS.items() if only in (None, name)}
    if short:
        seconds = 1.0
        chosen = {name: replace(scenario, viewers=scenario.viewers // 4) for name, scenario in chosen.items()}
    show_table(uvloop.run(measure_all(chosen, seconds)), as_json)


async def measure_all(scenarios: dict[str, Scenario], seconds: float) -> dict[str, Any]:
    return {name: await measure(scenario, seconds) for name, scenario in scenarios.items()}


async def measure(scenario: Scenario, seconds: float) -> dict[str, Any]:
    """One scenario, with a node of its own."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(swarmd(scenario.viewers))
        shape = (scenario.viewers, scenario.packets_per_frame, scenario.packet_bytes)
        make_source = FrameSource if scenario.packets_per_frame > 1 else PacedSource
        place = await stack.enter_async_context(stage(server, *shape, "kernel", make_source))
        rate = await highest_rate(place, min(2.0, seconds))
        for _ in range(BACK_OFFS_MAX):
            held = await window(place, rate, seconds)
            if held.lost <= LOSS_MAX:
                break
            rate *= BACK_OFF
        return {
            "viewers": scenario.viewers,
            **Total(rate, [held]).figures(),
            "packets_per_second_wanted": scenario.wanted,
        }


if __name__ == "__main__":
    main()
