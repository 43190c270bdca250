"""The course of `swarmd bench`: a node, a publisher and viewers, each in processes of their own on this machine."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from foundation import process_limits as limits
from foundation.errors import RemoteError
from swarm.bench.crew import Crew, crew
from swarm.bench.figures import Carried, Joined, Load, figures, heavier
from swarm.bench.nodes import NodeProcess, node
from swarm.client.api import NodeApi
from swarm.load.machine import describe_machine
from swarm.process.stopping import first_of, stop_requested

STREAMS = (Load("600 kbit/s", 3, 1000, 25), Load("2.5 Mbit/s", 11, 1136, 25))
"""What a viewer of a small and of a large picture gets, in bursts of one frame."""

HEAVY = Load("full frames", 12, 1200, 30)
"""Where the cost of a packet is what counts, and not that of a viewer; it gets more frames, see `heavier`."""

STEPS = 3 + len(STREAMS) + 1
"""As often is `report` called."""

_warm_up = Load("warm-up", 3, 1000, 25)
_warm_up_seconds = 0.5
_warm_up_viewers = 2
"""They join first and stay: what a node loads and allocates once is not counted as the cost of joining."""

Report = Callable[[str], object]


async def run_bench(*, seconds: float, viewers: int, report: Report) -> dict[str, Any] | None:
    """What `figures` gives, and the machine's description; each load lasts `seconds`. None when it was interrupted.

    Raises `RemoteError` when something failed or took too long.
    """
    results: list[dict[str, Any]] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(limits.bench_overhead_seconds_max + (len(STREAMS) + 1) * seconds):
                results.append(await _bench(seconds, viewers, report))
        except TimeoutError:
            raise RemoteError("this machine is too slow or too busy for the bench: try fewer --viewers") from None

    async with stop_requested() as stopping:
        await first_of(work(), stopping.wait())
    return results[0] | {"machine": describe_machine(), "seconds": seconds} if results else None


async def _bench(seconds: float, viewers: int, report: Report) -> dict[str, Any]:
    report("starting a node and the load processes")
    async with _stage(viewers) as stage:
        await stage.publisher.call("publish", url=f"{stage.node.url}/whip")
        (producer,) = await NodeApi(stage.node.url).producers()
        stage.watch_url = f"{stage.node.url}/whep/{producer['id']}"
        await stage.send(_warm_up, _warm_up_seconds)
        await stage.join(_warm_up_viewers)
        report(f"{viewers} viewers join")
        joined = await _measure_joining(stage, viewers - _warm_up_viewers)
        report("warming up")
        await stage.send(_warm_up, _warm_up_seconds)
        await stage.sinks_call("count_in_kernel")
        carried = []
        for load in STREAMS:
            report(f"{viewers} viewers watch {load.name} for {seconds:g} s")
            carried.append(await _measure_carrying(stage, load, viewers, seconds))
        report(f"{viewers} viewers watch {HEAVY.name} for {seconds:g} s")
        heavy = await _measure_carrying(stage, heavier(HEAVY, carried[-1]), viewers, seconds)
    return figures(joined, heavy, carried)


@dataclass
class _Stage:
    node: NodeProcess
    publisher: Crew
    sinks: list[Crew]
    watch_url: str = ""

    async def send(self, load: Load, seconds: float) -> dict[str, Any]:
        return await self.publisher.call(
            "send",
            packets_per_frame=load.packets_per_frame,
            packet_bytes=load.packet_bytes,
            frames_per_second=load.frames_per_second,
            seconds=seconds,
        )

    async def join(self, viewers: int) -> list[dict[str, Any]]:
        """By all sinks at once, each its share."""
        shares = [viewers // len(self.sinks) + (index < viewers % len(self.sinks)) for index in range(len(self.sinks))]
        return await asyncio.gather(
            *(
                sink.call("join", url=self.watch_url, viewers=share)
                for sink, share in zip(self.sinks, shares, strict=True)
            )
        )

    async def sinks_call(self, do: str) -> list[dict[str, Any]]:
        return await asyncio.gather(*(sink.call(do) for sink in self.sinks))

    async def arrived(self) -> int:
        return sum(answer["packets"] for answer in await self.sinks_call("arrived"))

    def load_cpu_seconds(self) -> list[float]:
        return [crew.cpu_seconds() for crew in (self.publisher, *self.sinks)]


@asynccontextmanager
async def _stage(viewers: int) -> AsyncIterator[_Stage]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(node("--max-consumers", str(viewers + 1)))
        sinks = min(limits.bench_sinks_max, max(1, (os.cpu_count() or 1) - 1))
        crews = [await stack.enter_async_context(crew()) for _ in range(1 + sinks)]
        yield _Stage(server, crews[0], crews[1:])


async def _measure_joining(stage: _Stage, viewers: int) -> Joined:
    cpu, memory = stage.node.cpu_seconds(), stage.node.resident_megabytes()
    answers = await stage.join(viewers)
    return Joined(
        viewers=viewers,
        seconds=max(answer["seconds"] for answer in answers),
        node_cpu_seconds=stage.node.cpu_seconds() - cpu,
        node_megabytes=stage.node.resident_megabytes() - memory,
    )


async def _measure_carrying(stage: _Stage, load: Load, viewers: int, seconds: float) -> Carried:
    arrived = await stage.arrived()
    cpu, load_cpu = stage.node.cpu_seconds(), stage.load_cpu_seconds()
    sent = await stage.send(load, seconds)
    load_cpu = [after - before for after, before in zip(stage.load_cpu_seconds(), load_cpu, strict=True)]
    arrived = await stage.arrived() - arrived
    return Carried(
        load=load,
        viewers=viewers,
        asked_seconds=seconds,
        seconds=sent["seconds"],
        node_cpu_seconds=stage.node.cpu_seconds() - cpu,
        load_cpu_share=max(load_cpu) / sent["seconds"],
        packets_sent=sent["packets"],
        packets_arrived=arrived,
    )
