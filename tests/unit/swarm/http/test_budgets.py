"""Budgets by address."""

from swarm.http.budgets import Budgets


def test_an_address_has_its_burst_and_then_its_rate() -> None:
    budgets = Budgets(2, 5, 10)
    assert [budgets.spend("192.0.2.1", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [budgets.spend("192.0.2.1", 1.0) for _ in range(3)] == [True, True, False]


def test_one_address_takes_nothing_from_another() -> None:
    budgets = Budgets(1, 1, 10)
    assert budgets.spend("192.0.2.1", 0.0)
    assert budgets.spend("192.0.2.2", 0.0)
    assert not budgets.spend("192.0.2.1", 0.0)


def test_a_network_of_ipv6_has_one_budget() -> None:
    budgets = Budgets(1, 1, 10)
    assert budgets.spend("2001:db8::1", 0.0)
    assert not budgets.spend("2001:db8::2", 0.0)
    assert budgets.spend("2001:db8:0:1::1", 0.0)


def test_what_is_no_address_has_one_budget_together() -> None:
    budgets = Budgets(1, 1, 10)
    assert budgets.spend("", 0.0)
    assert not budgets.spend("unix", 0.0)


def test_the_quietest_address_is_forgotten_first() -> None:
    budgets = Budgets(0, 1, 2)
    budgets.spend("192.0.2.1", 0.0)
    budgets.spend("192.0.2.2", 1.0)
    assert not budgets.spend("192.0.2.1", 2.0)
    assert budgets.spend("192.0.2.3", 3.0)
    assert len(budgets) == 2
    assert not budgets.spend("192.0.2.1", 4.0)
    assert budgets.spend("192.0.2.2", 5.0)
