"""The simulation of whole swarms in a short form, every signature verified: joining is no storm, everything is found.

`make sim-dht N=1000` prints the figures themselves.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from tests.sim.dht_loop import QuickLoop
from tests.sim.dht_world import SECRET, World
from tests.sim.sim_dht import percentile

SEED = int(os.environ.get("SIM_SEED", "7400"))
NODES = int(os.environ.get("SIM_NODES", "600"))
"""Handing records on to whoever is new, as kademlia does it, storms above a few hundred nodes."""


def play(story: Callable[[World], Awaitable[None]], secret: bytes | None = SECRET) -> None:
    print(f"seed {SEED}")
    with QuickLoop() as loop:
        world = World(loop, SEED, secret=secret)

        async def whole() -> None:
            try:
                await story(world)
            finally:
                await world.close()

        loop.run_until_complete(whole())


@pytest.mark.timeout(400)
def test_hundreds_of_nodes_join_at_once_without_a_storm_and_find_everything() -> None:
    async def story(world: World) -> None:
        await world.grow(NODES, per_second=200.0)
        await asyncio.sleep(10)
        packets = [world.net.packets[address] for address in world.nodes]
        assert sum(packets) / len(packets) < 800
        assert max(packets) < 2500, "the ten nodes by which all others join have a part in each of their walks"
        await world.announce_some(50)
        reads = await world.read(300)
        assert (reads.found, reads.stale) == (300, 0)
        world.kill(0.2)
        reads = await world.read(300)
        assert reads.found >= 299

    play(story)


def test_in_a_hundred_nodes_all_that_is_announced_is_found_in_good_time_though_many_die() -> None:
    """Milliseconds of virtual time, the same on every machine."""

    async def story(world: World) -> None:
        await world.grow(100)
        await world.announce_some(40)
        await asyncio.sleep(20)
        for loss, dead, bounds in (
            (0.0, 0.0, (85, 155, 170)),
            (0.05, 0.0, (85, 160, 180)),
            (0.0, 0.5, (85, 310, 500)),
        ):
            world.net.loss = loss
            world.kill(dead)
            reads = await world.read(500)
            assert reads.found == reads.held, reads.misses
            for share, bound in zip((0.5, 0.95, 0.99), bounds, strict=True):
                assert percentile(reads.milliseconds, share) <= bound, (loss, dead, share)
        living = [producer for producer, owner in world.announced.items() if owner not in world.dead]
        seconds = [await world.announce(producer, world.announced[producer]) for producer in living]
        assert percentile(seconds, 0.5) <= 0.9

    play(story)


def test_in_an_open_swarm_a_third_of_the_nodes_lie_and_what_the_others_announce_is_found() -> None:
    async def story(world: World) -> None:
        await world.grow(60)
        await world.announce_some(20)
        world.turn(0.3)
        await asyncio.sleep(40)
        reads = await world.read(500)
        assert reads.found >= 198
        assert sum(node.stats()["requests_unproved"] for node in world.nodes.values()) > 0

    play(story, secret=None)


def test_nodes_of_one_ip_version_and_of_both_are_one_swarm() -> None:
    """Every second node has IPv6 alone, or in addition; the first has IPv4 alone."""

    async def story(world: World) -> None:
        only_v4 = world.add(ip_versions=(4,))
        await world.grow(10)
        for number in range(20):
            address = world.add(ip=f"2001:db8::{number + 1:x}" if number % 2 else None)
            await world.nodes[address].bootstrap([world.rng.choice(world.alive[1:10])])
        await asyncio.sleep(5)
        await world.announce_some(20)
        for producer, owner in world.announced.items():
            found = await world.nodes[only_v4].find(producer, fresh=True)
            assert found is not None
            assert found.addresses == (owner,)
        named = {contact.address for contact in world.nodes[only_v4]._overlay.router}
        assert len(named) >= 10

    play(story)


def test_a_node_that_cannot_be_reached_reads_and_announces_and_is_nobody_s_contact() -> None:
    async def story(world: World) -> None:
        await world.grow(30)
        hidden = world.add(read_only=True)
        assert await world.nodes[hidden].bootstrap([world.alive[0]]) == 1
        await world.announce_some(5, [hidden])
        await world.announce_some(10, world.alive[:30])
        reads = await world.read(100)
        assert reads.found == 100
        for producer in world.announced:
            assert await world.nodes[hidden].find(producer, fresh=True) is not None
        contacts = {contact.address for node in world.nodes.values() for contact in node._overlay.router}
        assert hidden not in contacts

    play(story)


def test_many_producers_of_one_node_are_found_while_it_lives_and_gone_when_it_is_dead() -> None:
    async def story(world: World) -> None:
        await world.grow(30)
        owner = world.alive[0]
        await world.announce_some(80, [owner])
        await asyncio.sleep(300)
        assert {lease.bound for lease in world.leases_of(owner)} == {False, True}
        reads = await world.read(100)
        assert reads.found == 100
        world.dead.add(owner)
        world.net.silence([owner])
        await asyncio.sleep(60)
        reader = world.nodes[world.alive[0]]
        assert [await reader.find(producer, fresh=True) for producer in list(world.announced)[:20]] == [None] * 20

    play(story)


def test_a_swarm_cut_in_two_finds_together_again() -> None:
    async def story(world: World) -> None:
        await world.grow(60)
        world.net.cut(world.alive[:30])
        await asyncio.sleep(400)
        world.net.cut([])
        await asyncio.sleep(200)
        await world.announce_some(20)
        reads = await world.read(500)
        assert reads.found == reads.asked

    play(story)


def test_a_node_that_starts_again_finds_its_swarm_though_its_seeds_are_gone() -> None:
    async def story(world: World) -> None:
        await world.grow(40)
        peers = world.nodes[world.alive[-1]].peers
        seeds = world.alive[:10]
        world.dead.update(seeds)
        world.net.silence(seeds)
        again = world.nodes[world.add()]
        again.remember(peers)
        await again.bootstrap(seeds)
        await asyncio.sleep(60)
        assert again.contacts > 20

    play(story)
