"""Places asked for ahead: how many, and for how long."""

from collections import deque

from foundation import limits
from swarm.messages import Place
from swarm.tree.stock import Stock, ahead
from tests.unit.swarm.tree.relay_core import node, record


def test_places_are_given_in_turns_and_once() -> None:
    stock = Stock(record(1).contact)
    stock.put([Place(node(2), "http://a", 2), Place(node(3), "http://b", 1)], 0.0)
    assert stock.left(0.0) == 3
    assert [stock.take(0.1) for _ in range(4)] == ["http://a", "http://b", "http://a", None]


def test_a_place_is_good_while_its_owner_holds_it() -> None:
    stock = Stock(record(1).contact)
    stock.put([Place(node(2), "http://a", 2)], 0.0)
    assert stock.take(limits.delegation_debit_seconds / 2) is None
    assert stock.left(limits.delegation_debit_seconds) == 0


def test_nothing_is_asked_for_ahead_of_a_few_viewers() -> None:
    slow = deque(float(number) for number in range(limits.requests_before_relay))
    assert ahead(deque([0.0, 0.1]), 0.1) == 0
    assert ahead(slow, slow[-1]) == 0


def test_as_many_are_asked_for_as_come_until_the_answer_is_here() -> None:
    herd = deque(number / 100 for number in range(limits.requests_before_relay))
    assert ahead(herd, 0.08) == int(100 * limits.find_ahead_seconds)
    assert ahead(deque([0.0] * limits.requests_before_relay), 0.0) == limits.find_ahead_max
