"""Directories over real UDP on loopback, in asyncio's loop and in uvloop; then single ones in virtual time."""

import asyncio
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from dht.directory import Directory
from dht.envelope import Envelope
from dht.lease import Lease, producer_key
from dht.messages import Request, build_answer, build_request, pack_found, pack_present, pack_stored, parse
from dht.peers_file import KnownPeer
from dht.presence import prove
from dht.producer_ids import certified, certified_id, node_lease_id
from dht.store import Outcome
from foundation.address import Address
from foundation.errors import LocalError
from foundation.identity import node_id
from tests.sim.virtual import VirtualLoop
from tests.unit.dht.samples import PRODUCER, SECRET, SWARM, announcement, lease, node_key

THERE = ("192.0.2.2", 7400)


class Socket(asyncio.DatagramProtocol):
    """What `media.port` is to a node: one UDP socket, here for DHT datagrams alone."""

    def __init__(self) -> None:
        self.directory: Directory | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        if self.directory is not None:
            self.directory.datagram_received(data, address)

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")
        return host, port


@asynccontextmanager
async def directories(count: int) -> Any:
    loop = asyncio.get_running_loop()
    sockets: list[Socket] = []
    for number in range(count):
        _, protocol = await loop.create_datagram_endpoint(Socket, local_addr=("127.0.0.1", 0))
        protocol.directory = Directory(
            node_key(number + 1),
            SWARM,
            protocol.transport.sendto,
            loop=loop,
            wall_clock=time.time,
            rng=random.SystemRandom(),
            swarm_key=SECRET,
        )
        sockets.append(protocol)
    try:
        yield sockets
    finally:
        for each in sockets:
            await each.directory.close()  # type: ignore[union-attr]
            each.transport.close()
        await asyncio.sleep(0)


def test_over_real_udp_a_node_answers_what_another_asks() -> None:
    async def story() -> None:
        async with directories(3) as sockets:
            asked, asking, silent = (each.directory for each in sockets)
            asked.on_ask = lambda node, payload: node + payload
            assert await asking.ask(asked.id, sockets[0].address, b"what?") == asking.id + b"what?"
            assert await asking.ask(silent.id, sockets[2].address, b"what?") is None
            await silent.close()
            assert await asking.ask(silent.id, sockets[2].address, b"what?") is None

    asyncio.run(story())


def test_a_sample_names_contacts_once_each() -> None:
    async def story() -> None:
        async with directories(4) as sockets:
            for each in sockets[1:]:
                assert await each.directory.bootstrap([sockets[0].address]) == 1
            one = sockets[1].directory
            everybody = {peer.id for peer in one.sample(100)}
            assert everybody <= {each.directory.id for each in sockets} - {one.id}
            assert len(one.sample(1)) == 1
            assert one.sample(0) == []

    asyncio.run(story())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_over_real_udp_a_producer_is_announced_found_and_withdrawn(new_loop: Callable[[], Any]) -> None:
    async def story() -> None:
        async with directories(5) as sockets:
            seed, *others = sockets
            for each in others:
                assert await each.directory.bootstrap([seed.address]) == 1
            owner = others[-1].directory
            assert await owner.announce(announcement()) >= 1
            for each in sockets:
                found = await each.directory.find(PRODUCER)
                assert found is not None
                assert found.owner_id == owner.id
            throw_garbage_at([each.address for each in sockets])
            await owner.withdraw(PRODUCER)
            for each in sockets:
                assert await each.directory.find(PRODUCER, fresh=True) is None
            assert seed.directory.contacts >= 1
            assert others[0].directory.observed == others[0].address

    with asyncio.Runner(loop_factory=new_loop) as runner:
        failures: list[Any] = []
        runner.get_loop().set_exception_handler(lambda loop, context: failures.append(context))
        runner.run(story())
        assert failures == []


def throw_garbage_at(addresses: list[Address]) -> None:
    rng = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
        for address in addresses:
            for size in range(60):
                thrower.sendto(rng.randbytes(size), address)
                thrower.sendto(b"\xd5\x01" + rng.randbytes(size), address)


