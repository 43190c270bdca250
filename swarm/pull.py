"""One search for a carrier of one stream: whom it asks now, whom it may ask next, whom it has asked."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Consume
from swarm.record import Contact


class Step(Enum):
    """What a pull waits for."""

    LOOKUP = auto()
    LINK = auto()
    ANSWER = auto()


@dataclass(slots=True)
class Pull:
    """`fresh`: the owner is looked up past every cache; `found_full`: it is live, and some carrier had no place.

    `lost_parent` is asked last, of all candidates. `held` are CONSUMEs of others that wait for this pull.
    """

    producer: UUID
    fresh: bool
    step: Step = Step.LOOKUP
    owner: Contact | None = None
    target: Contact | None = None
    request: int = 0
    delegations: int = 0
    tried: list[NodeId] = field(default_factory=list)
    queue: deque[Contact] = field(default_factory=deque)
    found_full: bool = False
    lost_parent: NodeId | None = None
    reconnected: bool = False
    held: dict[NodeId, Consume] = field(default_factory=dict)

    def restart(self, fresh: bool) -> None:
        """Back to the lookup, with nothing tried."""
        self.fresh, self.step = fresh, Step.LOOKUP
        self.owner = self.target = None
        self.delegations = 0
        self.tried.clear()
        self.queue.clear()

    def next_target(self, excluded: Iterable[NodeId]) -> Contact | None:
        """The next carrier to ask, None when there is none: no node is asked twice."""
        excluded = {*excluded, *self.tried}
        self.target = None
        while self.queue and self.target is None and len(self.tried) < limits.tried_nodes_max:
            contact = self.queue.popleft()
            if contact.node not in excluded:
                self.target = contact
                self.tried.append(contact.node)
        return self.target

    def delegate(self, contacts: list[Contact]) -> bool:
        """Puts the candidates of a busy carrier first; false when this request was sent on often enough."""
        contacts = sorted(contacts, key=lambda contact: contact.node == self.lost_parent)
        self.queue.extendleft(reversed(contacts))
        if self.delegations >= limits.delegations_max:
            return False
        self.delegations += 1
        return True

    def consume(self, request: int, rank_below: int | None) -> Consume:
        """The question to the present target."""
        assert self.target is not None
        self.step, self.request = Step.ANSWER, request
        tried = tuple(node for node in self.tried if node != self.target.node)
        return Consume(request, self.producer, tried, self.delegations, rank_below)

    def asks(self, node: NodeId, request: int) -> bool:
        """Whether this request is the one `node` was asked and may still answer."""
        return (
            self.step is Step.ANSWER
            and self.target is not None
            and self.target.node == node
            and self.request == request
        )
