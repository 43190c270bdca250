import contextlib
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.lease import Lease, check, decode, doubtful, producer_key, standing, validate, without_precedence
from dht.producer_ids import certified_id, node_lease_id
from foundation.errors import LocalError, RemoteError
from foundation.identity import node_id, swarm_id
from tests.unit.dht.samples import PRODUCER, SWARM, WALL_MS, announcement, lease, node_key

KEY = producer_key(SWARM, PRODUCER)
FULL = lease(addresses=tuple((f"2001:db8:1111:2222:3333:4444:5555:{n}", 65535) for n in range(6660, 6664)),
             url="https://" + "x" * 192, epoch=2**63 - 1, seq=2**63 - 1)  # fmt: skip


def body_of(record: bytes) -> list[Any]:
    body = msgpack.unpackb(msgpack.unpackb(record)[0])
    assert isinstance(body, list)
    return body


def signed(body: Any, owner: int = 1) -> bytes:
    raw = msgpack.packb(body)
    packed = msgpack.packb([raw, node_key(owner).sign(b"swarmd lease", raw)])
    assert isinstance(packed, bytes)
    return packed


def test_a_lease_survives_the_wire() -> None:
    issued = lease()
    assert decode(issued.record) == issued
    assert validate(issued.record, SWARM, KEY, WALL_MS) == issued
    assert issued.addresses == announcement().addresses
    assert issued.owner_id == node_id(SWARM, node_key(1).public)


def test_the_largest_lease_fits_its_512_bytes() -> None:
    assert 490 <= len(FULL.record) <= 512
    assert decode(FULL.record) == FULL


def test_a_tombstone_says_nothing_but_that() -> None:
    tombstone = lease(tombstone=True)
    assert decode(tombstone.record) == tombstone
    assert (tombstone.addresses, tombstone.fingerprint, tombstone.url) == ((), b"", "")


@pytest.mark.parametrize("length", range(len(lease().record)))
def test_a_truncated_lease_is_refused(length: int) -> None:
    with pytest.raises(RemoteError):
        decode(lease().record[:length])


@pytest.mark.parametrize("trailing", [b"\0", b"\xc0", bytes(600)])
def test_trailing_bytes_are_refused(trailing: bytes) -> None:
    with pytest.raises(RemoteError):
        decode(lease().record + trailing)


def test_a_lease_with_any_byte_changed_is_refused() -> None:
    record = lease().record
    for index in range(len(record)):
        with pytest.raises(RemoteError):
            decode(record[:index] + bytes([record[index] ^ 1]) + record[index + 1 :])


def test_a_lease_signed_by_another_is_refused() -> None:
    with pytest.raises(RemoteError, match="signature"):
        decode(signed(body_of(lease(1).record), owner=2))


@pytest.mark.parametrize("owner", [1, 2])
def test_a_lease_of_more_than_512_bytes_is_refused_whoever_signed_it(owner: int) -> None:
    body = body_of(lease(owner).record)
    body[11] = "http://" + "a" * 300
    with pytest.raises(RemoteError):
        decode(signed(body, owner))


@pytest.mark.parametrize(
    ("item", "value"),
    [
        *[(0, value) for value in (0, 2, None, True, "1", b"\1")],
        *[(1, value) for value in (b"", bytes(15), bytes(17), "x" * 16, None)],
        *[(2, value) for value in (b"", bytes(15), bytes(17), "x" * 16, None)],
        *[(3, value) for value in (b"", bytes(31), bytes(33), bytes(32), None)],
        *[(number, value) for number in (4, 5, 6) for value in (-1, 2**63, 1.0, None, True, "1")],
        *[(7, value) for value in (0, -1, 61, 2**40, 45.0, None, True)],
        *[(8, value) for value in (-1, 1, 3, 4, 255, None, False)],
        *[(9, value) for value in ([], None, {}, b"", [[b"\x7f\0\0\1", 0]], [[b"\x7f\0\0\1", 5]] * 5, ["127.0.0.1:5"])],
        *[(10, value) for value in (b"", bytes(31), bytes(33), None, "x" * 32)],
        *[(11, value) for value in ("ftp://x", "http://", "http://a b", "http://a\r\nX: y", "http://u@h", None, b"http://x",
                                    "http://x/?q", "//x", "http://" + "x" * 194)],
    ],
)  # fmt: skip
def test_a_field_out_of_its_bounds_is_refused_though_signed(item: int, value: Any) -> None:
    body = body_of(lease().record)
    body[item] = value
    with pytest.raises(RemoteError):
        decode(signed(body))


@pytest.mark.parametrize(("flags", "ttl", "good"), [(0, 60, True), (0, 61, False), (2, 600, True), (2, 601, False)])
def test_a_bound_lease_may_last_ten_minutes_and_no_other_more_than_one(flags: int, ttl: int, good: bool) -> None:
    body = body_of(lease().record)
    body[7], body[8] = ttl, flags
    with contextlib.nullcontext() if good else pytest.raises(RemoteError):
        assert decode(signed(body)).bound == bool(flags)


@pytest.mark.parametrize(
    "body", [None, 5, [], [1], {}, "x", [*body_of(lease().record), 0], body_of(lease().record)[:-1]]
)
def test_a_body_of_another_shape_is_refused_though_signed(body: Any) -> None:
    with pytest.raises(RemoteError):
        decode(signed(body))


