"""Too much of everything over real UDP: the node stays small, answers no more than it should, and lives."""

import asyncio
import logging
import os
import random
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dht.envelope import Envelope
from dht.lease import producer_key
from dht.messages import Request, build_answer, build_request, pack_present
from dht.overlay_table import Contact
from dht.peer import pack_address
from dht.presence import prove
from foundation.address import Address
from foundation.identity import node_id
from foundation.limits import checks_max, lookup_queries_max
from tests.unit.dht.duel import LOOPS, ME, MY_ID, NONCE, OPEN_SWARM, Duel, play
from tests.unit.dht.samples import PRODUCER, SWARM, lease, node_key

KEY = producer_key(SWARM, PRODUCER)


@pytest.fixture(params=LOOPS)
def duel(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Plays a story in one kind of loop, and then in the other."""
    return partial(play, request.param)


def junk_records(rng: random.Random) -> list[bytes]:
    """Some of each kind: a bit changed, nothing but noise, and a good one of somebody else's."""
    now = int(time.time() * 1000)
    good, strange = lease(2, issued_ms=now).record, lease(3, issued_ms=now).record
    records = [strange, good[:-1], lease(2, issued_ms=now - 60_000).record]
    for _ in range(9):
        changed = bytearray(good)
        changed[rng.randrange(len(good))] ^= 1 + rng.randrange(255)
        records += [bytes(changed), rng.randbytes(rng.randrange(64, 513))]
    return records


@pytest.mark.timeout(3600)
def test_junk_stores_leave_memory_flat(duel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`JUNK_STORES=1000000` makes it a million of them."""
    rng, count = random.Random(1), int(os.environ.get("JUNK_STORES", "4000"))
    # What remembers MACs fills up first, whatever they are of: a short flood has to fill it as well.
    monkeypatch.setattr("dht.envelope.replays_remembered_max", min(count // 16, 65_536))
    sizes: list[int] = []

    async def story(duel: Duel) -> None:
        tracemalloc.start()
        said = 0
        while said < count:
            records = junk_records(rng)
            bodies = [build_request(rng.randbytes(8), MY_ID, "store", record, 8) for record in records]
            await duel.say([duel.seal(body) for body in bodies])
            duel.enemy.heard.clear()
            said += len(bodies)
            if said >= count // 2 * (len(sizes) + 1):
                sizes.append(tracemalloc.get_traced_memory()[1])  # the peak: what remembers MACs is emptied by halves
                tracemalloc.reset_peak()
        await duel.lives()
        stats = duel.directory.stats()
        assert (stats["leases"], stats["contacts"]) == (0, 0)
        assert stats["requests_store"] == stats["stores_invalid"] + stats.get("stores_refused", 0) + said // 21

    try:
        duel(story)
    finally:
        tracemalloc.stop()
    print(f"{count} junk stores: at most {sizes[0]} bytes traced in the first half, {sizes[1]} in the second")
    assert sizes[1] - sizes[0] < 200_000 + count


def test_a_flood_of_strangers_that_ask_brings_in_nobody_who_proves_nothing(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        ids = [random.randbytes(20) for _ in range(3000)]
        await duel.say([duel.seal(build_request(random.randbytes(8), each, "find_node", KEY, 8)) for each in ids])
        stats = duel.directory.stats()
        assert stats["contacts"] == 0
        assert stats["calls_outstanding"] <= checks_max
        assert len(duel.directory._overlay._checking) <= checks_max
        await duel.lives()

    duel(story)


def test_of_a_flood_of_members_that_prove_themselves_the_table_takes_its_bound(
    duel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dht.overlay_table.contacts_max", 40)
    members = {node_id(SWARM, key.public): key for key in map(node_key, range(100, 250))}

    async def story(duel: Duel) -> None:
        asked: list[bytes] = []

        def prove_oneself(data: bytes, address: Address) -> None:
            """Whoever it was that asked, the node asks back one after the other: which one it means is its guess."""
            message = duel.read(data)
            if isinstance(message, Request) and message.method == "ping" and asked:
                me = asked.pop(0)
                nonce, at = message.arguments
                proof = prove(members[me], nonce, duel.directory.id, me, at, address)
                body = build_answer(message.id, me, pack_present(address, members[me].public, proof))
                duel.enemy.transport.sendto(duel.seal(body), address)

        duel.enemy.take = prove_oneself
        for member in members:
            asked.append(member)
            await duel.say([duel.seal(build_request(random.randbytes(8), member, "find_node", KEY, 8))])
            for _ in range(5):
                await asyncio.sleep(0)
        assert 0 < duel.directory.contacts <= 40
        await duel.lives()

    duel(story)


def test_a_flood_of_contacts_that_are_not_there_neither_fills_the_table_nor_delays_a_lookup(duel: Any) -> None:
    """The one node it knows names twenty new ones in each answer, and says that it is each of them when asked."""

    async def story(duel: Duel) -> None:
        address = pack_address(duel.enemy.address)
        duel.answers(lambda request: [[], [[random.randbytes(20), *address] for _ in range(20)]])
        overlay = duel.directory._overlay
        overlay.router.add_contact(Contact(MY_ID, duel.enemy.address, asyncio.get_running_loop().time()))
        async with asyncio.timeout(10):
            assert await duel.directory.find(PRODUCER) is None
        stats = duel.directory.stats()
        assert stats["lookup_queries"] <= lookup_queries_max
        assert stats["contacts"] <= 1
        await duel.lives()

    duel(story)


def test_a_spoofed_request_of_an_open_swarm_gets_back_no_more_than_it_was(duel: Any) -> None:
    """What is sent to an address that has not shown that it is one's own is what an attacker could aim at others."""

    async def story(duel: Duel) -> None:
        me = node_id(OPEN_SWARM, ME.public)
        address = pack_address(duel.node.address)
        arguments = {
            "ping": (NONCE, address),
            "find_node": (KEY, 20),
            "find_value": (KEY, 20),
            "store": (lease(2).record, 8),
        }
        for method, given in arguments.items():
            datagram = duel.seal(build_request(random.randbytes(8), me, method, *given))  # type: ignore[arg-type]
            duel.enemy.heard.clear()
            await duel.say([datagram])
            async with asyncio.timeout(10):
                while not duel.enemy.heard:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(duel.enemy.heard) == 1
            assert len(duel.enemy.heard[0]) <= len(datagram)
        stats = duel.directory.stats()
        assert (stats["requests_unproved"], stats["leases"], stats["calls_outstanding"]) == (4, 0, 0)

    duel(story, swarm_key=None)


def test_to_a_new_contact_nothing_is_handed_on(duel: Any) -> None:
    """The package hands every record to every new contact, and that to each of its own: a storm in a larger swarm."""

    async def story(duel: Duel) -> None:
        now = int(time.time() * 1000)
        await duel.say([duel.seal(build_request(b"12345678", MY_ID, "store", lease(2, issued_ms=now).record, 0))])
        await duel.lives()
        assert duel.directory.stats()["leases"] == 1
        duel.enemy.heard.clear()
        await duel.lives()
        asked = [said.method for said in duel.said() if isinstance(said, Request)]
        assert set(asked) <= {"ping"}

    duel(story)


def test_no_datagram_makes_the_node_write_to_its_log(duel: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def story(duel: Duel) -> None:
        rng = random.Random(1)
        forged = [Envelope(SWARM, [b"x" * 32]).seal(b"", int(time.time() * 1000)) for _ in range(20)]
        noise = [b"\xd5" + rng.randbytes(rng.randrange(100)) for _ in range(200)]
        sealed = [duel.seal(rng.randbytes(40)) for _ in range(200)]
        asked = [duel.seal(build_request(rng.randbytes(8), MY_ID, "find_node", KEY, 8)) for _ in range(200)]
        await duel.say([*forged, *noise, *sealed, *asked])
        await duel.lives()

    with caplog.at_level(logging.INFO):
        duel(story)
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


def test_a_clock_that_is_wrong_is_told_once_however_many_datagrams_come(
    duel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(duel: Duel) -> None:
        await duel.say([duel.seal([0, n], shift_ms=60_000) for n in range(300)])
        await duel.lives()

    duel(story)
    assert len([record for record in caplog.records if "clock" in record.getMessage()]) == 1


def test_a_cancelled_call_leaves_nothing_behind(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        calls = [duel.directory._overlay.ping(duel.enemy.address) for _ in range(100)]
        for call in calls:
            call.cancel()
        await asyncio.sleep(0)
        assert duel.directory.stats()["calls_outstanding"] == 0
        await duel.lives()

    duel(story)
