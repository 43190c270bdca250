"""One overlay alone, in virtual time; the test plays all the others and knows the swarm's key."""

import asyncio
import logging
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dht.envelope import Envelope, body_bytes_max
from dht.lease import Lease, producer_key
from dht.messages import (
    Answer,
    Method,
    Request,
    Retry,
    build_answer,
    build_request,
    build_retry,
    pack_found,
    pack_present,
    pack_stored,
    parse,
    parse_found,
    parse_present,
    parse_stored,
    parse_told,
)
from dht.overlay import QUARANTINE_SECONDS, Overlay
from dht.overlay_calls import answer_of
from dht.peer import Peer, pack_address
from dht.presence import prove
from dht.store import Outcome
from foundation.address import Address
from foundation.identity import NodeKey, node_id, swarm_id
from foundation.limits import asks_answered_max, checks_max, subnet_contacts_max
from tests.sim.virtual import EPOCH, VirtualLoop
from tests.unit.dht.samples import PRODUCER, SECRET, SWARM, lease, node_key

HERE = node_key(1)
THERE = node_key(2)
ADDRESS = ("192.0.2.2", 7400)
KEY = producer_key(SWARM, PRODUCER)
WALL = int(EPOCH * 1000)


NONCE = b"n" * 16
HERE_ADDRESS = ("192.0.2.1", 7400)
PING = (NONCE, pack_address(HERE_ADDRESS))


def id_of(key: NodeKey) -> bytes:
    return node_id(SWARM, key.public)


def present(ping: Request, key: NodeKey, address: Address, seen: Address = HERE_ADDRESS) -> bytes:
    """The true answer of a node at an address to a ping which the overlay sent it."""
    nonce, asked = ping.arguments
    assert asked == address
    signature = prove(key, nonce, id_of(HERE), id_of(key), asked, seen)
    return build_answer(ping.id, id_of(key), pack_present(seen, key.public, signature))


class Stage:
    """An overlay, and everything it sent."""

    def __init__(self, loop: VirtualLoop, secret: bytes | None = SECRET) -> None:
        self.loop = loop
        self.sent: list[tuple[bytes, Address]] = []
        self.keys = [secret] if secret else []
        self.envelope = Envelope(SWARM, self.keys)
        self.asked = 0
        self.overlay = Overlay(
            HERE,
            SWARM,
            lambda data, address: self.sent.append((data, address)),
            loop=loop,
            wall_clock=loop.wall_clock,
            rng=random.Random(1),
            swarm_keys=self.keys,
        )

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def seal(self, body: bytes) -> bytes:
        self.asked += 1
        self.pass_time(0.001)
        return self.envelope.seal(body, self.overlay.wall_ms())

    def receive(self, body: bytes, address: Address = ADDRESS) -> list[Request | Answer]:
        """Gives the overlay a sealed body; returns what it sent thereupon."""
        del self.sent[:]
        self.overlay.datagram_received(self.seal(body), address)
        return self.taken()

    def taken(self) -> list[Request | Answer]:
        """What was sent since the last look."""
        messages = [parse(Envelope(SWARM, self.keys).open(data, self.overlay.wall_ms())) for data, _ in self.sent]
        del self.sent[:]
        return messages

    def ask(self, method: Method, *arguments: Any, key: NodeKey = THERE, address: Address = ADDRESS) -> Any:
        """The result of a request, `None` when there was no answer."""
        message_id = self.asked.to_bytes(8, "big")
        said = self.receive(build_request(message_id, id_of(key), method, *(arguments or PING)), address)
        answers = [message for message in said if isinstance(message, Answer)]
        if not answers:
            return None
        (answer,) = answers
        assert (answer.id, answer.sender) == (message_id, id_of(HERE))
        return answer.result

    def store(self, offered: Lease, owner: int = 2) -> tuple[Outcome, bytes | None]:
        stored = parse_stored(self.ask("store", offered.record, 0, key=node_key(owner)))
        return stored.outcome, stored.newer

    def introduce(self, key: NodeKey, address: Address = ADDRESS) -> None:
        """A node asks, is asked back, answers, and is a contact."""
        said = self.receive(build_request(b"hello..." , id_of(key), "ping", *PING), address)  # fmt: skip
        (check,) = [message for message in said if isinstance(message, Request)]
        self.receive(present(check, key, address), address)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with VirtualLoop() as loop:
        stage = Stage(loop)
        yield stage
        stage.overlay.close()


def test_a_ping_is_answered_with_the_address_it_came_from(stage: Stage) -> None:
    assert parse_present(stage.ask("ping")).observed == ADDRESS


