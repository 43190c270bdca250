"""Who owns a stream: a relay that becomes its owner, an owner that yields, and what happens to those below."""

import pytest

from foundation import limits
from foundation.errors import LocalError
from swarm.messages import Accepted, Consume, Ended, EndReason, Leave
from swarm.tree.actions import Accept, Attach, Carried, Detach, Lookup, Settled
from swarm.tree.carriage import Carriage
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def _carriage(core: Core) -> Carriage:
    carriage = core.tree.carriage(P)
    assert carriage is not None
    return carriage


def _relay_of(core: Core, epoch: int) -> int:
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(), epoch=epoch))
    core.actions()
    return request


def test_an_owner_tells_its_epoch(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.asked_by(2)
    assert core.one(Accept).answer.epoch == 5


def test_a_relay_becomes_the_owner_and_keeps_its_children(core: Core) -> None:
    request = _relay_of(core, epoch=5)
    core.feed(2)
    core.tree.produced(P, 6, core.now)
    done = core.actions()
    assert Leave(request, P) in messages(done)
    [reopened] = [action for action in done if isinstance(action, Accept)]
    assert (reopened.child, reopened.answer.request, reopened.answer.rank, reopened.answer.epoch) == (node(2), 1, 0, 6)
    assert reopened.answer.lineage == (node(0),)
    assert (_carriage(core).owned, _carriage(core).rank, core.tree.load.children) == (True, 0, 1)


def test_an_orphan_of_this_very_stream_becomes_its_owner(core: Core) -> None:
    _relay_of(core, epoch=5)
    core.feed(2)
    core.unlink(1)
    core.actions()
    core.tree.produced(P, 6, core.now)
    assert _carriage(core).owned
    core.release()
    core.receive(2, Leave(1, P))
    core.tree.unproduced(P, core.now)
    core.advance(60)
    assert core.tree.pending() == 0


def test_viewers_that_waited_for_the_stream_get_it_from_the_publisher_here(core: Core) -> None:
    core.asks_owner()
    core.tree.produced(P, 6, core.now)
    assert Settled(P, "v", Carried()) in core.actions()


@pytest.mark.parametrize("epoch", [4, 5])
def test_a_stream_that_comes_from_elsewhere_with_no_lower_epoch_is_not_owned(core: Core, epoch: int) -> None:
    _relay_of(core, epoch=5)
    with pytest.raises(LocalError):
        core.tree.produced(P, epoch, core.now)
    assert not _carriage(core).owned


def test_a_relay_of_a_new_session_opens_its_pipes_anew(core: Core) -> None:
    request = _relay_of(core, epoch=5)
    core.feed(2)
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(77), epoch=6))
    done = core.actions()
    assert Attach(P, node(1), tracks(77), same_source=False) in done
    assert [(a.child, a.answer.epoch) for a in done if isinstance(a, Accept)] == [(node(2), 6)]


def test_an_owner_of_yesterday_yields_and_takes_the_stream_from_the_new_one(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.want()
    core.actions()
    core.feed(2)
    core.tree.superseded(P, 6, core.now)
    done = core.actions()
    assert Ended(1, P, EndReason.LOST) in messages(done)
    assert Lookup(P, fresh=True) in done
    assert not _carriage(core).owned
    core.tree.owner_found(P, record(3).contact, core.now, epoch=6)
    core.link(3)
    core.receive(3, Accepted(core.one(Consume).request, P, 0, (node(3),), tracks(7), epoch=6))
    assert core.one(Attach) == Attach(P, node(3), tracks(7))
    assert core.tree.viewers(P) == 1


def test_an_owner_of_yesterday_without_viewers_lets_go(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.tree.superseded(P, 6, core.now)
    assert core.one(Detach).producer == P
    core.advance(60)
    assert core.tree.pending() == 0


@pytest.mark.parametrize("epoch", [4, 5])
def test_an_owner_does_not_yield_to_an_epoch_that_is_not_higher(core: Core, epoch: int) -> None:
    core.tree.produced(P, 5, core.now)
    core.tree.superseded(P, epoch, core.now)
    assert _carriage(core).owned


def test_what_a_stranger_says_of_the_epoch_is_looked_up_and_not_believed(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.actions()
    core.asked_by(2, epoch=2**60)
    assert Lookup(P, fresh=True) in core.actions()
    core.tree.owner_found(P, record(0).contact, core.now, epoch=5)
    assert _carriage(core).owned
    core.tree.owner_found(P, record(3).contact, core.now, epoch=6)
    assert core.tree.carriage(P) is None


def test_strangers_cause_one_lookup_in_some_seconds(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.link(2)
    for request in range(50):
        core.receive(2, Consume(request, P, epoch=9))
        core.advance(0.1)
    looked = sum(isinstance(action, Lookup) for action in core.actions())
    assert looked <= 1 + 5.0 / limits.owner_doubt_seconds


def test_the_lease_of_another_node_with_an_older_epoch_changes_nothing(core: Core) -> None:
    core.tree.produced(P, 5, core.now)
    core.tree.owner_found(P, record(3).contact, core.now, epoch=4)
    assert _carriage(core).owned
