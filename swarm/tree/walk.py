"""Collecting the relay tree below this carrier: it asks its children, and answers with what came in time."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from foundation import limits
from foundation.address import format_address
from foundation.identity import NodeId
from swarm.messages import Tree, TreeNode, TreeReply
from swarm.record import NodeRecord
from swarm.tree.actions import TreeKnown
from swarm.tree.carriage import Carriage
from swarm.tree.state import RelayState


@dataclass(slots=True)
class _Walk:
    """One collection: who asked (None: this node itself), who is asked, and the answer once it is known."""

    producer: UUID
    askers: list[tuple[NodeId | None, int]] = field(default_factory=list)
    waiting: dict[NodeId, int] = field(default_factory=dict)
    replies: dict[NodeId, TreeReply] = field(default_factory=dict)
    answer: TreeReply | None = None


class TreeWalks:
    """One walk for each producer at a time, remembered for a moment: a question asked often costs the tree one walk."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._walks: dict[UUID, _Walk] = {}

    def __len__(self) -> int:
        return len(self._walks)

    def asks(self, node: NodeId) -> bool:
        """Whether an answer of `node` is awaited."""
        return any(node in walk.waiting for walk in self._walks.values())

    def collect(self, carriage: Carriage, now: float) -> None:
        """This node itself wants to know its subtree."""
        self._join(carriage, None, 0, limits.tree_levels_max, limits.tree_seconds_max, now)

    def asked(self, node: NodeId, question: Tree, now: float) -> None:
        """Another node wants to know this subtree."""
        carriage = self._state.carriages.get(question.producer)
        if carriage is None:
            self._state.send(node, TreeReply(question.request, question.producer, ()))
            return
        seconds = min(question.wait_ms / 1000, limits.tree_seconds_max) - limits.tree_level_seconds
        self._join(carriage, node, question.request, question.levels, max(0.0, seconds), now)

    def answered(self, node: NodeId, reply: TreeReply, now: float) -> None:
        """What is below one child."""
        walk = self._walks.get(reply.producer)
        if walk is None or walk.waiting.get(node) != reply.request:
            self._state.counters["tree_reply_stale"] += 1
            return
        walk.replies[node] = reply
        self._no_longer_waiting(walk, node, now)

    def link_down(self, node: NodeId, now: float) -> None:
        """Whoever was asked there will not answer, and whoever asked from there needs no answer."""
        for walk in self._walks.values():
            walk.askers = [asker for asker in walk.askers if asker[0] != node]
            if node in walk.waiting:
                self._no_longer_waiting(walk, node, now)

    def expired(self, producer: UUID, now: float) -> None:
        """The time for collecting is over, or that for remembering."""
        walk = self._walks[producer]
        if walk.answer is None:
            self._finish(walk, now)
        else:
            del self._walks[producer]

    def _join(
        self, carriage: Carriage, asker: NodeId | None, request: int, levels: int, seconds: float, now: float
    ) -> None:
        walk = self._walks.get(carriage.producer)
        if walk is not None and walk.answer is not None:
            self._tell(asker, request, walk.answer)
        elif walk is not None and len(walk.askers) < limits.tree_askers_max:
            walk.askers.append((asker, request))
        elif walk is None and len(self._walks) < limits.tree_walks_max:
            walk = self._walks[carriage.producer] = _Walk(carriage.producer, [(asker, request)])
            self._ask_children(walk, carriage, levels, seconds, now)
        else:
            self._state.counters["tree_walks_refused"] += 1
            self._tell(asker, request, TreeReply(0, carriage.producer, ()))

    def _ask_children(self, walk: _Walk, carriage: Carriage, levels: int, seconds: float, now: float) -> None:
        if not carriage.children or levels == 0:
            self._finish(walk, now)
            return
        self._state.deadlines.set(("walk", walk.producer), now + seconds)
        for child in carriage.children:
            walk.waiting[child] = self._state.new_request()
            self._state.send(child, Tree(walk.waiting[child], walk.producer, levels - 1, int(seconds * 1000)))

    def _no_longer_waiting(self, walk: _Walk, node: NodeId, now: float) -> None:
        del walk.waiting[node]
        if not walk.waiting:
            self._finish(walk, now)

    def _finish(self, walk: _Walk, now: float) -> None:
        walk.answer = self._merged(walk)
        walk.waiting.clear()
        walk.replies.clear()
        for asker, request in walk.askers:
            self._tell(asker, request, walk.answer)
        walk.askers.clear()
        self._state.deadlines.set(("walk", walk.producer), now + limits.tree_fresh_seconds)

    def _merged(self, walk: _Walk) -> TreeReply:
        """This node first, and every child's part below it."""
        carriage = self._state.carriages.get(walk.producer)
        if carriage is None:
            return TreeReply(0, walk.producer, ())
        nodes = [_described(self._state.me, len(self._state.viewers.get(walk.producer, ())))]
        left_out = 0
        for child in carriage.children:
            part, more_left_out = self._part(child, walk.replies.get(child))
            room, start = limits.tree_nodes_max - len(nodes), len(nodes)
            left_out += more_left_out + max(0, len(part) - room)
            nodes += [replace(node, parent=0 if node.parent is None else node.parent + start) for node in part[:room]]
        return TreeReply(0, walk.producer, tuple(nodes), left_out)

    def _part(self, child: NodeId, reply: TreeReply | None) -> tuple[tuple[TreeNode, ...], int]:
        """What a child said of its subtree, or that there is a child, which is all that is known of a silent one."""
        if reply is not None and reply.nodes and reply.nodes[0].node == child:
            return reply.nodes, reply.left_out
        record = self._state.links.get(child)
        return ((_described(record, 0),) if record is not None else ()), 0

    def _tell(self, asker: NodeId | None, request: int, answer: TreeReply) -> None:
        if asker is None:
            self._state.do(TreeKnown(answer.producer, answer.nodes, answer.left_out))
        else:
            self._state.send(asker, replace(answer, request=request))


def nested(nodes: tuple[TreeNode, ...]) -> dict[str, Any] | None:
    """The tree as the HTTP API shows it: every node with its `children`; None without nodes."""
    shown: list[dict[str, Any]] = []
    for node in nodes:
        shown.append(
            {
                "node": node.node.hex(),
                "url": node.url,
                "address": format_address(node.address),
                "viewers": node.viewers,
                "children": [],
            }
        )
        if node.parent is not None:
            shown[node.parent]["children"].append(shown[-1])
    return shown[0] if shown else None


def _described(record: NodeRecord, viewers: int) -> TreeNode:
    return TreeNode(record.node, record.url, record.addresses[0], viewers)