def test_a_stranger_is_asked_back_and_comes_in_by_its_answer(stage: Stage) -> None:
    stage.ask("ping", key=node_key(3))
    assert stage.overlay.contacts == 0
    stage.introduce(THERE)
    assert stage.overlay.nearest(KEY) == [Peer(id_of(THERE), ADDRESS)]


def test_a_stranger_that_never_answers_stays_out_and_leaves_nothing_behind(stage: Stage) -> None:
    for _ in range(10):
        stage.ask("ping")
    stage.pass_time(5)
    assert stage.overlay.contacts == stage.overlay.calls == len(stage.overlay._checking) == 0


def test_a_duplicate_request_is_answered_once(stage: Stage) -> None:
    datagram = stage.seal(build_request(b"12345678", id_of(THERE), "ping", *PING))
    for _ in range(3):
        stage.overlay.datagram_received(datagram, ADDRESS)
    assert [type(message) for message in stage.taken()].count(Answer) == 1


def test_a_retransmitted_request_is_answered_again(stage: Stage) -> None:
    body = build_request(b"12345678", id_of(THERE), "ping", *PING)
    assert any(isinstance(message, Answer) for message in stage.receive(body))
    assert any(isinstance(message, Answer) for message in stage.receive(body))


@pytest.mark.parametrize("method", ["ping", "find_node", "find_value", "store", "ask"])
def test_a_request_truncated_at_any_length_gets_no_answer(stage: Stage, method: Method) -> None:
    record = lease(2, issued_ms=WALL).record
    arguments = {"ping": PING, "find_node": (KEY, 8), "find_value": (KEY, 20), "store": (record, 8), "ask": (b"what?",)}
    body = build_request(b"12345678", id_of(THERE), method, *arguments[method])
    datagram = stage.seal(body)
    for length in range(len(datagram)):
        stage.overlay.datagram_received(datagram[:length], ADDRESS)
    for length in range(len(body)):
        stage.overlay.datagram_received(stage.seal(body[:length]), ADDRESS)
    assert stage.sent == []
    assert stage.ask(method, *arguments[method]) is not None


def test_an_ask_is_answered_with_what_its_reader_says(stage: Stage) -> None:
    heard = []
    stage.overlay.on_ask = lambda node, payload: heard.append((node, payload)) or b"that"  # type: ignore[func-returns-value]
    assert parse_told(stage.ask("ask", b"what?")) == b"that"
    assert heard == [(id_of(THERE), b"what?")]


def test_an_ask_that_nobody_reads_is_answered_with_nothing(stage: Stage) -> None:
    assert parse_told(stage.ask("ask", b"what?")) is None


def test_a_retransmitted_ask_is_read_once_and_answered_again(stage: Stage) -> None:
    counted = iter([b"first", b"second"])
    stage.overlay.on_ask = lambda node, payload: next(counted)
    body = build_request(b"12345678", id_of(THERE), "ask", b"what?")
    said = [answer.result for _ in range(2) for answer in stage.receive(body) if isinstance(answer, Answer)]
    assert [parse_told(result) for result in said] == [b"first", b"first"]


def test_only_so_many_answers_to_asks_are_kept(stage: Stage) -> None:
    for number in range(asks_answered_max + 10):
        stage.overlay.rpc_ask(ADDRESS, id_of(THERE), number.to_bytes(8, "big"), b"what?")
    assert len(stage.overlay._told) == asks_answered_max


def test_an_open_swarm_s_node_reads_an_ask_only_with_a_token() -> None:
    with VirtualLoop() as loop:
        stage = Stage(loop, None)
        stage.overlay.on_ask = lambda node, payload: b"that"
        body = build_request(b"12345678", id_of(THERE), "ask", b"what?")
        (retry,) = stage.receive(body)
        assert isinstance(retry, Retry)
        proved = build_request(b"12345678", id_of(THERE), "ask", b"what?", token=retry.token)
        answers = [said for said in stage.receive(proved) if isinstance(said, Answer)]
        assert [parse_told(answer.result) for answer in answers] == [b"that"]
        stage.overlay.close()


def test_a_forged_request_gets_no_answer(stage: Stage) -> None:
    body = build_request(b"12345678", id_of(THERE), "ping", *PING)
    for envelope in (Envelope(SWARM, [b"x" * 32]), Envelope(SWARM), Envelope(swarm_id("other", SECRET), [SECRET])):
        stage.overlay.datagram_received(envelope.seal(body, stage.overlay.wall_ms()), ADDRESS)
    assert stage.sent == []
    assert stage.overlay.counters["datagrams_dropped"] == 3
    assert stage.overlay.counters["datagrams_dropped_foreign"] == 3


