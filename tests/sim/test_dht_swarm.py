"""Swarms of real directories in virtual time. A failing case prints its seed; `SIM_SEED` runs another one."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from dht.directory import Directory
from dht.lease import Announcement, Lease
from foundation.address import Address
from foundation.identity import NodeKey, swarm_id
from tests.sim.datagrams import Datagrams
from tests.sim.virtual import EPOCH, VirtualLoop

SEED = int(os.environ.get("SIM_SEED", "7400"))
SECRET = b"k" * 32
SWARM = swarm_id("sim", SECRET)


class Swarm:
    def __init__(self, loop: VirtualLoop, seed: int, **network: object) -> None:
        print(f"seed {seed}")
        self.loop = loop
        self.rng = random.Random(seed)
        self.network = Datagrams(loop, random.Random(seed + 1), **network)
        self.nodes: dict[Address, Directory] = {}

    def add(self, key: NodeKey | None = None, secret: bytes | None = SECRET, swarm: bytes = SWARM) -> Address:
        number = len(self.nodes) + 1
        address = (f"10.0.{number // 250}.{number % 250 + 1}", 7400)
        late: list[Directory] = []
        send = self.network.attach(address, lambda data, source: late[0].datagram_received(data, source))
        directory = Directory(
            key or NodeKey.from_seed(self.rng.randbytes(32)),
            swarm,
            send,
            loop=self.loop,
            wall_clock=self.loop.wall_clock,
            rng=random.Random(self.rng.random()),
            swarm_key=secret,
        )
        late.append(directory)
        self.nodes[address] = directory
        return address

    async def grow(self, count: int) -> list[Address]:
        """Every node joins through a random one that is there already."""
        addresses = []
        for _ in range(count):
            there = list(self.nodes)
            address = self.add()
            if there:
                assert await self.nodes[address].bootstrap([self.rng.choice(there)]) == 1
            addresses.append(address)
        await asyncio.sleep(5)
        return addresses

    async def close(self) -> None:
        for node in self.nodes.values():
            await node.close()

    def announcement(self, address: Address, epoch: int = 1, producer_id: UUID | None = None) -> Announcement:
        producer_id = producer_id or UUID(bytes=self.rng.randbytes(16))
        return Announcement(producer_id, epoch, (address,), self.rng.randbytes(32), f"http://{address[0]}:7400")


Story = Callable[[Swarm], Awaitable[None]]


def play(story: Story, seed: int = SEED, **network: object) -> Swarm:
    with VirtualLoop() as loop:
        swarm = Swarm(loop, seed, **network)

        async def whole() -> None:
            try:
                await story(swarm)
            finally:
                await swarm.close()

        loop.run_until_complete(whole())
        return swarm


async def everybody_finds(
    swarm: Swarm, producer_id: UUID, alive: list[Address], fresh: bool = True
) -> list[Lease | None]:
    return [await swarm.nodes[address].find(producer_id, fresh=fresh) for address in alive]


def test_a_virtual_hour_passes_at_once() -> None:
    with VirtualLoop() as loop:
        loop.run_until_complete(asyncio.sleep(3600))
        assert loop.time() == pytest.approx(3600)
        assert loop.wall_clock() == pytest.approx(EPOCH + 3600)


def test_a_single_node_finds_nothing_at_once() -> None:
    async def story(swarm: Swarm) -> None:
        directory = swarm.nodes[swarm.add()]
        before = swarm.loop.time()
        assert await directory.bootstrap([]) == 0
        assert await directory.find(UUID(int=1)) is None
        assert swarm.loop.time() == before

    play(story)


def test_a_single_node_finds_what_it_announces() -> None:
    async def story(swarm: Swarm) -> None:
        address = swarm.add()
        directory = swarm.nodes[address]
        announcement = swarm.announcement(address)
        assert await directory.announce(announcement) == 0
        lease = await directory.find(announcement.producer_id)
        assert lease is not None
        assert lease.owner_id == directory.id
        await directory.withdraw(announcement.producer_id)
        assert await directory.find(announcement.producer_id) is None

    play(story)


def test_what_was_announced_by_a_node_alone_is_found_by_all_who_come_later() -> None:
    async def story(swarm: Swarm) -> None:
        first = swarm.add()
        announcements = [swarm.announcement(first) for _ in range(8)]
        for announcement in announcements:
            await swarm.nodes[first].announce(announcement)
        others = [swarm.add() for _ in range(30)]
        await asyncio.gather(*(swarm.nodes[other].bootstrap([first]) for other in others))
        await asyncio.sleep(2)
        for announcement in announcements:
            assert None not in await everybody_finds(swarm, announcement.producer_id, others)

    play(story)


def test_a_node_that_was_alone_learns_of_who_joins_through_it() -> None:
    async def story(swarm: Swarm) -> None:
        first, second = await swarm.grow(2)
        assert swarm.nodes[first].contacts == swarm.nodes[second].contacts == 1
        announcement = swarm.announcement(second)
        assert await swarm.nodes[second].announce(announcement) == 1
        assert await swarm.nodes[first].find(announcement.producer_id) is not None

    play(story)


@pytest.mark.parametrize("count", [3, 20, 50])
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_what_one_node_announces_all_others_find(count: int, loss: float) -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(count)
        swarm.network.loss = loss
        announcement = swarm.announcement(alive[-1])
        acknowledged = await swarm.nodes[alive[-1]].announce(announcement)
        assert acknowledged >= min(5, count - 1) - (loss > 0)
        leases = await everybody_finds(swarm, announcement.producer_id, alive)
        assert {lease and lease.owner_id for lease in leases} == {swarm.nodes[alive[-1]].id}

    play(story)


def test_a_withdrawal_is_seen_by_all() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(20)
        announcement = swarm.announcement(alive[3])
        await swarm.nodes[alive[3]].announce(announcement)
        assert None not in await everybody_finds(swarm, announcement.producer_id, alive)
        await swarm.nodes[alive[3]].withdraw(announcement.producer_id)
        assert set(await everybody_finds(swarm, announcement.producer_id, alive)) == {None}
        await asyncio.sleep(5)
        assert set(await everybody_finds(swarm, announcement.producer_id, alive, fresh=False)) == {None}

    play(story)


def test_a_lease_lives_as_long_as_its_owner_announces_it() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(20)
        announcement = swarm.announcement(alive[3])
        await swarm.nodes[alive[3]].announce(announcement)
        await asyncio.sleep(300)
        assert None not in await everybody_finds(swarm, announcement.producer_id, alive)

    play(story)


def test_a_dead_owner_s_lease_is_gone_after_its_ttl() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(20)
        owner = alive.pop(3)
        announcement = swarm.announcement(owner)
        await swarm.nodes[owner].announce(announcement)
        swarm.network.silence([owner])
        await asyncio.sleep(30)
        assert None not in await everybody_finds(swarm, announcement.producer_id, alive)
        await asyncio.sleep(46)
        assert set(await everybody_finds(swarm, announcement.producer_id, alive)) == {None}
        await asyncio.sleep(6)
        assert {len(swarm.nodes[address]._overlay.storage) for address in alive} == {0}

    play(story)


@pytest.mark.parametrize("count", [9, 30, 48])
def test_with_a_third_of_the_nodes_dead_everything_is_still_found(count: int) -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(count)
        owner = alive[0]
        announced = [swarm.announcement(owner) for _ in range(5)]
        for announcement in announced:
            await swarm.nodes[owner].announce(announcement)
        dead = swarm.rng.sample(alive[1:], count // 3)
        swarm.network.silence(dead)
        alive = [address for address in alive if address not in dead]
        for announcement in announced:
            started = swarm.loop.time()
            assert None not in await everybody_finds(swarm, announcement.producer_id, alive)
            assert swarm.loop.time() - started < 1.5 * len(alive)
        await asyncio.sleep(400)
        known = {contact.address for address in alive for contact in swarm.nodes[address]._overlay.router}
        assert not known & set(dead)

    play(story)


@pytest.mark.parametrize("seed", [SEED, 11, 15])
def test_a_producer_that_moves_is_found_at_its_new_owner_by_the_higher_epoch(seed: int) -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(20)
        superseded: list[Lease] = []
        swarm.nodes[alive[1]].on_superseded = superseded.append
        announcement = swarm.announcement(alive[1])
        await swarm.nodes[alive[1]].announce(announcement)
        moved = swarm.announcement(alive[2], epoch=2, producer_id=announcement.producer_id)
        await swarm.nodes[alive[2]].announce(moved)
        leases = await everybody_finds(swarm, announcement.producer_id, alive[3:])
        assert {lease and lease.addresses for lease in leases} == {(alive[2],)}
        await asyncio.sleep(20)
        assert {lease.owner_id for lease in superseded} == {swarm.nodes[alive[2]].id}

    play(story, seed)


def test_a_node_which_restarts_outranks_its_own_earlier_leases() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(10)
        key = NodeKey.from_seed(bytes(32))
        old = swarm.add(key)
        await swarm.nodes[old].bootstrap([alive[0]])
        announcement = swarm.announcement(old)
        await swarm.nodes[old].announce(announcement)
        swarm.network.silence([old])
        new = swarm.add(key)
        assert await swarm.nodes[new].bootstrap([alive[0]]) == 1
        assert await swarm.nodes[new].find(announcement.producer_id) is None
        again = swarm.announcement(new, producer_id=announcement.producer_id)
        await swarm.nodes[new].announce(again)
        leases = await everybody_finds(swarm, announcement.producer_id, alive)
        assert {lease and lease.addresses for lease in leases} == {(new,)}
        await asyncio.sleep(90)
        assert swarm.nodes[alive[0]]._overlay.router.contact(swarm.nodes[new].id).address == new

    play(story)


def test_a_node_joins_as_soon_as_its_seed_comes_up() -> None:
    async def story(swarm: Swarm) -> None:
        early, seed = swarm.add(), swarm.add()
        swarm.network.silence([seed])
        assert await swarm.nodes[early].bootstrap([seed]) == 0
        await asyncio.sleep(300)
        swarm.network.revive([seed])
        await asyncio.sleep(60)
        assert swarm.nodes[early].contacts == swarm.nodes[seed].contacts == 1

    play(story)


def test_a_swarm_cut_in_two_grows_together_again() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(20)
        swarm.network.cut(alive[:10])
        await asyncio.sleep(600)
        swarm.network.cut([])
        await asyncio.sleep(300)
        announcement = swarm.announcement(alive[0])
        await swarm.nodes[alive[0]].announce(announcement)
        assert None not in await everybody_finds(swarm, announcement.producer_id, alive)

    play(story)


def test_many_finds_of_one_producer_are_one_lookup() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(12)
        announcement = swarm.announcement(alive[0])
        await swarm.nodes[alive[0]].announce(announcement)
        reader = swarm.nodes[alive[5]]
        leases = await asyncio.gather(*(reader.find(announcement.producer_id) for _ in range(50)))
        assert len({lease and lease.record for lease in leases}) == 1
        assert await reader.find(announcement.producer_id) == leases[0]
        assert reader.stats()["lookups"] == 1

    play(story)


def test_a_cancelled_find_leaves_the_lookup_to_the_others() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(12)
        announcement = swarm.announcement(alive[0])
        await swarm.nodes[alive[0]].announce(announcement)
        reader = swarm.nodes[alive[5]]
        one, other = (asyncio.ensure_future(reader.find(announcement.producer_id)) for _ in range(2))
        await asyncio.sleep(0.01)
        one.cancel()
        assert await other is not None
        assert one.cancelled()

    play(story)


def test_closing_ends_a_find_that_is_under_way() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(12)
        reader = swarm.nodes[alive[5]]
        find = asyncio.ensure_future(reader.find(UUID(int=5)))
        await asyncio.sleep(0.01)
        await reader.close()
        assert await find is None
        assert reader.stats()["calls_outstanding"] == 0

    play(story)


def test_outsiders_get_no_answer_at_all() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(5)
        outsiders = [swarm.add(secret=None), swarm.add(secret=b"x" * 32), swarm.add(swarm=swarm_id("other", SECRET))]
        for outsider in outsiders:
            assert await swarm.nodes[outsider].bootstrap(alive) == 0
        assert not [entry for entry in swarm.network.log if entry[2] in outsiders]

    play(story)


def test_an_open_swarm_needs_no_key() -> None:
    async def story(swarm: Swarm) -> None:
        one, other = (swarm.add(secret=None, swarm=swarm_id("open")) for _ in range(2))
        assert await swarm.nodes[other].bootstrap([one]) == 1
        announcement = swarm.announcement(other)
        assert await swarm.nodes[other].announce(announcement) == 1
        assert await swarm.nodes[one].find(announcement.producer_id) is not None

    play(story)


def test_garbage_and_replays_of_everything_ever_sent_do_nothing() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(10)
        announcement = swarm.announcement(alive[0])
        await swarm.nodes[alive[0]].announce(announcement)
        await asyncio.sleep(1)
        stranger = ("10.9.9.9", 9)
        recorded = list(swarm.network.log)
        for data, _, destination in recorded:
            node = swarm.nodes[destination]
            node.datagram_received(data, stranger)
            node.datagram_received(data[: swarm.rng.randrange(len(data))], stranger)
            flipped = bytearray(data)
            flipped[swarm.rng.randrange(len(data))] ^= 1 << swarm.rng.randrange(8)
            node.datagram_received(bytes(flipped), stranger)
            node.datagram_received(b"\xd5" + swarm.rng.randbytes(swarm.rng.randrange(1500)), stranger)
        assert not [entry for entry in swarm.network.log[len(recorded) :] if entry[2] == stranger]
        assert None not in await everybody_finds(swarm, announcement.producer_id, alive)
        assert all(node.contacts == 9 for node in swarm.nodes.values())

    play(story)


def test_an_idle_swarm_is_quiet() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(50)
        await swarm.nodes[alive[0]].announce(swarm.announcement(alive[0]))
        await asyncio.sleep(60)
        swarm.network.sent.clear()
        await asyncio.sleep(300)
        assert max(swarm.network.sent[address] for address in alive[1:]) < 300 * 2

    play(story)


def test_a_swarm_of_the_same_seed_does_the_same() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(15)
        await swarm.nodes[alive[0]].announce(swarm.announcement(alive[0]))
        await asyncio.sleep(60)

    one, other = (play(story, loss=0.0).network.log for _ in range(2))
    assert one == other


def test_unanswered_requests_leave_nothing_behind() -> None:
    async def story(swarm: Swarm) -> None:
        alive = await swarm.grow(12)
        swarm.network.silence(alive[1:])
        for number in range(20):
            await swarm.nodes[alive[0]].find(UUID(int=number))
        await asyncio.sleep(10)
        assert swarm.nodes[alive[0]].stats()["calls_outstanding"] <= len(alive)  # it asks its lost contacts as seeds
        assert not swarm.nodes[alive[0]]._lookups

    play(story)
