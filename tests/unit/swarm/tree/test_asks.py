"""Questions without a link: each is answered once, in time or not at all."""

import random

import pytest

from foundation import limits
from swarm.messages import Message, Probe, Recruited
from swarm.policy import DefaultPolicy
from swarm.tree.actions import Ask
from swarm.tree.asks import Asks
from swarm.tree.state import RelayState
from tests.unit.swarm.tree.relay_core import Core, OpenCapabilities, P, node, read_record, record


@pytest.fixture
def state() -> RelayState:
    capabilities = OpenCapabilities(node(0))
    return RelayState(
        record(0), DefaultPolicy(3), random.Random(1), read_record, capabilities, lambda count: [], lambda: 0
    )


class Heard:
    def __init__(self) -> None:
        self.answers: list[tuple[Message | None, float]] = []

    def __call__(self, answer: Message | None, now: float) -> None:
        self.answers.append((answer, now))


def test_the_answer_comes_to_whoever_asked_once(state: RelayState) -> None:
    asks, heard = Asks(state), Heard()
    asks.put(record(1).contact, Probe(P), heard, 0.0)
    ask = state.outbox.popleft()
    assert isinstance(ask, Ask)
    for _ in range(2):
        asks.answered(ask.key, Recruited(1, 2, 3), 0.1)
    assert heard.answers == [(Recruited(1, 2, 3), 0.1)]
    assert state.counters["answer_stale"] == 1
    assert state.deadlines.next() is None


def test_an_answer_that_does_not_come_is_none(state: RelayState) -> None:
    asks, heard = Asks(state), Heard()
    asks.put(record(1).contact, Probe(P), heard, 0.0)
    key = state.deadlines.pop_due(limits.ask_seconds_max)
    assert isinstance(key, tuple)
    asks.expired(key[1], limits.ask_seconds_max)
    assert heard.answers == [(None, limits.ask_seconds_max)]
    assert len(asks) == 0


def test_only_so_many_are_open(state: RelayState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "asks_open_max", 1)
    asks, heard = Asks(state), Heard()
    for _ in range(2):
        asks.put(record(1).contact, Probe(P), heard, 0.0)
    assert heard.answers == [(None, 0.0)]


def test_what_is_no_question_is_counted() -> None:
    core = Core()
    assert core.tree.asked(node(1), Recruited(1, 2, 3), core.now) is None
    assert core.tree.counters["ask_unexpected"] == 1
    core.tree.answered(4711, Recruited(1, 2, 3), core.now)
    assert core.tree.counters["answer_stale"] == 1