def test_what_is_dropped_is_counted_by_its_reason(stage: Stage) -> None:
    good = stage.envelope.seal(build_request(b"12345678", id_of(THERE), "ping", *PING), stage.overlay.wall_ms())
    own = stage.envelope.seal(build_request(b"12345678", stage.overlay.id, "ping", *PING), stage.overlay.wall_ms())
    junk = stage.envelope.seal(b"junk", stage.overlay.wall_ms())
    unasked = stage.envelope.seal(build_answer(b"12345678", id_of(THERE), None), stage.overlay.wall_ms())
    forged = good[:-1] + bytes([good[-1] ^ 1])
    for datagram in (good, good, forged, good[:29], b"\xd5\2" + good[2:], junk, own, unasked):
        stage.overlay.datagram_received(datagram, ADDRESS)
    prefix = "datagrams_dropped_"
    counted = {name: count for name, count in stage.overlay.counters.items() if name.startswith(prefix)}
    reasons = ("forged", "malformed", "own", "replayed", "size", "unasked", "version")
    assert counted == {prefix + reason: 1 for reason in reasons}


def test_an_oversized_datagram_gets_no_answer(stage: Stage) -> None:
    stage.overlay.datagram_received(
        stage.seal(build_request(b"12345678", id_of(THERE), "ping", *PING)) + bytes(1300), ADDRESS
    )
    assert stage.receive(msgpack.packb([0, b"12345678", id_of(THERE), b"", 3, [bytes(1000), 0]])) == []


def test_a_wrong_clock_is_told_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for offset in (-31_000, 31_000, 10**7):
        body = build_request(b"12345678", id_of(THERE), "ping", *PING)
        stage.overlay.datagram_received(stage.envelope.seal(body, WALL + offset), ADDRESS)
    assert stage.sent == []
    assert stage.overlay.counters["datagrams_skewed"] == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("address", [("192.0.2.2", 0), ("224.0.0.1", 5), ("0.0.0.0", 5), ("::", 5)])
def test_a_datagram_from_where_one_cannot_answer_is_dropped(stage: Stage, address: Address) -> None:
    assert stage.ask("ping", address=address) is None


def test_our_own_datagrams_are_dropped(stage: Stage) -> None:
    assert stage.ask("ping", key=HERE) is None


@given(
    kind=st.sampled_from([0, 1, 2, None]),
    method=st.sampled_from([0, 1, 2, 3, 4, -1, "ping", "__init__", None]),
    arguments=st.lists(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=30) | st.binary(min_size=20, max_size=20),
        max_size=3,
    ),
)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_members_say_nothing_raises(stage: Stage, kind: Any, method: Any, arguments: list[Any]) -> None:
    body = msgpack.packb([kind, b"12345678", id_of(THERE), b"", method, arguments])
    stage.receive(body[:body_bytes_max])


def test_contacts_are_named_to_whoever_asks_but_not_the_asker_itself(stage: Stage) -> None:
    others = {number: ("192.0.2.9", number) for number in range(3, 9)}
    for number, address in others.items():
        stage.introduce(node_key(number), address)
    stage.introduce(THERE)
    named = parse_found(stage.ask("find_node", KEY, 20)).peers
    assert set(named) == {Peer(id_of(node_key(number)), address) for number, address in others.items()}


def test_loopback_contacts_are_named_on_the_same_machine_alone(stage: Stage) -> None:
    stage.introduce(node_key(3), ("127.0.0.1", 7403))
    assert parse_found(stage.ask("find_node", KEY, 20)).peers == ()
    assert len(parse_found(stage.ask("find_node", KEY, 20, address=("127.0.0.1", 7404))).peers) == 1


def test_a_lease_is_stored_and_found(stage: Stage) -> None:
    offered = lease(2, issued_ms=WALL)
    assert stage.store(offered) == (Outcome.STORED, None)
    assert parse_found(stage.ask("find_value", KEY, 20)).records == (offered.record,)
    assert parse_found(stage.ask("find_node", KEY, 20)).records == ()


def test_a_duplicate_lease_is_acknowledged(stage: Stage) -> None:
    stage.store(lease(2, issued_ms=WALL))
    assert stage.store(lease(2, issued_ms=WALL)) == (Outcome.EQUAL, None)


def test_a_stale_lease_is_answered_with_the_newer_one(stage: Stage) -> None:
    newer = lease(2, seq=2, issued_ms=WALL)
    stage.store(newer)
    assert stage.store(lease(2, seq=1, issued_ms=WALL)) == (Outcome.OLDER, newer.record)


def test_a_lower_claim_of_another_owner_is_kept_and_answered_with_the_higher(stage: Stage) -> None:
    higher, lower = lease(2, epoch=2, issued_ms=WALL), lease(3, epoch=1, issued_ms=WALL)
    stage.store(higher)
    assert stage.store(lower, owner=3) == (Outcome.STORED, higher.record)
    assert parse_found(stage.ask("find_value", KEY, 20)).records == (higher.record, lower.record)


