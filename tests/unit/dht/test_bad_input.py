"""The real protocol over real UDP, in asyncio's loop and in uvloop, against everything a member may send."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.envelope import Envelope
from dht.lease import producer_key
from dht.messages import build_request
from dht.overlay_table import Contact
from dht.peer import Peer
from foundation.identity import swarm_id
from foundation.packing import pack
from tests.unit.dht.duel import LOOPS, MY_ID, NONCE, Duel, play
from tests.unit.dht.samples import PRODUCER, SECRET, SWARM, announcement, lease, node_key

IP = b"\x7f\0\0\1"
EXTREMES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 4, 255, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf")),
    *("", "ping", "x" * 300, "\0", "\ud7ff", b"", bytes(4), bytes(19), bytes(20), bytes(21), bytes(64), bytes(600)),
    *([], [[]] * 20, [b"\xc0\0\2\1", 0], [b"\xc0\0\2\1", 65536], ["localhost", 80], [bytes(16), 1], {}, {"a": {1: []}}),
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=40) | st.text(),
    lambda children: st.lists(children, max_size=6) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@pytest.fixture(params=LOOPS)
def duel(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Plays a story in one kind of loop, and then in the other."""
    return partial(play, request.param)


def requests() -> list[list[Any]]:
    """A good one of each method."""
    target = producer_key(SWARM, PRODUCER)
    arguments: list[list[Any]] = [
        [NONCE, [IP, 7400]],
        [target, 8],
        [target, 20],
        [lease(2).record, 8],
        [b"a question"],
    ]
    return [[0, b"12345678", MY_ID, b"", number, each] for number, each in enumerate(arguments)]


def results() -> dict[str, list[Any]]:
    """A good answer to each method, as far as it could be one."""
    contact = [bytes(range(20)), IP, 7400]
    return {
        "ping": [[IP, 7400], node_key(2).public, bytes(64)],
        "find_node": [[], [contact]],
        "find_value": [[lease(2).record], [contact]],
        "store": [0, lease(2).record, [contact]],
        "ask": [b"an answer"],
    }


def spoiled(whole: Any) -> Iterator[Any]:
    """With each of its fields, and of theirs, at each extreme, missing, and doubled."""
    for index, part in enumerate(whole):
        before, after = whole[:index], whole[index + 1 :]
        yield from ([*before, extreme, *after] for extreme in EXTREMES)
        yield [*before, *after]
        yield [*before, part, part, *after]
        if isinstance(part, list):
            yield from ([*before, bad, *after] for bad in spoiled(part))


