import random
from uuid import UUID

import pytest

from dht.announcements import BOUND_ANNOUNCE_SECONDS, Announcements
from dht.lease import Lease
from dht.producer_ids import node_lease_id
from foundation.errors import LocalError
from tests.unit.dht.samples import PRODUCER, SWARM, WALL_MS, announcement, node_key


@pytest.fixture
def announcements() -> Announcements:
    return Announcements(node_key(1), SWARM, random.Random(1))


def test_the_first_round_s_lease_says_what_was_announced(announcements: Announcements) -> None:
    lease = announcements.add(announcement(), WALL_MS, 0.0)
    assert (lease.producer_id, lease.epoch, lease.issued_ms) == (PRODUCER, 1, WALL_MS)
    assert announcements.current(PRODUCER) is lease


def test_rounds_come_every_15_s_give_or_take_a_fifth(announcements: Announcements) -> None:
    announcements.add(announcement(), WALL_MS, 0.0)
    now, pauses = 0.0, []
    for _ in range(200):
        due = announcements.timeout()
        assert due is not None
        assert announcements.due(WALL_MS, due - 0.001) == []
        assert len(announcements.due(WALL_MS + int(due * 1000), due)) == 1
        pauses.append(due - now)
        now = due
    assert 12 <= min(pauses) < 13
    assert 17 < max(pauses) <= 18


def test_every_round_has_a_higher_seq_even_if_the_clock_steps_back(announcements: Announcements) -> None:
    seqs = [announcements.add(announcement(), WALL_MS, 0.0).seq]
    for step in (0, 10_000, -50_000, -50_000, 7):
        seqs += [lease.seq for lease in announcements.due(WALL_MS + step, announcements.timeout() or 0.0)]
    assert seqs == sorted(set(seqs))


def test_a_restarted_node_continues_above_its_earlier_seqs() -> None:
    first = Announcements(node_key(1), SWARM, random.Random(1)).add(announcement(), WALL_MS, 0.0)
    second = Announcements(node_key(1), SWARM, random.Random(1)).add(announcement(), WALL_MS + 1, 0.0)
    assert second.rank > first.rank


def test_a_node_whose_clock_stepped_back_outranks_what_it_said_before(announcements: Announcements) -> None:
    announcements.add(announcement(), WALL_MS, 0.0)
    announcements.outrank(WALL_MS + 10**6)
    announcements.postpone(PRODUCER, 5.0)
    assert announcements.timeout() == 6.0
    assert announcements.due(WALL_MS + 1, 6.0)[0].seq > WALL_MS + 10**6


def test_a_withdrawal_is_a_tombstone_with_a_higher_seq_and_ends_the_rounds(announcements: Announcements) -> None:
    lease = announcements.add(announcement(), WALL_MS, 0.0)
    tombstone = announcements.withdraw(PRODUCER, WALL_MS)
    assert tombstone is not None
    assert tombstone.tombstone
    assert tombstone.rank > lease.rank
    assert announcements.timeout() is None
    assert announcements.current(PRODUCER) is None


def test_withdrawing_what_was_not_announced_does_nothing(announcements: Announcements) -> None:
    assert announcements.withdraw(PRODUCER, WALL_MS) is None


def test_announcing_again_replaces(announcements: Announcements) -> None:
    announcements.add(announcement(), WALL_MS, 0.0)
    lease = announcements.add(announcement(epoch=2), WALL_MS, 0.0)
    assert announcements.current(PRODUCER) is lease
    assert len(announcements) == 1


def test_a_node_announces_no_more_than_its_limit(announcements: Announcements, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.announcements.announcements_max", 2)
    for number in range(2):
        announcements.add(announcement(producer_id=UUID(int=number)), WALL_MS, 0.0)
    with pytest.raises(LocalError):
        announcements.add(announcement(producer_id=UUID(int=9)), WALL_MS, 0.0)
    announcements.add(announcement(producer_id=UUID(int=1), epoch=2), WALL_MS, 0.0)


def many(announcements: Announcements, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.announcements.lone_announcements_max", 3)
    for number in range(count):
        announcements.add(announcement(producer_id=UUID(int=number)), WALL_MS, 0.0)


def rounds(announcements: Announcements, until: float) -> list[tuple[float, Lease]]:
    """Everything that is due by then, and when."""
    done: list[tuple[float, Lease]] = []
    while (due := announcements.timeout()) is not None and due <= until:
        done += [(due, lease) for lease in announcements.due(WALL_MS + int(due * 1000), due)]
    return done


def test_hastened_rounds_come_at_once_but_not_all_together(
    announcements: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dht.announcements.lone_announcements_max", 500)
    for number in range(401):
        announcements.add(announcement(producer_id=UUID(int=number)), WALL_MS, 0.0)
    meant = {announcements.current(UUID(int=number)).key for number in range(400)}  # type: ignore[union-attr]
    announcements.hasten(1.0, meant.__contains__)
    soon = [due for due, _ in rounds(announcements, 5.0)]
    assert len(soon) == 400
    assert 1.0 < soon[0] < 1.5
    assert 1.9 < soon[-1] - soon[0] < 2.1


def test_few_producers_have_a_lease_each(announcements: Announcements, monkeypatch: pytest.MonkeyPatch) -> None:
    many(announcements, 3, monkeypatch)
    assert not any(lease.bound for _, lease in rounds(announcements, 60.0))


def test_many_producers_are_bound_to_their_node_s_lease(
    announcements: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(announcements, 4, monkeypatch)
    done = rounds(announcements, 600.0)
    node_id = node_lease_id(SWARM, node_key(1).public)
    first, lease = done[0]
    assert (first, lease.producer_id, lease.bound) == (0.0, node_id, False)
    bound = [lease for _, lease in done if lease.producer_id != node_id]
    assert all(lease.bound and lease.fingerprint == done[0][1].fingerprint for lease in bound)
    assert 4 * 3 <= len(bound) <= 4 * 5
    assert 600 / 18 <= len(done) - len(bound) <= 600 / 12 + 1


def test_nothing_is_bound_before_the_node_s_lease_can_be_found(
    announcements: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dht.announcements.lone_announcements_max", 3)
    for number in range(3):
        announcements.add(announcement(producer_id=UUID(int=number)), WALL_MS, 0.0)
    announcements.add(announcement(producer_id=UUID(int=9)), WALL_MS, 14.0)
    assert not any(lease.bound for now, lease in rounds(announcements, 30.0) if now < 19.0)


def test_a_bound_producer_s_tombstone_outlives_its_lease(
    announcements: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(announcements, 4, monkeypatch)
    rounds(announcements, 30.0)
    held = announcements.current(UUID(int=1))
    tombstone = announcements.withdraw(UUID(int=1), WALL_MS + 30_000)
    assert held is not None
    assert tombstone is not None
    assert held.bound
    assert tombstone.issued_ms + tombstone.ttl_seconds * 1000 > held.issued_ms + held.ttl_seconds * 1000


def test_with_few_left_every_producer_has_its_own_lease_again_and_the_node_s_ends(
    announcements: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(announcements, 5, monkeypatch)
    rounds(announcements, 30.0)
    for number in (3, 4):
        announcements.withdraw(UUID(int=number), WALL_MS + 30_000)
    rounds(announcements, 30.0 + BOUND_ANNOUNCE_SECONDS * 1.2)
    later = [lease for now, lease in rounds(announcements, 400.0) if now > 270.0]
    assert later
    assert not any(lease.bound for lease in later)
    assert node_lease_id(SWARM, node_key(1).public) not in {lease.producer_id for lease in later}