@pytest.mark.parametrize("first", [0, 1])
def test_of_conflicting_leases_one_wins_in_either_order(stage: Stage, first: int) -> None:
    pair = [lease(2, url="http://a", issued_ms=WALL), lease(2, url="http://b", issued_ms=WALL)]
    stage.store(pair[first])
    stage.store(pair[1 - first])
    assert parse_found(stage.ask("find_value", KEY, 20)).records == (max(pair, key=lambda each: each.rank).record,)


@pytest.mark.parametrize(
    "record",
    [
        bytes(64),
        bytes(512),
        lease(2, issued_ms=WALL).record[:-1],
        lease(2, issued_ms=WALL).record[:-1] + b"\0",
        lease(2, issued_ms=WALL - 45_000).record,
        lease(2, issued_ms=WALL + 10_000).record,
    ],
)
def test_a_lease_not_to_be_believed_is_refused(stage: Stage, record: bytes) -> None:
    assert parse_stored(stage.ask("store", record, 0)).outcome is Outcome.REFUSED
    assert parse_found(stage.ask("find_value", KEY, 20)).records == ()


def test_a_lease_is_no_longer_told_once_it_is_over(stage: Stage) -> None:
    stage.store(lease(2, issued_ms=WALL))
    stage.pass_time(44)
    assert parse_found(stage.ask("find_value", KEY, 20)).records
    stage.pass_time(1)
    assert not parse_found(stage.ask("find_value", KEY, 20)).records


def test_a_lease_far_from_us_is_refused(stage: Stage) -> None:
    target = int.from_bytes(KEY, "big")
    nearer = [key for key in map(node_key, range(100, 400)) if (int.from_bytes(id_of(key), "big") ^ target) < (
        int.from_bytes(stage.overlay.id, "big") ^ target)]  # fmt: skip
    offered = lease(2, issued_ms=WALL)
    for number, key in enumerate(nearer[:20]):
        assert stage.store(offered)[0] in (Outcome.STORED, Outcome.EQUAL)
        stage.introduce(key, ("192.0.2.3", number + 1))
    if len(nearer) >= 20:
        assert stage.store(lease(2, seq=2, issued_ms=WALL))[0] is Outcome.REFUSED


def call_and_take(stage: Stage, method: Method = "ping") -> tuple[asyncio.Future[Any], Request]:
    peer = Peer(id_of(THERE), ADDRESS)
    overlay = stage.overlay
    call = overlay.ping(ADDRESS, peer.id) if method == "ping" else overlay.find(peer, KEY, method == "find_value", 20)
    (request,) = stage.taken()
    assert isinstance(request, Request)
    return call, request


def test_an_answer_ends_its_call(stage: Stage) -> None:
    call, request = call_and_take(stage)
    stage.receive(present(request, THERE, ADDRESS, ("192.0.2.1", 7)))
    assert answer_of(call).observed == ("192.0.2.1", 7)
    assert stage.overlay.observed == ("192.0.2.1", 7)
    assert stage.overlay.calls == 0


def test_a_request_is_sent_twice_and_then_given_up(stage: Stage) -> None:
    call, request = call_and_take(stage)
    stage.pass_time(10)
    assert stage.taken() == [request]
    assert call.result() == (False, None)
    assert stage.overlay.calls == 0


@pytest.mark.parametrize("copies", [1, 2])
def test_a_store_is_sent_as_often_as_it_is_asked_for_and_counts_once(stage: Stage, copies: int) -> None:
    record = lease(1, issued_ms=WALL).record
    call = stage.overlay.store(Peer(id_of(THERE), ADDRESS), record, twice=copies == 2)
    stage.pass_time(0.05)
    said = stage.taken()
    assert len(said) == copies
    for request in said:
        stage.receive(build_answer(request.id, id_of(THERE), pack_stored(Outcome.STORED, None)))
    assert answer_of(call).outcome is Outcome.STORED
    assert stage.overlay.counters["calls"] == 1 + stage.overlay.counters["requests_ping"] + len(stage.overlay._checking)


def test_an_answer_to_the_second_try_counts(stage: Stage) -> None:
    call, request = call_and_take(stage)
    stage.pass_time(0.3)
    stage.receive(present(request, THERE, ADDRESS, ("192.0.2.1", 7)))
    assert answer_of(call).observed == ("192.0.2.1", 7)


def test_a_duplicate_and_a_late_answer_change_nothing(stage: Stage) -> None:
    call, request = call_and_take(stage)
    answer = present(request, THERE, ADDRESS, ("192.0.2.1", 7))
    for _ in range(3):
        stage.receive(answer)
    assert answer_of(call).observed == ("192.0.2.1", 7)
    late, other = call_and_take(stage)
    stage.pass_time(10)
    stage.receive(present(other, THERE, ADDRESS))
    assert answer_of(late) is None