def test_every_field_of_every_request_at_every_extreme(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        datagrams = [duel.seal(bad) for good in requests() for bad in spoiled(good)]
        assert len(datagrams) > 1200
        await duel.say(datagrams)
        await duel.lives()
        assert duel.directory.contacts <= 1
        assert duel.directory.stats()["leases"] <= 1

    duel(story)


def test_every_field_of_every_answer_at_every_extreme(duel: Any) -> None:
    """The node asks, and the one node it knows answers with nonsense."""

    async def story(duel: Duel) -> None:
        bad = {method: [*EXTREMES, *spoiled(good)] for method, good in results().items()}
        assert sum(map(len, bad.values())) > 1000
        duel.answers(lambda request: bad[request.method].pop() if bad[request.method] else None)
        overlay, peer = duel.directory._overlay, Peer(MY_ID, duel.enemy.address)
        ask = {
            "ping": lambda: overlay.ping(peer.address, peer.id),
            "find_node": lambda: overlay.find(peer, bytes(20), False, 20),
            "find_value": lambda: overlay.find(peer, bytes(20), True, 20),
            "store": lambda: overlay.store(peer, lease(2).record),
            "ask": lambda: overlay.ask(peer, b"a question"),
        }
        while any(bad.values()):
            async with asyncio.timeout(10):
                await asyncio.wait([ask[method]() for method in bad if bad[method]])
        duel.enemy.take = lambda data, address: None
        await duel.lives()
        assert duel.directory.contacts == 0

    duel(story)


def test_every_retry_at_every_extreme(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        asked = Peer(MY_ID, duel.enemy.address)
        heard: list[bytes] = []
        duel.enemy.take = lambda data, address: heard.append(duel.read(data).id)
        call = duel.directory._overlay.find(asked, bytes(20), False, 20)
        while not heard:
            await asyncio.sleep(0)
        await duel.say([duel.seal(bad) for bad in spoiled([2, heard[0], MY_ID, b"12345678"])])
        call.cancel()
        await duel.lives()

    duel(story)


@pytest.mark.parametrize("kind", LOOPS)
@given(messages=st.lists(anything, min_size=1, max_size=8), method=st.integers(0, 6))
@settings(deadline=None, max_examples=30)
def test_any_message_and_any_arguments_leave_the_node_alive(kind: str, messages: list[Any], method: int) -> None:
    async def story(duel: Duel) -> None:
        bodies = [
            body
            for message in messages
            for body in (
                message,
                [0, b"12345678", MY_ID, b"", method, message],
                [0, b"12345678", MY_ID, b"", method, [message]],
                [0, b"12345678", MY_ID, b"", method, [message, 8]],
                [1, b"12345678", MY_ID, message],
                [2, b"12345678", MY_ID, message],
            )
        ]
        sealed = [duel.seal(body) for body in map(pack, bodies) if len(body) <= 1202]
        await duel.say(sealed)
        await duel.lives()

    play(kind, story)


def test_forged_replayed_expired_future_oversized_and_foreign_datagrams_get_no_answer(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        good = requests()[1]
        whole = duel.seal(good)
        await duel.say([whole])
        bad = [whole, whole, duel.seal(good, 31_000), duel.seal(good, -31_000), whole + bytes(1300)]
        for other in (Envelope(SWARM), Envelope(SWARM, [b"x" * 32]), Envelope(swarm_id("other", SECRET), [SECRET])):
            bad.append(other.seal(msgpack.packb(good), int(time.time() * 1000)))
        for length in range(len(whole)):
            bad.append(whole[:length])
            bad.append(whole[:length] + bytes([whole[length] ^ 1]) + whole[length + 1 :])
        await duel.say([datagram for datagram in bad if datagram])
        await duel.lives()
        stats = duel.directory.stats()
        assert stats["datagrams_skewed"] >= 2
        assert min(stats[f"datagrams_dropped_{reason}"] for reason in ("size", "version", "foreign", "forged")) > 0
        assert stats["datagrams_dropped_replayed"] == 2
        answers = [said for said in duel.said() if said.id == b"12345678"]
        assert stats["requests_find_node"] == len(answers) == 1

    duel(story)


def test_forged_expired_future_and_oversized_records_are_not_stored(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        now = int(time.time() * 1000)
        good = lease(2, issued_ms=now).record
        records = [lease(2, issued_ms=now - 46_000).record, lease(2, issued_ms=now + 60_000).record]
        records += [good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :] for index in range(len(good))]
        records += [good + bytes(1), good[:-1], bytes(512), lease(3, issued_ms=now).record]
        bodies = [build_request(random.randbytes(8), MY_ID, "store", record, 0) for record in records]
        await duel.say([duel.seal(body) for body in bodies])
        await duel.lives()
        assert duel.directory.stats()["leases"] == 0
        await duel.say([duel.seal(build_request(b"12345678", MY_ID, "store", good, 0))])
        await duel.lives()
        assert duel.directory.stats()["leases"] == 1

    duel(story)


def test_a_record_of_before_neither_comes_back_nor_lives_longer_by_being_said_again(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        now = int(time.time() * 1000)
        old, new, end = (lease(2, seq=seq, issued_ms=now, tombstone=seq == 3).record for seq in (1, 2, 3))
        bodies = [
            build_request(random.randbytes(8), MY_ID, "store", each, 0) for each in (old, new, end, old, new, end)
        ]
        await duel.say([duel.seal(body) for body in bodies])
        await duel.lives()
        stats = duel.directory.stats()
        assert (stats["stores_stored"], stats["stores_older"], stats["stores_equal"]) == (3, 2, 1)
        assert await duel.directory.find(PRODUCER) is None

    duel(story)


def test_a_node_among_enemies_still_announces_and_finds(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        await duel.say([duel.seal(bad) for bad in spoiled(requests()[3])])
        assert await duel.directory.announce(announcement()) == 0
        found = await duel.directory.find(PRODUCER)
        assert found is not None
        assert found.owner == node_key(1).public

    duel(story)


def test_contacts_that_are_names_bad_ports_or_ids_are_never_asked(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        named = [
            [bytes(20), "localhost", 80],
            [bytes(20), IP, 0],
            [bytes(20), IP, 99999],
            [bytes(20), b"\xe0\0\0\1", 80],
            [bytes(19), IP, 80],
            [bytes(20), bytes(16), 80],
        ]
        for contact in named:
            duel.answers(lambda request, contact=contact: [[], [contact]])  # type: ignore[misc]
            call = duel.directory._overlay.find(Peer(MY_ID, duel.enemy.address), bytes(20), False, 20)
            async with asyncio.timeout(10):
                await asyncio.wait([call])
            assert call.result() == (False, None)

    duel(story)


@pytest.mark.parametrize("ip_versions", [(4,), (4, 6)])
def test_ipv6_contacts_do_no_harm_to_a_node_on_ipv4(duel: Any, ip_versions: Any) -> None:
    """uvloop raises for such an address where asyncio says nothing: the node asks none, or takes it for dead."""

    async def story(duel: Duel) -> None:
        contacts = [[random.randbytes(20), b"\x20\1\r\xb8" + bytes(11) + bytes([n]), 7400] for n in range(1, 20)]
        duel.answers(lambda request: [[], contacts])
        overlay = duel.directory._overlay
        overlay.router.add_contact(Contact(MY_ID, duel.enemy.address, asyncio.get_running_loop().time()))
        await duel.directory.find(PRODUCER)
        await duel.lives()
        asked = overlay.counters["calls"]
        assert asked < 10 if ip_versions == (4,) else asked > 10

    duel(story, ip_versions=ip_versions)
