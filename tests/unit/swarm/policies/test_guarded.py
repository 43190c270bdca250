"""A user's policy that fails costs one decision, never the node."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from swarm.policies.guarded import GuardedPolicy
from swarm.policy import Candidate, DefaultPolicy, Load
from tests.unit.swarm.tree.relay_core import record

LOAD = Load(1, 0)
CANDIDATES = [Candidate(record(number), number, number, number) for number in (1, 2)]
DEFAULT = DefaultPolicy(10)


class Answering:
    """Gives the same answer to everything, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def _answer(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def busy(self, load: Load, for_relay: bool) -> bool:
        return bool(self._answer()) if isinstance(self.answer, int) else self._answer()

    def room(self, load: Load, for_relay: bool) -> int:
        return self._answer()

    def soft_room(self, load: Load) -> int:
        return self._answer()

    def children_room(self, load: Load, children: int, owned: bool) -> int:
        return self._answer()

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        return self._answer()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def guarded(answer: Any) -> tuple[GuardedPolicy, Clock]:
    clock = Clock()
    return GuardedPolicy(Answering(answer), DEFAULT, clock), clock


@pytest.mark.parametrize("answer", [ValueError("mine"), RecursionError(), None, "7", 1.5, -3, object()])
def test_the_default_decides_where_the_policy_fails(answer: Any) -> None:
    policy, _ = guarded(answer)
    assert policy.room(LOAD, for_relay=True) == DEFAULT.room(LOAD, for_relay=True)
    assert policy.soft_room(LOAD) == DEFAULT.soft_room(LOAD)
    assert policy.children_room(LOAD, 2, owned=True) == DEFAULT.children_room(LOAD, 2, owned=True)
    assert policy.rank(CANDIDATES, for_relay=False) == DEFAULT.rank(CANDIDATES, for_relay=False)
    assert policy.failures == 4


@pytest.mark.parametrize("answer", [ValueError("mine"), None, "yes"])
def test_a_busy_that_is_no_answer_is_the_defaults(answer: Any) -> None:
    policy, _ = guarded(answer)
    assert policy.busy(LOAD, for_relay=False) is DEFAULT.busy(LOAD, for_relay=False)
    assert policy.failures == 1


def test_what_the_policy_says_counts() -> None:
    policy, _ = guarded(3)
    assert (policy.room(LOAD, True), policy.soft_room(LOAD), policy.children_room(LOAD, 9, False)) == (3, 3, 3)
    assert policy.busy(LOAD, for_relay=True)
    assert guarded([CANDIDATES[1]])[0].rank(CANDIDATES, for_relay=True) == [CANDIDATES[1]]
    assert policy.failures == 0


@pytest.mark.parametrize("invented", [[CANDIDATES[0]] * 2, [3], (CANDIDATES[0],)])
def test_candidates_that_were_not_given_are_not_taken(invented: Any) -> None:
    policy, _ = guarded(invented)
    assert policy.rank(CANDIDATES[:1], for_relay=True) == CANDIDATES[:1]
    assert policy.failures == 1


def test_a_policy_cannot_change_the_list_it_is_given() -> None:
    class Greedy(DefaultPolicy):
        def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
            assert isinstance(candidates, list)
            candidates.clear()
            raise ValueError

    given = list(CANDIDATES)
    assert len(GuardedPolicy(Greedy(1), DEFAULT, Clock()).rank(given, for_relay=True)) == 2
    assert given == CANDIDATES


def test_failures_are_logged_once_a_minute_with_their_cause(caplog: pytest.LogCaptureFixture) -> None:
    policy, clock = guarded(ValueError("mine"))
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            policy.room(LOAD, for_relay=True)
        assert len(caplog.records) == 1
        clock.now += 60
        policy.room(LOAD, for_relay=True)
    assert policy.failures == 1001
    assert len(caplog.records) == 2
    assert "mine" in caplog.text
    assert "1001 times" in caplog.records[1].getMessage()