def test_an_answer_from_another_address_is_dropped(stage: Stage) -> None:
    call, request = call_and_take(stage)
    stage.receive(present(request, THERE, ADDRESS), ("192.0.2.66", 7400))
    assert not call.done()


def test_an_answer_nobody_asked_for_is_dropped(stage: Stage) -> None:
    stage.receive(build_answer(b"12345678", id_of(THERE), pack_found([], [])))
    assert stage.overlay.contacts == 0
    assert stage.overlay.counters["datagrams_dropped"] == 1


def test_an_answer_of_another_node_at_the_address_ends_the_call_without_one(stage: Stage) -> None:
    call, request = call_and_take(stage)
    said = stage.receive(present(request, node_key(3), ADDRESS))
    assert answer_of(call) is None
    (check,) = [message for message in said if isinstance(message, Request)]
    stage.receive(present(check, node_key(3), ADDRESS))
    assert stage.overlay.nearest(KEY) == [Peer(id_of(node_key(3)), ADDRESS)]


def test_a_lease_is_stored_by_its_owner_alone(stage: Stage) -> None:
    assert stage.store(lease(2, issued_ms=WALL), owner=3) == (Outcome.REFUSED, None)


def test_a_node_that_shows_another_s_id_does_not_come_in(stage: Stage) -> None:
    """It has the swarm's key, but not that of the id: it can neither answer the ping nor use another's answer."""
    said = stage.receive(build_request(b"12345678", id_of(THERE), "ping", *PING))
    (check,) = [message for message in said if isinstance(message, Request)]
    nonce, asked = check.arguments
    impostor = node_key(9)
    for public, signature in (
        (THERE.public, prove(impostor, nonce, id_of(HERE), id_of(THERE), asked, HERE_ADDRESS)),
        (impostor.public, prove(impostor, nonce, id_of(HERE), id_of(THERE), asked, HERE_ADDRESS)),
        (THERE.public, prove(THERE, b"o" * 16, id_of(HERE), id_of(THERE), asked, HERE_ADDRESS)),
        (THERE.public, prove(THERE, nonce, id_of(impostor), id_of(THERE), asked, HERE_ADDRESS)),
        (THERE.public, prove(THERE, nonce, id_of(HERE), id_of(THERE), ("192.0.2.66", 1), HERE_ADDRESS)),
    ):
        stage.overlay.ping(ADDRESS, id_of(THERE))
        latest = stage.taken()[-1]
        assert isinstance(latest, Request)
        stage.receive(build_answer(latest.id, id_of(THERE), pack_present(HERE_ADDRESS, public, signature)))
        stage.receive(build_answer(check.id, id_of(THERE), pack_present(HERE_ADDRESS, public, signature)))
    assert stage.overlay.contacts == 0
    stage.introduce(THERE)
    assert stage.overlay.contacts == 1


def test_whom_the_table_has_no_room_for_is_not_asked_back(stage: Stage) -> None:
    far = [key for key in map(node_key, range(10, 1200)) if (id_of(key)[0] ^ stage.overlay.id[0]) >> 7]
    for number, key in enumerate(far):
        said = stage.receive(build_request(b"12345678", id_of(key), "ping", *PING), ("192.0.2.9", number + 1))
        for check in (message for message in said if isinstance(message, Request)):
            stage.receive(present(check, key, ("192.0.2.9", number + 1)), ("192.0.2.9", number + 1))
    counts = stage.overlay.counters
    assert counts["calls"] == stage.overlay.contacts < len(far)


@pytest.mark.parametrize(
    "result", [None, [], {"value": b"x"}, [[], [[b"short", b"\x7f\0\0\1", 5]]], [[b"x" * 513], []]]
)
def test_a_malformed_answer_ends_the_call_without_one(stage: Stage, result: Any) -> None:
    call, request = call_and_take(stage, "find_value")
    stage.receive(build_answer(request.id, id_of(THERE), result))
    assert call.result() == (False, None)
    assert stage.overlay.calls == len(stage.overlay._checking) == 0


@given(result=st.recursive(st.none() | st.integers(0, 2**64 - 1) | st.binary() | st.text(), st.lists, max_leaves=6))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_answered_nothing_raises_and_the_call_ends(stage: Stage, result: Any) -> None:
    call = stage.overlay.find(Peer(id_of(THERE), ADDRESS), KEY, True, 20)
    request = stage.taken()[-1]
    stage.receive(build_answer(request.id, id_of(THERE), result))
    assert call.done()
    assert stage.overlay.calls == len(stage.overlay._checking)