@given(st.binary(max_size=600))
@settings(deadline=None, max_examples=200)
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        decode(data)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(), st.lists))
@settings(deadline=None, max_examples=200)
def test_any_other_msgpack_is_refused(value: Any) -> None:
    with pytest.raises(RemoteError):
        decode(msgpack.packb([value, bytes(64)]))


@pytest.mark.parametrize("record", [None, "x", 5, [], bytearray(b"x")])
def test_what_is_not_bytes_is_refused(record: Any) -> None:
    with pytest.raises(RemoteError):
        validate(record, SWARM, KEY, WALL_MS)


def test_a_lease_of_another_swarm_is_refused() -> None:
    other = swarm_id("other")
    with pytest.raises(RemoteError, match="another swarm"):
        validate(lease().record, other, producer_key(other, PRODUCER), WALL_MS)


def test_a_lease_under_another_key_is_refused() -> None:
    with pytest.raises(RemoteError, match="key"):
        validate(lease().record, SWARM, producer_key(SWARM, UUID(int=9)), WALL_MS)


@pytest.mark.parametrize(
    ("age_ms", "valid"), [(-5001, False), (-5000, True), (0, True), (44_999, True), (45_000, False)]
)
def test_a_lease_holds_from_5_s_before_its_issue_to_its_end(age_ms: int, valid: bool) -> None:
    issued = lease()
    if valid:
        assert check(issued, SWARM, KEY, WALL_MS + age_ms) is issued
    else:
        with pytest.raises(RemoteError):
            check(issued, SWARM, KEY, WALL_MS + age_ms)


def test_a_clock_that_runs_ahead_does_not_prolong_a_lease() -> None:
    assert lease(issued_ms=WALL_MS + 4000).seconds_left(WALL_MS) == 45
    assert lease().seconds_left(WALL_MS + 40_000) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"addresses": ()},
        {"addresses": (("127.0.0.1", 1),) * 5},
        {"addresses": (("example.org", 1),)},
        {"addresses": (("0.0.0.0", 1),)},
        {"fingerprint": b"short"},
        {"url": "not a url"},
        {"epoch": -1},
        {"epoch": 2**70},
    ],
)
def test_what_cannot_be_a_lease_is_our_caller_s_mistake(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        lease(**changes)


@pytest.mark.parametrize(
    "url", ["", "http://h", "https://node-1.example.org:7400", "http://[2001:db8::1]:7400", "http://h/base/x"]
)
def test_base_urls_of_every_kind_are_taken(url: str) -> None:
    assert lease(url=url).url == url


def test_epoch_goes_before_seq_and_both_before_the_hash() -> None:
    first, second, third = lease(epoch=1, seq=9), lease(epoch=2, seq=1), lease(epoch=2, seq=2)
    assert first.rank < second.rank < third.rank
    one, other = lease(epoch=2, seq=2, url=""), third
    assert one.rank != other.rank


def test_of_each_owner_the_latest_word_counts() -> None:
    old, new = lease(1, seq=1), lease(1, seq=2)
    assert standing([new, old]) == standing([old, new]) == [new]


def test_the_highest_claim_comes_first() -> None:
    claims = [lease(1, epoch=1), lease(2, epoch=3), lease(3, epoch=2)]
    assert standing(claims) == [claims[1], claims[2], claims[0]]


def test_a_tombstone_withdraws_its_own_owner_s_claim_alone() -> None:
    mine, other = lease(1, seq=1), lease(2, seq=1)
    assert standing([mine, lease(1, seq=2, tombstone=True), other]) == [other]
    assert standing([lease(1, seq=1, tombstone=True), lease(1, seq=2)]) == [lease(1, seq=2)]


def test_a_producer_s_key_depends_on_the_swarm() -> None:
    assert len(KEY) == 20
    assert producer_key(swarm_id("other"), PRODUCER) != KEY
    assert isinstance(lease(), Lease)


def _claims(own: UUID, first_epoch: int, later_epoch: int) -> list[Lease]:
    claims = [lease(1, producer_id=own, epoch=first_epoch), lease(2, producer_id=own, epoch=later_epoch)]
    return sorted(claims, key=lambda claim: claim.rank, reverse=True)


def test_an_owner_s_own_id_is_in_doubt_when_another_claims_it_with_a_higher_epoch() -> None:
    own = certified_id(SWARM, node_key(1).public, b"salt")
    assert doubtful(_claims(own, 1, 2))
    assert not doubtful(_claims(own, 2, 2))
    assert not doubtful(_claims(own, 3, 2))
    assert not doubtful(_claims(own, 1, 2)[:1])
    assert not doubtful([])


def test_an_id_that_is_nobody_s_own_is_never_in_doubt() -> None:
    assert not doubtful(_claims(PRODUCER, 1, 2))


def test_what_a_node_leases_itself_under_is_never_in_doubt() -> None:
    assert not doubtful(_claims(node_lease_id(SWARM, node_key(1).public), 1, 2))


def test_without_its_precedence_an_owner_s_own_id_goes_by_the_epoch() -> None:
    claims = _claims(certified_id(SWARM, node_key(1).public, b"salt"), 1, 2)
    assert [claim.epoch for claim in claims] == [1, 2]
    assert [claim.epoch for claim in without_precedence(claims)] == [2, 1]
