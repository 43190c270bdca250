"""`python -m tests.sim.processes_dht`: lookups among directories in processes of their own, over UDP on loopback."""

import asyncio
import multiprocessing
import random
import time
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import click
import uvloop

from dht.directory import Directory
from dht.lease import Announcement
from foundation.address import Address
from foundation.identity import NodeKey, swarm_id

SECRET = b"k" * 32


class Wire(asyncio.DatagramProtocol):
    """One node's socket."""

    directory: Directory | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        if self.directory is not None:
            self.directory.datagram_received(data, address)


async def live(parent: Connection, number: int, nodes: int, finds: int) -> None:
    """A node: joins, announces one producer, finds those of others, and tells how long each find took."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_datagram_endpoint(Wire, ("127.0.0.1", 0))
    wire.directory = directory = Directory(
        NodeKey.generate(),
        swarm_id("processes", SECRET),
        wire.transport.sendto,
        loop=loop,
        wall_clock=time.time,
        rng=random.SystemRandom(),
        swarm_key=SECRET,
    )
    own: Address = wire.transport.get_extra_info("sockname")[:2]
    parent.send(own)
    seed = await asyncio.to_thread(parent.recv)
    if seed != own:
        await directory.bootstrap([seed])
    await directory.announce(Announcement(UUID(int=number + 1), 1, (own,), bytes(32)))
    parent.send("announced")
    await asyncio.to_thread(parent.recv)
    milliseconds, found = [], 0
    for _ in range(finds):
        await asyncio.sleep(random.uniform(0.01, 0.03))
        started = time.perf_counter()
        found += await directory.find(UUID(int=random.randrange(nodes) + 1), fresh=True) is not None
        milliseconds.append((time.perf_counter() - started) * 1000)
    parent.send((milliseconds, found))
    await asyncio.to_thread(parent.recv)
    await directory.close()
    wire.transport.close()


def child(parent: Connection, number: int, nodes: int, finds: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live(parent, number, nodes, finds))


@click.command()
@click.option("--nodes", default=16, show_default=True)
@click.option("--finds", default=100, show_default=True, help="Of each node.")
@click.option("--settle", default=3.0, show_default=True, help="Seconds after which joining no longer takes its share.")
def main(nodes: int, finds: int, settle: float) -> None:
    """Prints percentiles of all lookups, those of own and of held producers included."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(nodes)]
    processes = [
        context.Process(target=child, args=(end, number, nodes, finds)) for number, (_, end) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    ours = [pipe for pipe, _ in pipes]
    addresses = [pipe.recv() for pipe in ours]
    for pipe in ours:
        pipe.send(addresses[0])
    for pipe in ours:
        pipe.recv()
    time.sleep(settle)
    for pipe in ours:
        pipe.send("find")
    results = [pipe.recv() for pipe in ours]
    for pipe, process in zip(ours, processes, strict=True):
        pipe.send("end")
        process.join()
    ranked = sorted(each for milliseconds, _ in results for each in milliseconds)
    shown = "/".join(f"{ranked[int(share * (len(ranked) - 1))]:.1f}" for share in (0.5, 0.95, 0.99))
    found = sum(found for _, found in results)
    click.echo(f"{nodes} processes: find p50/p95/p99 {shown} ms, found {found} of {len(ranked)}")


if __name__ == "__main__":
    main()