def test_a_cancelled_call_leaves_nothing_behind(stage: Stage) -> None:
    call, request = call_and_take(stage)
    call.cancel()
    stage.receive(present(request, THERE, ADDRESS))
    assert stage.overlay.calls == 0
    stage.pass_time(5)
    assert stage.taken() == []


def test_calls_beyond_the_bound_end_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.overlay_calls.calls_outstanding_max", 3)
    calls = [stage.overlay.ping(("192.0.2.5", port)) for port in range(1, 6)]
    assert [call.done() for call in calls] == [False, False, False, True, True]
    assert stage.overlay.counters["calls_refused"] == 2


def test_closing_ends_every_call_and_hears_nothing_more(stage: Stage) -> None:
    call, _request = call_and_take(stage)
    stage.overlay.close()
    assert call.result() == (False, None)
    assert stage.ask("ping") is None
    assert stage.overlay.ping(ADDRESS).result() == (False, None)


def test_a_send_that_fails_is_a_call_without_an_answer(stage: Stage) -> None:
    def refuse(data: bytes, address: Address) -> None:
        raise OSError("unreachable")

    stage.overlay._send = refuse
    call = stage.overlay.ping(ADDRESS)
    stage.pass_time(5)
    assert call.result() == (False, None)


def test_one_lost_call_does_not_end_a_contact(stage: Stage) -> None:
    stage.introduce(THERE)
    stage.overlay.ping(ADDRESS, id_of(THERE))
    stage.pass_time(0.55)
    assert stage.overlay.contacts == 1
    check = stage.taken()[-1]
    stage.receive(present(check, THERE, ADDRESS))
    stage.pass_time(5)
    assert stage.overlay.contacts == 1


def test_a_contact_in_doubt_is_neither_asked_nor_named_when_there_are_others(stage: Stage) -> None:
    for number in range(3, 12):
        stage.introduce(node_key(number), ("192.0.2.9", number))
    doubted = id_of(node_key(5))
    stage.overlay.ping(("192.0.2.9", 5), doubted)
    stage.pass_time(0.55)
    assert stage.overlay.contacts == 9
    assert doubted not in {peer.id for peer in stage.overlay.nearest(KEY)}
    assert doubted not in {peer.id for peer in parse_found(stage.ask("find_node", KEY, 20)).peers}


def test_two_lost_calls_end_a_contact_and_its_address_is_remembered(stage: Stage) -> None:
    stage.introduce(THERE)
    stage.overlay.ping(ADDRESS, id_of(THERE))
    stage.pass_time(5)
    assert stage.overlay.contacts == 0
    assert list(stage.overlay.lost) == [ADDRESS]


def test_calls_lost_in_the_same_pause_are_one_strike(stage: Stage) -> None:
    stage.introduce(THERE)
    for _ in range(5):
        stage.overlay.ping(ADDRESS, id_of(THERE))
    stage.pass_time(0.55)
    assert stage.overlay.contacts == 1


def test_a_lost_node_is_not_worth_asking_for_a_while_though_others_name_it(stage: Stage) -> None:
    stage.introduce(node_key(3), ("192.0.2.3", 7400))
    stage.introduce(THERE)
    stage.overlay.ping(("192.0.2.3", 7400), id_of(node_key(3)))
    stage.pass_time(3)
    gossip = pack_found([], [Peer(id_of(node_key(3)), ("192.0.2.3", 7400)), Peer(id_of(node_key(4)), ("192.0.2.4", 1))])
    for pause, expected in ((0, 1), (QUARANTINE_SECONDS, 2)):
        stage.pass_time(pause)
        stage.taken()
        call = stage.overlay.find(Peer(id_of(THERE), ADDRESS), KEY, False, 20)
        stage.receive(build_answer(stage.taken()[-1].id, id_of(THERE), gossip))
        assert len(answer_of(call).peers) == expected


def test_a_lost_node_that_speaks_again_is_a_contact_again(stage: Stage) -> None:
    stage.introduce(node_key(3), ("192.0.2.3", 7400))
    stage.introduce(THERE)
    stage.overlay.ping(ADDRESS, id_of(THERE))
    stage.pass_time(3)
    assert stage.overlay.contacts == 1
    stage.introduce(THERE)
    assert stage.overlay.contacts == 2
    assert not stage.overlay._quarantine


def test_a_contact_keeps_its_address_for_as_long_as_it_answers_there(stage: Stage) -> None:
    stage.introduce(THERE)
    said = stage.receive(build_request(b"12345678", id_of(THERE), "ping", *PING), ("192.0.2.66", 1))
    assert stage.overlay.nearest(KEY) == [Peer(id_of(THERE), ADDRESS)]
    (check,) = [message for message in said if isinstance(message, Request)]
    stage.receive(present(check, THERE, ADDRESS))
    assert stage.overlay.nearest(KEY) == [Peer(id_of(THERE), ADDRESS)]


