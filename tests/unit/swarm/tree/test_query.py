"""Asking a producer's owner for the whole tree."""

import pytest

from foundation import limits
from swarm.messages import Tree, TreeNode, TreeReply
from swarm.tree.actions import Connect, Lookup, TreeKnown
from tests.unit.swarm.tree.relay_core import Core, P, node, record

SHOWN = TreeNode(node(1), "http://n1", record(1).addresses[0], 2)


@pytest.fixture
def core() -> Core:
    core = Core()
    core.tree.tree(P, core.now)
    assert core.one(Lookup) == Lookup(P, fresh=False)
    return core


def _asked(core: Core) -> int:
    core.owned_by(1)
    core.link(1)
    return core.one(Tree).request


def test_the_owner_is_found_linked_and_asked(core: Core) -> None:
    core.owned_by(1)
    assert core.one(Connect).contact.node == node(1)
    core.link(1)
    question = core.one(Tree)
    core.receive(1, TreeReply(question.request, P, (SHOWN,), 4))
    assert core.one(TreeKnown) == TreeKnown(P, (SHOWN,), 4)
    assert core.tree.pending() == 0


def test_an_owner_with_a_link_is_asked_at_once(core: Core) -> None:
    core.link(1)
    core.owned_by(1)
    core.one(Tree)


def test_the_same_question_is_asked_once(core: Core) -> None:
    core.tree.tree(P, core.now)
    assert core.actions() == []


@pytest.mark.parametrize("owner", [None, 0])
def test_a_stream_nobody_owns_has_no_tree(core: Core, owner: int | None) -> None:
    core.owned_by(owner)
    assert core.one(TreeKnown) == TreeKnown(P, ())


def test_an_owner_that_cannot_be_reached_has_no_tree(core: Core) -> None:
    core.owned_by(1)
    core.tree.link_failed(node(1), core.now)
    assert core.actions()[-1] == TreeKnown(P, ())


def test_an_owner_whose_link_is_lost_has_no_tree(core: Core) -> None:
    _asked(core)
    core.unlink(1)
    assert core.one(TreeKnown) == TreeKnown(P, ())


@pytest.mark.parametrize("step", ["lookup", "link", "answer"])
def test_every_step_ends(core: Core, step: str) -> None:
    if step == "link":
        core.owned_by(1)
    if step == "answer":
        _asked(core)
    core.actions()
    core.advance(limits.find_seconds_max + limits.connect_seconds_max)
    assert core.one(TreeKnown) == TreeKnown(P, ())
    assert core.tree.pending() == 0


def test_answers_by_others_or_to_other_questions_are_not_taken(core: Core) -> None:
    request = _asked(core)
    core.link(2)
    core.receive(2, TreeReply(request, P, (SHOWN,)))
    core.receive(1, TreeReply(request + 1, P, (SHOWN,)))
    assert core.actions() == []


def test_a_relay_that_asks_for_the_tree_answers_its_own_part_of_it() -> None:
    core = Core()
    core.relay(1)
    core.tree.tree(P, core.now)
    core.actions()
    core.owned_by(1)
    request = core.one(Tree).request
    core.receive(1, Tree(77, P, 3, 1000))
    assert core.one(TreeReply).nodes[0].node == core.me
    core.receive(1, TreeReply(request, P, (SHOWN,)))
    core.one(TreeKnown)


def test_the_link_to_an_owner_that_is_asked_is_in_use(core: Core) -> None:
    _asked(core)
    assert core.tree.uses_link(node(1))
    assert not core.tree.uses_link(node(2))