class Stage:
    """One directory in virtual time, and another node which the test plays."""

    def __init__(self, loop: VirtualLoop, **options: Any) -> None:
        self.loop = loop
        self.sent: list[tuple[bytes, Address]] = []
        self.key = node_key(2)
        self.directory = Directory(
            node_key(1),
            SWARM,
            lambda data, address: self.sent.append((data, address)),
            loop=loop,
            wall_clock=loop.wall_clock,
            rng=random.Random(1),
            **{"swarm_key": SECRET, **options},
        )
        self.asked: list[str] = []
        self.clock_ahead_ms = 0
        self.result: Callable[[str], Any] = lambda method: pack_found([], [])

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def answer_for(self, seconds: float) -> None:
        """Plays the other node: answers every request."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            for data, address in self.sent[:]:
                request = parse(Envelope(SWARM, [SECRET]).open(data, self.wall_ms))
                if address == THERE and isinstance(request, Request):
                    self.asked.append(request.method)
                    self.say(build_answer(request.id, self.id, self.answer_to(request)))
            del self.sent[:]
            await asyncio.sleep(0.005)

    def answer_to(self, request: Request) -> Any:
        if request.method != "ping":
            return self.result(request.method)
        nonce, asked = request.arguments
        seen = ("192.0.2.1", 7400)
        return pack_present(seen, self.key.public, prove(self.key, nonce, self.directory.id, self.id, asked, seen))

    def say(self, body: bytes) -> None:
        self.directory.datagram_received(
            Envelope(SWARM, [SECRET]).seal(body, self.wall_ms + self.clock_ahead_ms), THERE
        )

    @property
    def id(self) -> bytes:
        return node_id(SWARM, self.key.public)

    @property
    def wall_ms(self) -> int:
        return int(self.loop.wall_clock() * 1000)

    async def meanwhile(self, coroutine: Any, seconds: float = 2.0) -> Any:
        result, _ = await asyncio.gather(coroutine, self.answer_for(seconds))
        return result


@pytest.fixture
def stage() -> Iterator[Stage]:
    with VirtualLoop() as loop:
        stage = Stage(loop)
        yield stage
        stage.run(stage.directory.close())


@pytest.fixture
def joined(stage: Stage) -> Stage:
    assert stage.run(stage.meanwhile(stage.directory.bootstrap([THERE]))) == 1
    return stage


@pytest.mark.parametrize("address", [("example.org", 7400), ("192.0.2.1", 0), ("0.0.0.0", 7400), ("224.0.0.1", 1)])
def test_joining_by_anything_but_a_numeric_address_is_the_caller_s_mistake(stage: Stage, address: Address) -> None:
    with pytest.raises(LocalError):
        stage.run(stage.directory.bootstrap([address]))


def test_what_cannot_be_announced_is_the_caller_s_mistake(stage: Stage) -> None:
    with pytest.raises(LocalError):
        stage.run(stage.directory.announce(announcement(fingerprint=b"short")))
    assert stage.directory.stats()["announced"] == 0


def test_joining_by_our_own_address_is_no_answer(stage: Stage) -> None:
    async def echo() -> None:
        for _ in range(100):
            for data, _ in stage.sent[:]:
                stage.directory.datagram_received(data, THERE)
            del stage.sent[:]
            await asyncio.sleep(0.01)

    async def story() -> int:
        answered, _ = await asyncio.gather(stage.directory.bootstrap([THERE]), echo())
        return int(answered)

    assert stage.run(story()) == 0


def test_joining_is_tried_again_with_growing_pauses(stage: Stage) -> None:
    assert stage.run(stage.directory.bootstrap([THERE])) == 0
    del stage.sent[:]
    stage.run(asyncio.sleep(300))
    assert 2 * 9 <= len(stage.sent) <= 2 * 16


def test_an_announcement_is_repeated_until_it_is_withdrawn(stage: Stage) -> None:
    stage.run(stage.directory.announce(announcement()))
    first = stage.run(stage.directory.find(PRODUCER))
    stage.run(asyncio.sleep(100))
    later = stage.run(stage.directory.find(PRODUCER))
    assert later.seq > first.seq
    assert later.issued_ms >= stage.wall_ms - 18_000
    stage.run(stage.directory.withdraw(PRODUCER))
    stage.run(asyncio.sleep(100))
    assert stage.directory.stats()["announced"] == stage.directory.stats()["leases"] == 0


def test_what_was_announced_alone_is_stored_soon_with_whoever_comes(stage: Stage) -> None:
    stage.run(stage.directory.announce(announcement()))
    stage.result = lambda method: pack_stored(Outcome.STORED, None) if method == "store" else pack_found([], [])
    stage.run(stage.meanwhile(stage.directory.bootstrap([THERE]), 2.0))
    assert "store" in stage.asked


def holds(joined: Stage, outcome: Outcome = Outcome.STORED) -> None:
    joined.result = lambda method: pack_stored(outcome, None) if method == "store" else pack_found([], [])
    joined.asked.clear()


def test_the_next_rounds_go_to_the_known_holders_without_a_lookup(joined: Stage) -> None:
    holds(joined)
    joined.run(joined.meanwhile(joined.directory.announce(announcement()), 0.5))
    assert sorted(joined.asked) == ["find_node", "store"]
    joined.run(joined.answer_for(46))
    assert joined.asked.count("find_node") == 1
    assert joined.asked.count("store") >= 3


def test_a_holder_that_does_not_acknowledge_makes_the_round_a_lookup(joined: Stage) -> None:
    holds(joined)
    joined.run(joined.meanwhile(joined.directory.announce(announcement()), 0.5))
    holds(joined, Outcome.REFUSED)
    joined.run(joined.answer_for(19))
    assert joined.asked.count("find_node") == joined.asked.count("store") == 1


def test_a_found_lease_is_believed_for_5_s(joined: Stage) -> None:
    there = lease(2, issued_ms=joined.wall_ms)
    joined.result = lambda method: pack_found([there.record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) == there
    joined.result = lambda method: pack_found([], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) == there
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER, fresh=True), 0.1)) is None
    joined.run(joined.answer_for(5))
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is None


def test_that_nothing_was_found_is_believed_for_a_second(joined: Stage) -> None:
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is None
    joined.result = lambda method: pack_found([lease(2, issued_ms=joined.wall_ms).record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is None
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER, fresh=True), 0.1)) is not None
    joined.directory._forget_location(producer_key(SWARM, PRODUCER))
    joined.result = lambda method: pack_found([], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is None
    joined.run(joined.answer_for(1.0))
    joined.result = lambda method: pack_found([lease(2, issued_ms=joined.wall_ms).record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is not None


def test_a_bound_lease_holds_while_the_node_lease_with_the_same_certificate_does(joined: Stage) -> None:
    bound = Lease.issue(joined.key, SWARM, announcement(), seq=1, issued_ms=joined.wall_ms, bound=True)
    own_id = node_lease_id(SWARM, joined.key.public)
    for fingerprint, good in ((bytes(32), False), (bound.fingerprint, True), (None, False)):
        node = [] if fingerprint is None else [
            lease(2, producer_id=own_id, fingerprint=fingerprint, issued_ms=joined.wall_ms, seq=joined.wall_ms).record
        ]  # fmt: skip
        joined.result = lambda method, node=node: pack_found([bound.record, *node], [])  # type: ignore[misc]
        found = joined.run(joined.meanwhile(joined.directory.find(PRODUCER, fresh=True), 0.3))
        assert (found == bound) is good
        joined.run(joined.answer_for(6.0))


def test_a_node_that_is_read_only_announces_and_finds_but_answers_nothing() -> None:
    with VirtualLoop() as loop:
        stage = Stage(loop, read_only=True)
        assert stage.run(stage.meanwhile(stage.directory.bootstrap([THERE]))) == 1
        del stage.sent[:]
        stage.say(build_request(b"12345678", stage.id, "find_node", bytes(20), 8))
        assert stage.sent == []
        stage.result = lambda method: pack_stored(Outcome.STORED, None) if method == "store" else pack_found([], [])
        assert stage.run(stage.meanwhile(stage.directory.announce(announcement()))) == 1
        stage.run(stage.directory.close())


def test_datagrams_under_the_former_swarm_key_are_still_understood() -> None:
    with VirtualLoop() as loop:
        stage = Stage(loop, swarm_key=b"n" * 32, swarm_key_other=SECRET)
        stage.say(build_request(b"12345678", stage.id, "find_node", bytes(20), 8))
        newer = Envelope(SWARM, [b"n" * 32])
        assert b"12345678" in [parse(newer.open(data, stage.wall_ms)).id for data, _ in stage.sent]
        stage.run(stage.directory.close())


def test_contacts_of_before_a_restart_are_another_way_in(stage: Stage) -> None:
    stage.directory.remember([KnownPeer(stage.key.public, THERE, 0)])
    assert stage.run(stage.meanwhile(stage.directory.bootstrap([("192.0.2.99", 7400)]), 3.0)) == 1
    (peer,) = stage.directory.peers
    assert (peer.public, peer.address) == (stage.key.public, THERE)
    assert abs(peer.last_good - loop_wall(stage)) <= 5


def loop_wall(stage: Stage) -> float:
    return stage.wall_ms / 1000


def test_a_lease_about_to_end_is_not_believed_for_longer_than_it_lasts(joined: Stage) -> None:
    there = lease(2, issued_ms=joined.wall_ms - 44_000)
    joined.result = lambda method: pack_found([there.record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) == there
    joined.run(joined.answer_for(1.0))
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) is None


def test_a_lease_stored_with_us_meanwhile_ends_the_belief(joined: Stage) -> None:
    old, new = (lease(2, seq=seq, issued_ms=joined.wall_ms) for seq in (1, 2))
    joined.result = lambda method: pack_found([old.record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) == old
    joined.say(build_request(b"12345678", joined.id, "store", new.record, 0))
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.1)) == new


@pytest.mark.parametrize("changed", [0, 100, -1])
def test_a_forged_lease_in_an_answer_is_not_believed(joined: Stage, changed: int) -> None:
    record = bytearray(lease(2, issued_ms=joined.wall_ms).record)
    record[changed] ^= 1
    joined.result = lambda method: pack_found([bytes(record)], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER))) is None
    assert joined.directory.stats()["records_invalid"] >= 1


def test_the_highest_of_the_valid_claims_is_found(joined: Stage) -> None:
    claims = [lease(owner, epoch=epoch, issued_ms=joined.wall_ms) for owner, epoch in ((2, 1), (3, 5), (4, 3))]
    joined.result = lambda method: pack_found([b"junk", *(claim.record for claim in claims)], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER))) == claims[1]


async def _silent(asked: Lease) -> bool:
    return False


def _own_id_claimed_by_two(joined: Stage) -> tuple[Lease, Lease]:
    """The claim of the node whose own the id is, and a later one of another node."""
    own = certified_id(SWARM, node_key(2).public, b"salt")
    first = lease(2, producer_id=own, epoch=1, issued_ms=joined.wall_ms)
    return first, lease(3, producer_id=own, epoch=5, issued_ms=joined.wall_ms)


def test_an_id_of_an_owner_s_own_is_not_taken_while_that_owner_says_it_has_it(joined: Stage) -> None:
    first, later = _own_id_claimed_by_two(joined)
    asked: list[Lease] = []

    async def confirms(claim: Lease) -> bool:
        asked.append(claim)
        return True

    joined.directory.confirms = confirms
    joined.result = lambda method: pack_found([later.record, first.record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(first.producer_id))) == first
    assert asked == [first]


def test_an_id_of_an_owner_s_own_goes_to_a_later_claim_once_that_owner_is_silent(joined: Stage) -> None:
    first, later = _own_id_claimed_by_two(joined)
    joined.directory.confirms = _silent
    joined.result = lambda method: pack_found([first.record, later.record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(first.producer_id))) == later
    assert joined.directory.stats()["owners_silent"] == 1


@pytest.mark.parametrize("alive", [True, False])
def test_who_took_the_id_of_another_s_own_yields_only_to_one_that_lives(joined: Stage, alive: bool) -> None:
    own = certified_id(SWARM, node_key(2).public, b"salt")
    first = lease(2, producer_id=own, epoch=1, issued_ms=joined.wall_ms)
    joined.result = lambda method: (
        pack_found([], []) if method == "find_node" else pack_stored(Outcome.STORED, first.record)
    )
    told: list[Lease] = []

    async def confirms(claim: Lease) -> bool:
        return alive

    joined.directory.confirms = confirms
    joined.directory.on_superseded = told.append
    joined.run(joined.meanwhile(joined.directory.announce(announcement(producer_id=own, epoch=5))))
    assert told == [first] * alive


def test_lookups_are_counted_and_timed(joined: Stage) -> None:
    old, new = (lease(2, seq=seq, issued_ms=joined.wall_ms) for seq in (1, 2))
    joined.result = lambda method: pack_found([old.record, new.record], [])
    before = joined.directory.stats()
    joined.run(joined.meanwhile(joined.directory.find(PRODUCER, fresh=True), 0.3))
    after = joined.directory.stats()
    grown = {name: after[name] - before.get(name, 0) for name in after if name.startswith(("lookup", "records"))}
    assert grown == {"lookups": 1, "lookups_found": 1, "lookup_queries": 1, "lookup_steps": 1, "records_stale": 1}
    assert joined.directory.lookup_seconds.count == after["lookups"]
    assert joined.directory.lookup_seconds.sum > 0


def test_what_is_known_already_is_no_lookup_but_counted(joined: Stage) -> None:
    joined.run(joined.meanwhile(joined.directory.find(PRODUCER), 0.3))
    joined.run(joined.directory.find(PRODUCER))
    stats = joined.directory.stats()
    assert (stats["lookups"], stats["lookups_in_vain"], stats["lookups_spared"]) == (1, 1, 1)


def test_a_producer_id_of_this_node_is_new_each_time_and_certifies_it(stage: Stage) -> None:
    public = node_key(1).public
    ids = {stage.directory.new_producer_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(certified(SWARM, each, public) for each in ids)
    assert node_lease_id(SWARM, public) not in ids


def test_the_clocks_of_others_are_compared_with_ours(joined: Stage) -> None:
    assert joined.directory.stats()["clock_skew_ms"] == 0
    joined.clock_ahead_ms = 4000
    joined.run(joined.meanwhile(joined.directory.find(PRODUCER, fresh=True), 0.3))
    assert joined.directory.stats()["clock_skew_ms"] == 4000


def test_a_withdrawn_producer_is_not_found_though_an_older_lease_is_still_about(joined: Stage) -> None:
    records = [
        lease(2, seq=2, tombstone=True, issued_ms=joined.wall_ms).record,
        lease(2, issued_ms=joined.wall_ms).record,
    ]
    joined.result = lambda method: pack_found(records, [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER))) is None


def test_our_own_lease_of_before_a_restart_is_not_found(joined: Stage) -> None:
    joined.result = lambda method: pack_found([lease(1, issued_ms=joined.wall_ms).record], [])
    assert joined.run(joined.meanwhile(joined.directory.find(PRODUCER))) is None


def test_an_owner_hears_of_a_higher_claim(joined: Stage) -> None:
    higher = lease(3, epoch=7, issued_ms=joined.wall_ms)
    joined.result = lambda method: (
        pack_found([], []) if method == "find_node" else pack_stored(Outcome.STORED, higher.record)
    )
    told = []
    joined.directory.on_superseded = told.append
    assert joined.run(joined.meanwhile(joined.directory.announce(announcement()))) == 1
    assert told == [higher]


def test_a_node_whose_clock_stepped_back_goes_above_its_earlier_lease(joined: Stage) -> None:
    earlier = lease(1, seq=2**50, issued_ms=joined.wall_ms)
    joined.result = lambda method: (
        pack_found([], []) if method == "find_node" else pack_stored(Outcome.OLDER, earlier.record)
    )
    assert joined.run(joined.meanwhile(joined.directory.announce(announcement()), 3.0)) == 0
    assert joined.run(joined.directory.find(PRODUCER)).seq > 2**50


def test_more_lookups_than_the_bound_are_answered_from_what_we_hold(
    joined: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dht.directory.lookups_max", 0)
    held = lease(2, issued_ms=joined.wall_ms)
    joined.say(build_request(b"12345678", joined.id, "store", held.record, 0))
    assert joined.run(joined.directory.find(PRODUCER)) == held
    assert joined.directory.stats()["lookups_refused"] == 1


def test_the_cache_is_bounded(joined: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.directory.locations_cached_max", 3)
    for number in range(10):
        joined.directory._remember(bytes([number]), lease(2, issued_ms=joined.wall_ms))
    assert len(joined.directory._found) == 3


def test_after_closing_nothing_is_sent_any_more(joined: Stage) -> None:
    joined.run(joined.directory.close())
    del joined.sent[:]
    joined.run(asyncio.sleep(300))
    assert joined.run(joined.directory.find(PRODUCER)) is None
    assert joined.sent == []


def test_a_producer_s_key_is_the_one_the_lease_is_stored_under() -> None:
    assert lease(2).key == producer_key(SWARM, PRODUCER)