def test_a_contact_which_moved_is_found_at_its_new_address_once_the_old_is_silent(stage: Stage) -> None:
    stage.introduce(THERE)
    stage.ask("ping", address=("192.0.2.66", 1))
    stage.pass_time(5)
    stage.introduce(THERE, ("192.0.2.66", 1))
    assert stage.overlay.nearest(KEY) == [Peer(id_of(THERE), ("192.0.2.66", 1))]


def test_contacts_of_an_ip_version_that_we_have_not_are_left_out(stage: Stage) -> None:
    stage.overlay.ip_versions = (4,)
    call, request = call_and_take(stage, "find_node")
    peers = [Peer(id_of(node_key(3)), ("2001:db8::1", 22)), Peer(id_of(node_key(4)), ("192.0.2.4", 1))]
    stage.receive(build_answer(request.id, id_of(THERE), pack_found([], peers)))
    assert answer_of(call).peers == (peers[1],)


def test_a_mapped_source_address_is_the_ipv4_address(stage: Stage) -> None:
    assert parse_present(stage.ask("ping", address=("::ffff:192.0.2.2", 7400))).observed == ADDRESS


def test_contacts_of_both_ip_versions_are_named_together(stage: Stage) -> None:
    stage.introduce(node_key(3), ("2001:db8::3", 7400))
    stage.introduce(node_key(4), ("192.0.2.4", 7400))
    named = {peer.address for peer in parse_found(stage.ask("find_node", KEY, 20)).peers}
    assert named == {("2001:db8::3", 7400), ("192.0.2.4", 7400)}


def test_loopback_contacts_named_from_afar_are_left_out(stage: Stage) -> None:
    call, request = call_and_take(stage, "find_node")
    peers = [Peer(id_of(node_key(3)), ("127.0.0.1", 22)), Peer(id_of(node_key(4)), ("192.0.2.4", 1))]
    stage.receive(build_answer(request.id, id_of(THERE), pack_found([], peers)))
    assert answer_of(call).peers == (peers[1],)


def test_a_pause_of_our_own_loop_is_nobody_s_fault(stage: Stage) -> None:
    stage.introduce(THERE)
    call, request = call_and_take(stage)
    stage.pass_time(0.2)
    stage.taken()
    stage.loop.advance(3.0)
    stage.pass_time(0.01)
    assert not call.done()
    stage.receive(present(request, THERE, ADDRESS))
    assert answer_of(call) is not None


def test_stale_contacts_are_asked_whether_they_are_there(stage: Stage) -> None:
    stage.introduce(THERE)
    stage.overlay.check_stale()
    assert stage.taken() == []
    stage.pass_time(61)
    stage.overlay.check_stale()
    assert [message.method for message in stage.taken() if isinstance(message, Request)] == ["ping"]


def test_our_address_is_the_one_most_others_see(stage: Stage) -> None:
    for number in range(2, 7):
        call = stage.overlay.ping(("192.0.2.9", number))
        seen = ("192.0.2.1", 7400) if number != 3 else ("192.0.2.1", 1)
        request = stage.taken()[-1]
        stage.receive(present(request, node_key(number), ("192.0.2.9", number), seen), ("192.0.2.9", number))
        assert answer_of(call).observed == seen
    assert stage.overlay.observed == ("192.0.2.1", 7400)


def test_a_storm_of_junk_leaves_nothing_behind(stage: Stage) -> None:
    rng = random.Random(1)
    for number in range(20_000):
        data = rng.randbytes(rng.randrange(200))
        if number % 3 == 0:
            data = b"\xd5\x01" + data
        elif number % 3 == 1:
            data = stage.envelope.seal(data, stage.overlay.wall_ms())
        stage.overlay.datagram_received(data, (f"198.51.100.{number % 250}", number % 65535))
    assert stage.sent == []
    assert (stage.overlay.contacts, stage.overlay.calls, len(stage.overlay.storage)) == (0, 0, 0)
    assert stage.ask("ping") is not None


def test_a_misspelt_name_is_an_error_and_no_rpc(stage: Stage) -> None:
    with pytest.raises(AttributeError):
        stage.overlay.pnig(ADDRESS)


def test_the_packages_do_not_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        stage.introduce(THERE)
        stage.ask("find_node", KEY, 20)
        stage.overlay.ping(ADDRESS, id_of(THERE))
        stage.pass_time(10)
    assert [record for record in caplog.records if record.name.startswith(("kademlia", "rpcudp"))] == []


