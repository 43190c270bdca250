"""`python -m tests.sim.rpc_dht`: how many RPCs a core does, over real UDP on loopback, asking and answering together.

Both nodes live in this process, each with a table of 150 contacts; the answers name 20 of them.
"""

import asyncio
import random
import time
from typing import Any

import click
import uvloop

from dht.overlay import Overlay
from dht.overlay_calls import answer_of
from dht.overlay_table import Contact
from dht.peer import Peer
from foundation.address import Address
from foundation.identity import NodeKey, swarm_id

SECRET = b"k" * 32


class End(asyncio.DatagramProtocol):
    """One node's socket and overlay."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: Address = transport.get_extra_info("sockname")[:2]
        rng = random.SystemRandom()
        self.overlay = Overlay(
            NodeKey.generate(),
            swarm_id("rpc", SECRET),
            transport.sendto,
            loop=asyncio.get_running_loop(),
            wall_clock=time.time,
            rng=rng,
            swarm_keys=[SECRET],
        )
        for number in range(150):
            contact = Contact(rng.randbytes(20), (f"127.0.1.{number}", 7400), 0.0)
            self.overlay.router.add_contact(contact)

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.overlay.datagram_received(data, address)


async def measure(seconds: float, at_once: int) -> tuple[int, int, float]:
    """RPCs answered, RPCs lost, and the processor seconds they took."""
    loop = asyncio.get_running_loop()
    (_, one), (_, other) = [await loop.create_datagram_endpoint(End, ("127.0.0.1", 0)) for _ in range(2)]
    counts = [0, 0]

    async def ask() -> None:
        peer = Peer(other.overlay.id, other.address)
        while loop.time() < end:
            call = one.overlay.find(peer, random.randbytes(20), True, 20)
            await asyncio.wait([call])
            counts[answer_of(call) is None] += 1

    started, end = time.process_time(), loop.time() + seconds
    await asyncio.gather(*(ask() for _ in range(at_once)))
    spent = time.process_time() - started
    for node in (one, other):
        node.overlay.close()
        node.transport.close()
    await asyncio.sleep(0)
    return counts[0], counts[1], spent


@click.command()
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--at-once", default=64, show_default=True)
def main(seconds: float, at_once: int) -> None:
    """Prints RPCs per second of processor time."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answered, lost, spent = runner.run(measure(seconds, at_once))
    click.echo(f"{answered / spent:.0f} RPC/s per core, both ends on it; {answered} answered, {lost} lost")


if __name__ == "__main__":
    main()
