"""Asking a producer's owner for the whole relay tree, from a node that is not the owner."""

from dataclasses import dataclass
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Tree, TreeNode, TreeReply
from swarm.record import Contact
from swarm.tree.actions import Connect, Lookup, TreeKnown
from swarm.tree.state import RelayState


@dataclass(slots=True)
class _Query:
    """Waits for the lookup while `owner` is None, for the link while `request` is None, then for the answer."""

    owner: Contact | None = None
    request: int | None = None


class TreeQueries:
    """One query for each producer at a time; each ends with `TreeKnown`, empty when the owner cannot be asked."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._queries: dict[UUID, _Query] = {}

    def __len__(self) -> int:
        return len(self._queries)

    def asks(self, node: NodeId) -> bool:
        """Whether a link to `node`, or an answer of it, is awaited."""
        return any(query.owner is not None and query.owner.node == node for query in self._queries.values())

    def begin(self, producer: UUID, now: float) -> None:
        if producer in self._queries:
            return
        if len(self._queries) >= limits.tree_walks_max:
            self._state.counters["tree_walks_refused"] += 1
            self._state.do(TreeKnown(producer, ()))
            return
        self._queries[producer] = _Query()
        self._state.deadlines.set(("query", producer), now + limits.find_seconds_max + limits.connect_seconds_max)
        self._state.do(Lookup(producer, fresh=False))

    def owner_found(self, producer: UUID, owner: Contact | None, now: float) -> None:
        """The answer to `Lookup`."""
        query = self._queries.get(producer)
        if query is None or query.owner is not None:
            return
        if owner is None or owner.node == self._state.node:
            self.end(producer, ())
            return
        query.owner = owner
        if owner.node in self._state.links:
            self._ask(producer, query, now)
        else:
            self._state.do(Connect(owner))

    def link_up(self, node: NodeId, now: float) -> None:
        for producer, query in self._queries.items():
            if query.owner is not None and query.owner.node == node and query.request is None:
                self._ask(producer, query, now)

    def link_lost(self, node: NodeId) -> None:
        for producer, query in list(self._queries.items()):
            if query.owner is not None and query.owner.node == node:
                self.end(producer, ())

    def answered(self, node: NodeId, reply: TreeReply) -> bool:
        """Whether this reply was meant for a query."""
        query = self._queries.get(reply.producer)
        if query is None or query.owner is None or query.owner.node != node or query.request != reply.request:
            return False
        self.end(reply.producer, reply.nodes, reply.left_out)
        return True

    def end(self, producer: UUID, nodes: tuple[TreeNode, ...], left_out: int = 0) -> None:
        """The query is answered, or its time is over."""
        if self._queries.pop(producer, None) is not None:
            self._state.deadlines.clear(("query", producer))
            self._state.do(TreeKnown(producer, nodes, left_out))

    def _ask(self, producer: UUID, query: _Query, now: float) -> None:
        assert query.owner is not None
        query.request = self._state.new_request()
        wait_ms = int(limits.tree_seconds_max * 1000)
        self._state.deadlines.set(("query", producer), now + limits.tree_seconds_max)
        self._state.send(query.owner.node, Tree(query.request, producer, limits.tree_levels_max, wait_ms))
