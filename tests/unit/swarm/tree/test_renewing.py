"""The owner's leave: asked for anew at half its life, and soon when the stream has another owner."""

import pytest

from foundation import limits
from swarm.messages import Accepted, Lineage, Renew, Renewed
from swarm.tree.actions import Ask, Lookup
from tests.unit.swarm.tree.relay_core import Core, P, leave, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def _relay(core: Core, capability: bytes) -> int:
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(), capability=capability))
    core.tree.pipe_flowing(P, node(1), core.now)
    core.actions()
    return request


def _capability(core: Core) -> bytes:
    carriage = core.tree.carriage(P)
    assert carriage is not None
    return carriage.capability


def test_a_leave_is_renewed_at_half_its_life(core: Core) -> None:
    _relay(core, leave(node(1), node(0)))
    core.advance(0.3 * limits.capability_seconds)
    assert not any(isinstance(action, Ask) for action in core.actions())
    core.advance(0.35 * limits.capability_seconds)
    ask = next(action for action in core.actions() if isinstance(action, Ask))
    assert (ask.contact.node, ask.message) == (node(1), Renew(P))


def test_another_owner_is_asked_soon_and_its_leave_is_taken(core: Core) -> None:
    request = _relay(core, leave(node(1), node(0)))
    core.link(5)
    core.receive(1, Lineage(request, P, 1, (node(5), node(1))))
    core.advance(limits.capability_soon_seconds)
    ask = core.one(Ask)
    assert ask.contact.node == node(5)
    core.tree.answered(ask.key, Renewed(leave(node(5), node(0))), core.now)
    assert _capability(core) == leave(node(5), node(0))
    core.advance(limits.capability_retry_seconds)
    assert not any(isinstance(action, Ask) for action in core.actions())


def test_an_owner_that_is_not_known_is_looked_up(core: Core) -> None:
    request = _relay(core, leave(node(1), node(0)))
    core.receive(1, Lineage(request, P, 1, (node(5), node(1))))
    core.advance(limits.capability_soon_seconds)
    assert core.one(Lookup) == Lookup(P, fresh=False)
    core.owned_by(5)
    core.advance(limits.capability_retry_seconds)
    assert core.one(Ask).contact == record(5).contact


@pytest.mark.parametrize("given", [(5, 0), (1, 3)])
def test_a_leave_of_another_node_or_for_another_is_not_taken(core: Core, given: tuple[int, int]) -> None:
    _relay(core, b"")
    core.advance(limits.capability_soon_seconds)
    ask = core.one(Ask)
    core.tree.answered(ask.key, Renewed(leave(node(given[0]), node(given[1]))), core.now)
    assert _capability(core) == b""
    assert core.tree.counters["capabilities_invalid"] == 1


def test_a_question_that_is_not_answered_is_put_again(core: Core) -> None:
    _relay(core, b"")
    core.advance(limits.capability_soon_seconds)
    core.one(Ask)
    core.advance(limits.capability_retry_seconds)
    assert core.one(Ask)


def test_what_ends_meanwhile_is_not_renewed(core: Core) -> None:
    _relay(core, b"")
    core.advance(limits.capability_soon_seconds)
    ask = core.one(Ask)
    core.release()
    core.advance(limits.relay_linger_seconds)
    core.tree.answered(ask.key, Renewed(leave(node(1), node(0))), core.now)
    core.advance(60)
    core.actions()
    assert core.tree.pending() == 0
