"""How much each node may ask without a link."""

import pytest

from foundation import limits
from swarm.messages import Consume, Find, Refused
from swarm.tree.askers import Askers
from tests.unit.swarm.tree.relay_core import Core, P, node


def test_a_node_that_floods_is_not_heard_and_another_one_is() -> None:
    askers = Askers(per_second=10, burst=20)
    assert [askers.may_ask(b"a", 0.0) for _ in range(30)] == [True] * 20 + [False] * 10
    assert askers.may_ask(b"b", 0.0)
    assert askers.may_ask(b"a", 0.1)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "askers_max", 2)
    askers = Askers(per_second=1, burst=1)
    for name in (b"a", b"b", b"c"):
        assert askers.may_ask(name, 0.0)
    assert not askers.may_ask(b"b", 0.0)
    assert askers.may_ask(b"a", 0.0), "the oldest was forgotten"


def test_questions_beyond_the_allowance_get_no_answer() -> None:
    core = Core(slots=20)
    core.own()
    answers = [core.tree.asked(node(1), Find(P, 1), core.now) for _ in range(int(limits.asks_burst) + 50)]
    assert answers.count(None) == 50
    assert core.tree.counters["asks_flooded"] == 50
    assert core.tree.asked(node(2), Find(P, 1), core.now) is not None


def test_requests_beyond_the_allowance_are_refused() -> None:
    core = Core(slots=20)
    core.own()
    core.link(1)
    for request in range(limits.consumes_burst + 5):
        core.receive(1, Consume(request, P))
    refused = [message for _, message in core.sent() if isinstance(message, Refused)]
    assert len(refused) == core.tree.counters["consumes_flooded"] == 5
