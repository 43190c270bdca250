"""Who hangs below: asked by a parent, by a stranger, by this node, and answered late, wrongly or not at all."""

from typing import Any

import pytest

from foundation import limits
from swarm.messages import Tree, TreeNode, TreeReply
from swarm.tree.actions import TreeKnown
from swarm.tree.walk import nested
from tests.unit.swarm.tree.relay_core import Core, P, Q, node, record


def _shown(number: int, viewers: int = 0, parent: int | None = None) -> TreeNode:
    its = record(number)
    return TreeNode(its.node, its.url, its.addresses[0], viewers, parent)


@pytest.fixture
def owner() -> Core:
    core = Core(slots=9)
    core.own()
    return core


def _asks(core: Core, number: int = 9, request: int = 5, levels: int = 16, wait_ms: int = 2000) -> None:
    core.link(number)
    core.receive(number, Tree(request, P, levels, wait_ms))


def _questions(core: Core) -> dict[bytes, Tree]:
    return {to: message for to, message in core.sent() if isinstance(message, Tree)}


def test_a_leaf_answers_at_once(owner: Core) -> None:
    owner.want()
    owner.actions()
    _asks(owner)
    assert owner.one(TreeReply) == TreeReply(5, P, (_shown(0, viewers=1),))


def test_a_node_that_does_not_carry_answers_with_nothing(owner: Core) -> None:
    owner.link(9)
    owner.receive(9, Tree(5, Q, 16, 2000))
    assert owner.one(TreeReply) == TreeReply(5, Q, ())


def test_children_are_asked_and_their_parts_put_below(owner: Core) -> None:
    owner.feed(1)
    owner.feed(2)
    _asks(owner)
    questions = _questions(owner)
    assert set(questions) == {node(1), node(2)}
    assert {question.levels for question in questions.values()} == {15}
    assert all(question.wait_ms < 2000 for question in questions.values())
    owner.receive(2, TreeReply(questions[node(2)].request, P, (_shown(2, 4), _shown(5, 1, 0), _shown(6, 0, 1))))
    assert owner.actions() == []
    owner.receive(1, TreeReply(questions[node(1)].request, P, (_shown(1, 2),)))
    reply = owner.one(TreeReply)
    assert reply.nodes == (
        _shown(0),
        _shown(1, 2, 0),
        _shown(2, 4, 0),
        _shown(5, 1, 2),
        _shown(6, 0, 3),
    )


def test_a_silent_child_is_shown_without_what_is_below_it(owner: Core) -> None:
    owner.feed(1)
    _asks(owner, wait_ms=1000)
    owner.actions()
    owner.advance(1.0)
    assert owner.one(TreeReply).nodes == (_shown(0), _shown(1, 0, 0))


def test_a_child_whose_link_is_lost_is_not_waited_for(owner: Core) -> None:
    owner.feed(1)
    owner.feed(2)
    _asks(owner)
    questions = _questions(owner)
    owner.receive(1, TreeReply(questions[node(1)].request, P, (_shown(1),)))
    owner.unlink(2)
    assert owner.one(TreeReply).nodes == (_shown(0), _shown(1, 0, 0))


def test_the_deepest_level_asks_nobody(owner: Core) -> None:
    owner.feed(1)
    _asks(owner, levels=0)
    assert owner.one(TreeReply).nodes == (_shown(0), _shown(1, 0, 0))


def test_a_child_that_answers_in_anothers_name_is_shown_as_itself(owner: Core) -> None:
    owner.feed(1)
    _asks(owner)
    request = _questions(owner)[node(1)].request
    owner.receive(1, TreeReply(request, P, (_shown(5, 1000),)))
    assert owner.one(TreeReply).nodes == (_shown(0), _shown(1, 0, 0))


def test_late_repeated_and_unasked_answers_are_forgotten(owner: Core) -> None:
    owner.feed(1)
    owner.receive(1, TreeReply(1, P, (_shown(1),)))
    _asks(owner)
    request = _questions(owner)[node(1)].request
    owner.receive(1, TreeReply(request + 1, P, (_shown(1),)))
    owner.receive(1, TreeReply(request, P, (_shown(1),)))
    owner.one(TreeReply)
    owner.receive(1, TreeReply(request, P, (_shown(1),)))
    assert owner.actions() == []
    assert owner.tree.counters["tree_reply_stale"] == 3


def test_many_who_ask_cost_one_walk(owner: Core) -> None:
    owner.feed(1)
    for number in (7, 8, 9):
        _asks(owner, number)
    questions = _questions(owner)
    assert set(questions) == {node(1)}
    owner.receive(1, TreeReply(questions[node(1)].request, P, (_shown(1),)))
    assert {to for to, message in owner.sent() if isinstance(message, TreeReply)} == {node(7), node(8), node(9)}
    _asks(owner, 6)
    assert len(owner.one(TreeReply).nodes) == 2
    owner.advance(limits.tree_fresh_seconds)
    _asks(owner, 6)
    assert set(_questions(owner)) == {node(1)}


def test_what_does_not_fit_is_counted(owner: Core) -> None:
    owner.feed(1)
    owner.feed(2)
    _asks(owner)
    questions = _questions(owner)
    many = tuple(_shown(1, 0, 0 if index else None) for index in range(limits.tree_nodes_max - 1))
    owner.receive(1, TreeReply(questions[node(1)].request, P, many, left_out=3))
    owner.receive(2, TreeReply(questions[node(2)].request, P, (_shown(2), _shown(5, 0, 0))))
    reply = owner.one(TreeReply)
    assert len(reply.nodes) == limits.tree_nodes_max
    assert reply.left_out == 3 + 2


def test_the_owner_knows_its_tree_without_asking_elsewhere(owner: Core) -> None:
    owner.tree.tree(P, owner.now)
    assert owner.one(TreeKnown) == TreeKnown(P, (_shown(0),))


def test_a_stream_that_ended_meanwhile_has_no_tree(owner: Core) -> None:
    owner.feed(1)
    _asks(owner)
    owner.actions()
    owner.tree.unproduced(P, owner.now)
    owner.actions()
    owner.advance(limits.tree_seconds_max)
    assert owner.one(TreeReply).nodes == ()


def test_nothing_is_left_of_a_walk(owner: Core) -> None:
    owner.feed(1)
    _asks(owner)
    owner.unlink(1)
    owner.tree.unproduced(P, owner.now)
    owner.advance(10)
    assert owner.tree.pending() == 0


def test_a_tree_is_shown_nested() -> None:
    root: Any = nested((_shown(0), _shown(1, 2, 0), _shown(2, 3, 1), _shown(3, 0, 0)))
    assert root["node"] == node(0).hex()
    assert root["address"] == "10.0.0.1:1"
    assert [child["url"] for child in root["children"]] == ["http://n1", "http://n3"]
    assert root["children"][0]["children"][0]["viewers"] == 3
    assert nested(()) is None
