"""Whom a carrier sends others to: by the policy, out of a few drawn at random, less what was handed out just now."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Report
from swarm.policy import Candidate, DefaultPolicy
from swarm.tree.candidates import RELAY, SOFT
from swarm.tree.carriage import Carriage, Child
from swarm.tree.delegation import Delegation
from swarm.tree.state import RelayState
from tests.unit.swarm.tree.relay_core import OpenCapabilities, P, node, read_record, record


@pytest.fixture
def state() -> RelayState:
    return RelayState(
        record(0),
        DefaultPolicy(3),
        random.Random(1),
        read_record,
        OpenCapabilities(node(0)),
        lambda count: [],
        lambda: 0,
    )


def _below(delegation: Delegation, *rooms: int, rank: int = 1) -> Carriage:
    """A carriage with a child for each room, for relays as for viewers."""
    carriage = Carriage(P, lineage=(node(0),), owned=True)
    for number, room in enumerate(rooms, start=1):
        carriage.children[node(number)] = Child(node(number), 1, Report(1, P, room, room, room, 1))
        delegation.pool(P).put(Candidate(record(number), rank, room, room, room), node(number))
    return carriage


def _left(delegation: Delegation, number: int) -> int:
    known = delegation.pool(P).get(node(number))
    assert known is not None
    return known.left(RELAY)


def _places(
    delegation: Delegation, carriage: Carriage, count: int, kind: str = SOFT, region: str = "", now: float = 0.0
) -> dict[NodeId, int]:
    places: dict[NodeId, tuple[Candidate, int]] = {}
    delegation.viewers(carriage, kind, region, count, places, (), now)
    return {node: count for node, (_, count) in places.items()}


def test_a_debit_lowers_the_room_and_ends(state: RelayState) -> None:
    delegation = Delegation(state)
    _below(delegation, 3, 3)
    delegation.debit(P, node(1), 10.0)
    delegation.debit(P, node(1), 11.0)
    assert (_left(delegation, 1), _left(delegation, 2)) == (1, 3)
    assert state.deadlines.next() == 10.0 + limits.delegation_debit_seconds
    delegation.expire(10.0 + limits.delegation_debit_seconds)
    assert _left(delegation, 1) == 2
    delegation.expire(11.0 + limits.delegation_debit_seconds)
    assert _left(delegation, 1) == 3
    assert len(delegation) == 0


def test_a_debit_counts_against_newer_reports_too(state: RelayState) -> None:
    delegation = Delegation(state)
    _below(delegation, 3)
    delegation.debit(P, node(1), 0.0)
    delegation.pool(P).put(Candidate(record(1), 1, 5, 5, 5), node(1))
    assert _left(delegation, 1) == 4


def test_room_is_never_below_zero(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 1)
    for _ in range(5):
        delegation.debit(P, node(1), 0.0)
    assert _left(delegation, 1) == 0
    assert delegation.pool(P).soft_room == 0
    assert delegation.relays(carriage) == []


def test_the_oldest_debits_are_forgotten_when_there_are_too_many(
    state: RelayState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "delegation_debits_max", 2)
    delegation = Delegation(state)
    _below(delegation, 9, 9)
    for number in (1, 2, 2):
        delegation.debit(P, node(number), 0.0)
    assert len(delegation) == 2
    assert (_left(delegation, 1), _left(delegation, 2)) == (9, 7)


def test_a_slot_of_this_node_is_promised_for_a_while(state: RelayState) -> None:
    delegation = Delegation(state)
    delegation.debit(P, node(0), 0.0, 3)
    assert delegation.promised == 3
    delegation.expire(limits.delegation_debit_seconds)
    assert delegation.promised == 0


def test_a_debit_of_a_stream_that_is_over_just_ends(state: RelayState) -> None:
    delegation = Delegation(state)
    _below(delegation, 3)
    delegation.debit(P, node(1), 0.0)
    delegation.forget(P)
    delegation.expire(limits.delegation_debit_seconds)
    assert len(delegation) == 0


def test_a_report_says_nothing_of_debits(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 3)
    delegation.debit(P, node(1), 0.0)
    assert [carrier.relay_room for carrier in delegation.reported(carriage)] == [3]


def test_relays_are_sent_to_the_lowest_rank_with_room(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 1, 1)
    delegation.pool(P).put(Candidate(record(9), 2, 90, 90, 90), node(1))
    assert [candidate.node for candidate in delegation.relays(carriage)][-1] == node(9)
    for number in (1, 2):
        delegation.debit(P, node(number), 0.0)
    assert [candidate.node for candidate in delegation.relays(carriage)] == [node(9)]


def test_whoever_lost_its_parent_is_sent_to_its_region_first(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 5, 5, 5)
    far_below = replace(record(4), region="eu")
    delegation.pool(P).put(Candidate(far_below, 2, 5, 5, 5), node(1))
    named = delegation.relays(carriage, region="eu", near_first=True)
    assert len(named) == limits.delegated_candidates_max
    assert named[0].node == node(4)
    assert delegation.relays(carriage, region="eu")[0].rank == 1
    assert node(4) not in {each.node for each in delegation.relays(carriage, (), "eu", 2, near_first=True)}


def test_an_asker_with_children_is_sent_only_to_lower_ranks(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 1)
    delegation.pool(P).put(Candidate(record(9), 2, 90, 90, 90), node(1))
    assert [candidate.node for candidate in delegation.relays(carriage, rank_below=2)] == [node(1)]
    assert delegation.relays(carriage, rank_below=1) == []


def test_nobody_is_sent_to_whom_it_asked_before_or_above_this_node(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 3, 3)
    carriage.lineage = (node(2), node(0))
    assert delegation.relays(carriage, excluded=(node(1),)) == []


def test_where_nobody_has_room_children_with_a_subtree_are_named(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 0, 0)
    assert delegation.relays(carriage) == []
    carriage.children[node(2)].report = Report(1, P, 0, 0, 0, 5)
    assert [candidate.node for candidate in delegation.relays(carriage)] == [node(2)]


def test_places_are_handed_out_once(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 3, 4)
    assert _places(delegation, carriage, 5).keys() == {node(1), node(2)}
    assert sum(_places(delegation, carriage, 5).values()) == 2
    assert _places(delegation, carriage, 5) == {}


def test_places_come_back_when_their_debit_is_over(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 3)
    assert _places(delegation, carriage, 5) == {node(1): 3}
    assert _places(delegation, carriage, 5) == {}
    delegation.expire(limits.delegation_debit_seconds)
    assert _places(delegation, carriage, 5) == {node(1): 3}


def test_so_many_carriers_at_most_are_named_for_places(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, *[1] * 20)
    assert len(_places(delegation, carriage, 20)) == limits.find_places_max


def test_two_choices_fill_a_hundred_carriers_evenly(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, *[50] * 100)
    given: Counter[NodeId] = Counter()
    for _ in range(2000):
        given.update(_places(delegation, carriage, 1))
    assert sum(given.values()) == 2000
    assert max(given.values()) - min(given.values()) <= 6, "one choice alone would differ by some 25"


def test_equals_are_drawn_at_random(state: RelayState) -> None:
    delegation = Delegation(state)
    carriage = _below(delegation, 3, 3)
    assert {delegation.relays(carriage)[0].node for _ in range(50)} == {node(1), node(2)}
