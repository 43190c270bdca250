"""`make sim-dht N=1000`: the directory of a whole swarm in virtual time, and how good it is.

The real `Directory`, its real datagrams and signatures; only the network and the clock are simulated. The swarm is
grown once by real joins; every row is then measured in a process forked from it, so all rows begin with the same swarm.
With `--quick-signatures` (the default) a keyed hash stands for Ed25519.

`found` is the share of what is announced: a producer counts from the reads that find it, and from those which begin
while a living node holds its lease. Eight holders chosen by hash all die with 0.5^8 = 0.4 % of the producers when half
of the nodes do; until the owner's next round nobody has been told of these, and no lookup can find them. Such reads
are shown too, as a cause among the causes of all misses.
"""

import asyncio
import gc
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from tests.sim.dht_loop import QuickLoop
from tests.sim.dht_world import SECRET, Reads, World, sign_quickly

Row = Callable[[World], Awaitable[None]]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile, `nan` of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def show(name: str, *columns: str) -> None:
    click.echo(f"{name:<34}" + "".join(f"  {column:<24}" for column in columns).rstrip())


def show_reads(name: str, reads: Reads) -> None:
    times = "/".join(f"{percentile(reads.milliseconds, share):.0f}" for share in (0.5, 0.95, 0.99))
    found = f"{100 * reads.found / max(1, reads.held):.2f} % of {reads.held}"
    queries = f"{reads.queries / max(1, reads.asked):.1f} queries"
    show(name, f"get {times} ms", f"found {found}", f"stale {reads.stale}", queries)
    for cause, count in reads.misses.most_common():
        click.echo(f"    not found, {cause}: {count} of {reads.asked}")


def show_seconds(name: str, seconds: Sequence[float]) -> None:
    shown = "/".join(f"{percentile(seconds, share):.3f}" for share in (0.5, 0.95, 0.99))
    show(name, f"{shown} s", f"of {len(seconds)}")


async def read_row(world: World, name: str, reads: int, loss: float = 0.0, dead: float = 0.0) -> None:
    """Lookups over the 10 s after the nodes died; of what living nodes announced."""
    world.net.loss = loss
    world.kill(dead)
    show_reads(name, await world.read(reads, gap_seconds=10 / reads))


async def liars_row(world: World, name: str, reads: int, share: float) -> None:
    """Lookups while so many nodes lie, once everything has been announced to them too."""
    world.turn(share)
    await asyncio.sleep(60)
    show_reads(name, await world.read(reads, gap_seconds=10 / reads))


async def announce_row(world: World, name: str, dead: float, fresh: bool) -> None:
    """Announcements over the 10 s after the nodes died: again of what is announced, or of new producers."""
    world.kill(dead)
    living = [producer for producer, owner in world.announced.items() if owner not in world.dead]
    seconds: list[float] = []

    async def one(producer: Any) -> None:
        owner = world.announced[producer]
        if fresh:
            producer = world.new_producer()
        seconds.append(await world.announce(producer, owner))

    chosen = world.rng.sample(living, min(100, len(living)))
    waits = []
    for producer in chosen:
        waits.append(asyncio.ensure_future(one(producer)))
        await asyncio.sleep(10 / len(chosen))
    await asyncio.gather(*waits)
    show_seconds(name, seconds)


