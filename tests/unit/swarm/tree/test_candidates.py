"""Who is known below a carrier, through whom, and with what room."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from swarm.policy import Candidate
from swarm.tree.candidates import FRESH, RELAY, SOFT, SPARE, Candidates, RandomSet
from tests.unit.swarm.tree.relay_core import node, record


@pytest.fixture
def pool() -> Candidates:
    return Candidates()


def _candidate(number: int, room: int = 5, rank: int = 1, region: str = "", spare: int | None = None) -> Candidate:
    return Candidate(replace(record(number), region=region), rank, room, room, room if spare is None else spare)


def _drawn(pool: Candidates, kind: str = SOFT, of: object = "") -> set[bytes]:
    rng = random.Random(1)
    found = (pool.draw(kind, of, rng) for _ in range(100))
    return {known.candidate.node for known in found if known is not None}


def test_one_is_drawn_by_region_and_by_rank(pool: Candidates) -> None:
    pool.put(_candidate(1, region="eu"), node(1))
    pool.put(_candidate(2, rank=2, region="us"), node(1))
    assert _drawn(pool) == {node(1), node(2)}
    assert _drawn(pool, SOFT, "us") == {node(2)}
    assert _drawn(pool, RELAY, 1) == {node(1)}
    assert pool.ranks() == [1, 2]


def test_what_is_spare_is_another_room(pool: Candidates) -> None:
    pool.put(_candidate(1, room=0, spare=20), node(1))
    assert _drawn(pool, SOFT) == set()
    assert _drawn(pool, SPARE) == {node(1)}


def test_a_child_is_known_with_all_that_it_named_until_it_is_gone(pool: Candidates) -> None:
    pool.put(_candidate(1), node(1))
    pool.put(_candidate(5), node(1))
    pool.remove_child(node(1))
    assert len(pool) == pool.soft_room == 0
    assert _drawn(pool) == set()


def test_whom_a_child_does_not_name_any_more_is_forgotten(pool: Candidates) -> None:
    for number in (1, 5, 6):
        pool.put(_candidate(number), node(1))
    pool.keep_only(node(1), {node(6)})
    assert _drawn(pool) == {node(1), node(6)}


def test_a_child_is_believed_about_itself_before_all_others(pool: Candidates) -> None:
    pool.put(_candidate(5, room=900), node(1))
    pool.put(_candidate(5, room=1), node(5))
    pool.put(_candidate(5, room=900), node(1))
    assert pool.soft_room == 1


def test_of_two_that_name_a_third_the_first_is_believed(pool: Candidates) -> None:
    pool.put(_candidate(5, room=1), node(1))
    pool.put(_candidate(5, room=900), node(2))
    assert pool.soft_room == 1
    pool.keep_only(node(2), set())
    assert len(pool) == 1


def test_a_recruit_is_replaced_by_the_first_report_of_it(pool: Candidates) -> None:
    pool.put(_candidate(5, room=50), None)
    pool.put(_candidate(5, room=40), node(1))
    pool.put(_candidate(5, room=50), None)
    assert pool.soft_room == 40


def test_a_recruit_has_room_of_its_own_kind_until_it_is_reported(pool: Candidates) -> None:
    pool.put(_candidate(5), None)
    assert (_drawn(pool, SOFT), _drawn(pool, FRESH), pool.ranks()) == (set(), {node(5)}, [])
    pool.put(_candidate(5), node(5))
    assert (_drawn(pool, SOFT), _drawn(pool, FRESH), pool.ranks()) == ({node(5)}, set(), [1])


def test_more_room_than_any_node_has_is_not_believed(pool: Candidates) -> None:
    pool.put(_candidate(1, room=10**9), node(1))
    assert pool.soft_room == limits.claimed_room_max


def test_only_so_many_are_known_but_every_child(pool: Candidates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "candidates_max", 2)
    for number in (5, 6, 7):
        pool.put(_candidate(number), node(1))
    pool.put(_candidate(1), node(1))
    assert _drawn(pool) == {node(5), node(6), node(1)}


def test_who_turned_a_viewer_away_has_no_room_until_it_says_so_anew(pool: Candidates) -> None:
    pool.put(_candidate(1), node(1))
    pool.emptied(node(1), relay=False)
    assert (_drawn(pool), _drawn(pool, RELAY, 1)) == (set(), {node(1)})
    pool.put(_candidate(1, room=2), node(1))
    assert _drawn(pool) == {node(1)}


def test_who_turned_a_relay_away_may_have_room_for_viewers(pool: Candidates) -> None:
    pool.put(_candidate(1), node(1))
    pool.emptied(node(1), relay=True)
    assert (_drawn(pool), _drawn(pool, RELAY, 1)) == ({node(1)}, set())


def test_a_random_set_gives_each_of_its_members() -> None:
    some: RandomSet[int] = RandomSet()
    for number in range(10):
        some.add(number)
    for number in (0, 9, 4, 4):
        some.discard(number)
    rng = random.Random(1)
    assert {some.draw(rng) for _ in range(200)} == {1, 2, 3, 5, 6, 7, 8}


_numbers = st.integers(1, 5)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), _numbers, st.none() | _numbers, st.integers(0, 3), st.sampled_from(["", "eu"])),
            st.tuples(st.just("take"), _numbers, st.integers(-3, 3)),
            st.tuples(st.sampled_from(["gone", "removed", "emptied"]), _numbers),
            st.tuples(st.just("named"), _numbers, st.sets(_numbers.map(node))),
        ),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=200)
def test_the_sum_and_the_sets_agree_with_what_is_known_whatever_happens(steps: list[tuple[object, ...]]) -> None:
    pool = Candidates()
    for step in steps:
        match step:
            case ("put", int(number), via, int(room), str(region)):
                pool.put(_candidate(number, room, region=region), node(via) if isinstance(via, int) else None)
            case ("take", int(number), int(count)):
                pool.take(node(number), count)
            case ("gone", int(number)):
                pool.remove_child(node(number))
            case ("removed", int(number)):
                pool.remove(node(number))
            case ("emptied", int(number)):
                pool.emptied(node(number), relay=False)
            case ("named", int(number), set() as nodes):
                pool.keep_only(node(number), nodes)
        assert pool.soft_room == sum(known.left(SOFT) for known in pool)
    drawn = _drawn(pool, SOFT) | _drawn(pool, FRESH)
    assert drawn == {known.candidate.node for known in pool if known.left(SOFT)}
