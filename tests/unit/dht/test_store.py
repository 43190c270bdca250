from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.lease import Lease, producer_key
from dht.store import LeaseStore, Outcome
from tests.unit.dht.samples import PRODUCER, SWARM, WALL_MS, lease

KEY = producer_key(SWARM, PRODUCER)
SENDER = b"\1" * 20


@pytest.fixture
def store() -> LeaseStore:
    return LeaseStore()


def put(store: LeaseStore, new: Lease, *, sender: bytes = SENDER, at: float = 0.0) -> Outcome:
    return store.put(new, sender, WALL_MS + int(at * 1000), at)


def test_a_new_lease_is_stored(store: LeaseStore) -> None:
    assert put(store, lease()) is Outcome.STORED
    assert store.get(KEY, 0.0) == [lease()]
    assert len(store) == 1


def test_an_unknown_key_has_no_leases(store: LeaseStore) -> None:
    assert store.get(bytes(20), 0.0) == []


def test_an_equal_lease_is_acknowledged_without_prolonging_it(store: LeaseStore) -> None:
    put(store, lease())
    assert put(store, lease(), at=40.0) is Outcome.EQUAL
    assert store.get(KEY, 44.9) == [lease()]
    assert store.get(KEY, 45.0) == []


def test_a_stale_lease_is_older(store: LeaseStore) -> None:
    put(store, lease(seq=2))
    assert put(store, lease(seq=1)) is Outcome.OLDER
    assert store.get(KEY, 0.0) == [lease(seq=2)]


def test_a_newer_lease_replaces_the_owner_s_older_one(store: LeaseStore) -> None:
    put(store, lease(seq=1))
    assert put(store, lease(seq=2, issued_ms=WALL_MS + 10_000), at=10.0) is Outcome.STORED
    assert [held.seq for held in store.get(KEY, 50.0)] == [2]
    assert len(store) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_conflicting_leases_the_same_one_wins_in_either_order(store: LeaseStore, first: int) -> None:
    pair = [lease(seq=1, url="http://a"), lease(seq=1, url="http://b")]
    put(store, pair[first])
    put(store, pair[1 - first])
    assert store.get(KEY, 0.0) == [max(pair, key=lambda held: held.rank)]


def test_a_tombstone_outranks_the_lease_and_an_older_lease_does_not_come_back(store: LeaseStore) -> None:
    put(store, lease(seq=1))
    tombstone = lease(seq=2, tombstone=True)
    assert put(store, tombstone) is Outcome.STORED
    assert put(store, lease(seq=1)) is Outcome.OLDER
    assert store.get(KEY, 0.0) == [tombstone]


def test_a_lease_from_the_future_ends_its_ttl_after_arrival(store: LeaseStore) -> None:
    put(store, lease(issued_ms=WALL_MS + 4000))
    assert store.get(KEY, 44.9)
    assert not store.get(KEY, 45.0)


def test_claims_of_several_owners_are_kept_the_highest_first(store: LeaseStore) -> None:
    for owner, epoch in ((1, 2), (2, 3), (3, 1)):
        put(store, lease(owner, epoch=epoch))
    assert [held.epoch for held in store.get(KEY, 0.0)] == [3, 2, 1]


def test_of_too_many_claims_the_lowest_gives_way(store: LeaseStore) -> None:
    for owner in range(1, 5):
        put(store, lease(owner, epoch=owner + 1))
    assert put(store, lease(9, epoch=1)) is Outcome.OLDER
    assert put(store, lease(9, epoch=9)) is Outcome.STORED
    assert [held.epoch for held in store.get(KEY, 0.0)] == [9, 5, 4, 3]
    assert len(store) == 4


def test_what_has_expired_is_swept_away(store: LeaseStore) -> None:
    for number in range(20):
        put(store, lease(producer_id=UUID(int=number)))
    store.expire(44.0)
    assert len(store) == 20
    store.expire(45.0)
    assert len(store) == 0
    assert store._claims == {}
    assert not store._of_owner
    assert not store._of_sender


def test_one_owner_fills_its_quota_and_no_more(store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.store.leases_per_owner_max", 3)
    outcomes = [put(store, lease(producer_id=UUID(int=n)), sender=bytes([n]) * 20) for n in range(5)]
    assert outcomes == [Outcome.STORED] * 3 + [Outcome.REFUSED] * 2
    assert put(store, lease(2, producer_id=UUID(int=9))) is Outcome.STORED


def test_one_sender_fills_its_quota_and_no_more(store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.store.leases_per_sender_max", 3)
    outcomes = [put(store, lease(n + 1, producer_id=UUID(int=n))) for n in range(5)]
    assert outcomes == [Outcome.STORED] * 3 + [Outcome.REFUSED] * 2
    assert put(store, lease(9, producer_id=UUID(int=9)), sender=b"\2" * 20) is Outcome.STORED


def test_a_full_store_takes_updates_and_refuses_new_ones(store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.store.leases_max", 3)
    for number in range(3):
        put(store, lease(number + 1, producer_id=UUID(int=number)))
    assert put(store, lease(9, producer_id=UUID(int=9))) is Outcome.REFUSED
    assert put(store, lease(1, seq=2, producer_id=UUID(int=0))) is Outcome.STORED
    assert len(store) == 3


def test_a_refused_update_leaves_the_older_lease_alone(store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.store.leases_per_sender_max", 1)
    put(store, lease(1, seq=1))
    put(store, lease(2, producer_id=UUID(int=2)), sender=b"\2" * 20)
    assert put(store, lease(1, seq=2), sender=b"\2" * 20) is Outcome.REFUSED
    assert store.get(KEY, 0.0) == [lease(1, seq=1)]


def test_a_full_store_makes_room_by_forgetting_what_expired(store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.store.leases_max", 3)
    for number in range(3):
        put(store, lease(number + 1, producer_id=UUID(int=number)))
    late = lease(9, producer_id=UUID(int=9), issued_ms=WALL_MS + 50_000)
    assert put(store, late, at=50.0) is Outcome.STORED
    assert len(store) == 1


_LEASES = [
    lease(owner, seq=seq, epoch=epoch, tombstone=tombstone)
    for owner in (1, 2)
    for seq in (1, 2)
    for epoch in (1, 2)
    for tombstone in (False, True)
]


@given(st.lists(st.sampled_from(_LEASES), max_size=12), st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_order_of_arrival_does_not_matter(leases: list[Lease], rng: object) -> None:
    one, other = LeaseStore(), LeaseStore()
    for arrived in leases:
        put(one, arrived)
    rng.shuffle(leases)  # type: ignore[attr-defined]
    for arrived in leases:
        put(other, arrived)
    assert one.get(KEY, 1.0) == other.get(KEY, 1.0)


@given(st.lists(st.tuples(st.sampled_from(_LEASES), st.floats(0, 60), st.integers(0, 3)), max_size=30))
@settings(deadline=None, max_examples=100)
def test_the_counts_always_agree_with_the_contents(steps: list[tuple[Lease, float, int]]) -> None:
    store, now = LeaseStore(), 0.0
    for arrived, pause, sender in steps:
        now += pause
        store.put(arrived, bytes([sender]) * 20, WALL_MS, now)
        held = [claim for claims in store._claims.values() for claim in claims.values()]
        assert len(store) == len(held) == sum(store._of_owner.values()) == sum(store._of_sender.values())