async def stale_row(world: World, name: str, loss: float, reads: int) -> None:
    """Every producer is announced again with a higher epoch; each is read as soon as its announcement counts."""
    world.net.loss = loss
    total = Reads()

    async def one(producer: Any, count: int) -> None:
        await world.announce(producer, world.announced[producer])
        await asyncio.gather(*(world.read_one(producer, total) for _ in range(count)))

    producers = list(world.announced)
    waits = []
    for producer in producers:
        waits.append(asyncio.ensure_future(one(producer, max(1, reads // len(producers)))))
        await asyncio.sleep(0.02)
    await asyncio.gather(*waits)
    show(name, f"{100 * total.stale / max(1, total.asked):.2f} % stale", f"of {total.asked}")


async def traffic_row(world: World, name: str, seconds: float, per_node: int, owners_share: float) -> None:
    """Bytes of UDP payload which nodes send, once the first producers are withdrawn and others are announced."""
    await asyncio.gather(*(world.nodes[owner].withdraw(producer) for producer, owner in world.announced.items()))
    owners = world.alive[: round(owners_share * len(world.alive))]
    announced = []
    for _ in range(per_node):
        for owner in owners:
            announced.append(asyncio.ensure_future(world.announce(world.new_producer(), owner)))
            await asyncio.sleep(20 / (per_node * len(owners)))
    await asyncio.sleep(90)
    world.net.forget_counts()
    await asyncio.sleep(seconds)
    sent = [world.net.bytes[address] / seconds for address in world.nodes]
    busy = [world.net.bytes[address] / seconds for address in owners]
    show(
        name,
        f"{sum(sent) / len(sent):.0f} B/s per node",
        f"p99 {percentile(sent, 0.99):.0f} B/s",
        f"owners {sum(busy) / max(1, len(busy)):.0f} B/s",
    )


def forked(world: World, row: Row) -> None:
    """Runs a row in a copy of this process, whose swarm nothing else will have touched."""
    gc.freeze()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if status:
            raise click.ClickException("a row failed")
        return
    status = 1
    try:
        world.loop.run_until_complete(row(world))
        status = 0
    finally:
        os._exit(status)


async def grow(world: World, nodes: int, keys: int, rate: float) -> None:
    started = time.perf_counter()
    await world.grow(nodes, per_second=rate)
    await asyncio.sleep(10)
    packets = [world.net.packets[address] for address in world.nodes]
    show(
        f"joining ({nodes} nodes, {rate:.0f}/s)",
        f"{sum(packets) / nodes:.0f} packets per node",
        f"p99 {percentile(packets, 0.99):.0f}",
        f"most {max(packets)}",
        f"{sum(node.contacts for node in world.nodes.values()) / nodes:.0f} contacts",
    )
    await world.announce_some(keys)
    await asyncio.sleep(60)
    click.echo(f"# grown and settled in {time.perf_counter() - started:.0f} s of this machine's time")


def rows(loss: float, dead: Sequence[float], reads: int) -> dict[str, Row]:
    """By name, in the order in which they are shown."""
    table: dict[str, Row] = {
        "healthy": lambda world: read_row(world, "healthy", reads),
        "loss": lambda world: read_row(world, f"{100 * loss:.0f} % loss", reads, loss=loss),
    }
    for share in dead:
        name = f"{100 * share:.0f} % dead at once"
        table[f"dead{100 * share:.0f}"] = lambda world, n=name, s=share: read_row(world, n, reads, dead=s)  # type: ignore[misc]
    for share in (0.0, *dead):
        for fresh in (False, True):
            name = f"announce {'anew' if fresh else 'again'}, {100 * share:.0f} % dead"
            table[f"announce{100 * share:.0f}{'new' if fresh else ''}"] = (  # type: ignore[assignment]
                lambda world, n=name, s=share, f=fresh: announce_row(world, n, s, f)  # type: ignore[misc]
            )
    table["liars"] = lambda world: liars_row(world, "30 % of the nodes lie", reads, 0.3)
    table["stale"] = lambda world: stale_row(world, f"reads after an update, {100 * loss:.0f} % loss", loss, reads)
    table["traffic1"] = lambda world: traffic_row(world, "one producer on each node", 180, 1, 1.0)
    table["traffic100"] = lambda world: traffic_row(
        world, "100 producers on each of 10 nodes", 180, 100, 10 / len(world.nodes)
    )
    table["idle"] = lambda world: traffic_row(world, "no producers", 180, 1, 0.0)
    return table


@click.command()
@click.option("--nodes", default=1000, show_default=True)
@click.option("--keys", default=200, show_default=True, help="Producers announced before anything is measured.")
@click.option("--reads", default=2000, show_default=True, help="Lookups of each row.")
@click.option("--seed", default=7400, show_default=True)
@click.option("--loss", default=0.05, show_default=True, help="Of datagrams, in the rows with loss.")
@click.option("--dead", default=[0.2, 0.5], multiple=True, show_default=True, help="Shares of nodes that die at once.")
@click.option("--latency", nargs=2, default=(30.0, 50.0), show_default=True, help="Least and most, ms one way.")
@click.option("--join-rate", default=100.0, show_default=True, help="Nodes per second that join.")
@click.option("--open", "open_swarm", is_flag=True, help="No swarm key: addresses are proved by tokens.")
@click.option("--only", multiple=True, help="Rows by the beginning of their name, instead of all.")
@click.option("--quick-signatures/--verify-all", default=True, show_default=True)
def main(
    nodes: int,
    keys: int,
    reads: int,
    seed: int,
    loss: float,
    dead: tuple[float, ...],
    latency: tuple[float, float],
    join_rate: float,
    open_swarm: bool,
    only: tuple[str, ...],
    quick_signatures: bool,
) -> None:
    """Grows a swarm and prints how quickly, surely and cheaply producers are found in it."""
    click.echo(
        f"# {nodes} nodes, seed {seed}, {latency[0]:.0f}-{latency[1]:.0f} ms one way, {keys} keys, {reads} reads"
    )
    if quick_signatures:
        sign_quickly(random.Random(seed).randbytes(32))
    gc.disable()  # Its passes over a million objects take a quarter of the time, and find next to nothing.
    with QuickLoop() as loop:
        world = World(loop, seed, (latency[0] / 1000, latency[1] / 1000), None if open_swarm else SECRET)
        loop.run_until_complete(grow(world, nodes, keys, join_rate))
        for name, row in rows(loss, dead, reads).items():
            if not only or name.startswith(only):
                forked(world, row)
        loop.run_until_complete(world.close())


if __name__ == "__main__":
    main()
