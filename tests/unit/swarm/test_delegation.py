"""Debits: what was handed out counts for a while, and is forgotten in time."""

import random

import pytest

from foundation import limits
from swarm.carriage import Carriage, Child
from swarm.delegation import Delegation
from swarm.messages import Report
from swarm.policy import DefaultPolicy
from swarm.relay_state import RelayState
from tests.unit.swarm.relay_core import OpenCapabilities, P, node, read_record, record


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
        {node(n): record(n) for n in (1, 2)},
    )


def _carriage(*rooms: int) -> Carriage:
    carriage = Carriage(P, lineage=(node(0),), owned=True)
    for number, room in enumerate(rooms, start=1):
        carriage.children[node(number)] = Child(node(number), 1, Report(1, P, room, room, 1))
    return carriage


def _rooms(delegation: Delegation, carriage: Carriage) -> dict[bytes, int]:
    return {candidate.node: candidate.relay_room for candidate in delegation.ranked(carriage, for_relay=True)}


def test_a_debit_lowers_the_room_and_ends(state: RelayState) -> None:
    delegation, carriage = Delegation(state), _carriage(3, 3)
    delegation.debit(node(1), 10.0)
    delegation.debit(node(1), 11.0)
    assert _rooms(delegation, carriage) == {node(1): 1, node(2): 3}
    assert state.deadlines.next() == 10.0 + limits.delegation_debit_seconds
    delegation.expire(10.0 + limits.delegation_debit_seconds)
    assert _rooms(delegation, carriage) == {node(1): 2, node(2): 3}
    delegation.expire(11.0 + limits.delegation_debit_seconds)
    assert _rooms(delegation, carriage) == {node(1): 3, node(2): 3}
    assert len(delegation) == 0


def test_room_is_never_below_zero(state: RelayState) -> None:
    delegation, carriage = Delegation(state), _carriage(1)
    for _ in range(5):
        delegation.debit(node(1), 0.0)
    assert _rooms(delegation, carriage) == {node(1): 0}


def test_the_oldest_debits_are_forgotten_when_there_are_too_many(
    state: RelayState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "delegation_debits_max", 2)
    delegation, carriage = Delegation(state), _carriage(9, 9)
    for number in (1, 2, 2):
        delegation.debit(node(number), 0.0)
    assert len(delegation) == 2
    assert _rooms(delegation, carriage) == {node(1): 9, node(2): 7}


def test_a_report_says_nothing_of_debits(state: RelayState) -> None:
    delegation, carriage = Delegation(state), _carriage(3)
    delegation.debit(node(1), 0.0)
    assert [candidate.relay_room for candidate in delegation.reported(carriage)] == [3]


def test_a_child_without_a_link_is_no_candidate(state: RelayState) -> None:
    del state.links[node(1)]
    assert set(_rooms(Delegation(state), _carriage(3, 3))) == {node(2)}


def test_equals_are_ranked_at_random(state: RelayState) -> None:
    delegation, carriage = Delegation(state), _carriage(3, 3)
    firsts = {delegation.ranked(carriage, for_relay=True)[0].node for _ in range(50)}
    assert firsts == {node(1), node(2)}