def test_nothing_but_the_overlay_imports_the_packages() -> None:
    root = Path(__file__).parents[3]
    sources = [path for package in ("cli.py", "foundation", "media", "dht", "swarm") for path in [*root.glob(package)]]
    files = [file for source in sources for file in ([source] if source.is_file() else source.rglob("*.py"))]
    importing = {
        file.name for file in files if re.search(r"^\s*(from|import) (kademlia|rpcudp)", file.read_text(), re.M)
    }
    assert importing == {"overlay.py", "overlay_calls.py", "overlay_table.py"}
    assert not any("pickle" in file.read_text() for file in (root / "dht").glob("*.py"))


@pytest.fixture
def open_stage() -> Iterator[Stage]:
    with VirtualLoop() as loop:
        stage = Stage(loop, secret=None)
        yield stage
        stage.overlay.close()


QUESTIONS: list[tuple[Method, tuple[Any, ...]]] = [
    ("ping", PING),
    ("find_node", (KEY, 20)),
    ("find_value", (KEY, 20)),
    ("store", (bytes(64), 8)),
    ("store", (lease(2, issued_ms=WALL).record, 8)),
]


@pytest.mark.parametrize(("method", "arguments"), QUESTIONS)
def test_in_an_open_swarm_an_address_gets_no_more_than_it_sent_before_it_is_proved(
    open_stage: Stage, method: Method, arguments: tuple[Any, ...]
) -> None:
    question = open_stage.seal(build_request(b"12345678", id_of(THERE), method, *arguments))
    open_stage.overlay.datagram_received(question, ADDRESS)
    ((answer, to),) = open_stage.sent
    assert to == ADDRESS
    assert len(answer) <= len(question)
    (retry,) = open_stage.taken()
    assert isinstance(retry, Retry)
    assert len(open_stage.overlay.storage) == open_stage.overlay.calls == 0
    again = build_request(b"12345678", id_of(THERE), method, *arguments, token=retry.token)
    assert any(isinstance(said, Answer) for said in open_stage.receive(again))
    assert all(isinstance(said, Retry) for said in open_stage.receive(again, ("192.0.2.77", 7400)))


def test_in_an_open_swarm_a_call_is_repeated_with_the_token_it_is_given(open_stage: Stage) -> None:
    call, request = call_and_take(open_stage)
    (again,) = open_stage.receive(build_retry(request.id, id_of(THERE), b"a token!"))
    assert isinstance(again, Request)
    assert (again.token, again.arguments) == (b"a token!", request.arguments)
    assert open_stage.receive(build_retry(request.id, id_of(THERE), b"another!")) == []
    open_stage.receive(present(again, THERE, ADDRESS))
    assert answer_of(call) is not None
    _, later = call_and_take(open_stage)
    assert later.token == b"a token!"


@pytest.mark.parametrize("address", [("192.0.2.66", 7400), ("192.0.2.2", 1)])
def test_a_retry_from_elsewhere_or_for_nothing_is_dropped(open_stage: Stage, address: Address) -> None:
    _, request = call_and_take(open_stage)
    assert open_stage.receive(build_retry(request.id, id_of(THERE), b"a token!"), address) == []
    assert open_stage.receive(build_retry(b"87654321", id_of(THERE), b"a token!")) == []


def test_of_one_public_subnet_only_a_few_come_into_the_table(stage: Stage) -> None:
    for number in range(40):
        key, address = node_key(100 + number), (f"8.8.8.{number + 1}", 7400)
        said = stage.receive(build_request(b"12345678", id_of(key), "ping", *PING), address)
        for check in (message for message in said if isinstance(message, Request)):
            stage.receive(present(check, key, address), address)
    assert stage.overlay.contacts == subnet_contacts_max
    stage.introduce(THERE, ("8.8.9.1", 7400))
    assert stage.overlay.contacts == subnet_contacts_max + 1


def test_a_flood_of_strangers_leaves_a_bounded_number_of_questions(stage: Stage) -> None:
    rng = random.Random(1)
    envelope = Envelope(SWARM, [SECRET])
    for number in range(20_000):
        body = build_request(rng.randbytes(8), rng.randbytes(20), "find_node", KEY, 8)
        address = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 7400)
        stage.overlay.datagram_received(envelope.seal(body, stage.overlay.wall_ms()), address)
    assert stage.overlay.contacts == 0
    assert stage.overlay.calls == len(stage.overlay._checking) <= checks_max
    stage.pass_time(5)
    assert stage.overlay.calls == len(stage.overlay._checking) == 0
    stage.introduce(THERE)
    assert stage.overlay.contacts == 1


def test_a_flood_of_valid_leases_of_ever_new_owners_fills_the_store_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dht.store.leases_max", 50)
    for owner in range(3, 200):
        stage.ask("store", lease(owner, issued_ms=WALL, producer_id=UUID(int=owner)).record, 0, key=node_key(owner))
    assert len(stage.overlay.storage) == 50
    assert stage.overlay.counters["stores_refused"] == 147
