"""One search for a carrier of one stream: whom it asks now, whom it may ask next, whom it has asked."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Consume, Position, Purpose
from swarm.record import Contact


@dataclass(slots=True)
class Ask:
    """One carrier that is asked: first for a link while `request` is None, then for the stream.

    `slow`: it may still answer, but the next one is asked meanwhile.
    """

    contact: Contact
    request: int | None = None
    reconnected: bool = False
    slow: bool = False


@dataclass(slots=True)
class Pull:
    """`fresh`: the owner is looked up past every cache; `found_full`: it is live, and some carrier had no place.

    `width` carriers are asked at a time. `last` are asked after all others. `held` are CONSUMEs of others that wait
    for this pull. `rounds` and what follows count in a failover alone, which begins anew until it succeeds.
    """

    producer: UUID
    fresh: bool
    purpose: Purpose = Purpose.NEW
    width: int = 1
    owner: Contact | None = None
    epoch: int = 0
    """Of the lease: what carriers of an earlier session offer is stale."""
    looking: bool = False
    asks: dict[NodeId, Ask] = field(default_factory=dict)
    capability: bytes = b""
    """The owner's leave, as far as it was given for this search."""
    delegations: int = 0
    tried: list[NodeId] = field(default_factory=list)
    queue: deque[Contact] = field(default_factory=deque)
    last: tuple[NodeId, ...] = ()
    found_full: bool = False
    held: dict[NodeId, Consume] = field(default_factory=dict)
    began_at: float = 0.0
    rounds: int = 0
    looked: bool = False
    """Whether the owner was looked up in this round."""
    owner_refused: bool = False
    """Whether the owner lives and had no place, in this round."""
    fed_elsewhere: bool = False
    """Whether a carrier that is fed could take this node but for its children, in this round."""
    refused_rounds: int = 0

    def restart(self, fresh: bool) -> None:
        """Nothing is tried any more; whoever is asked now may still answer."""
        self.fresh, self.looked = fresh, False
        self.owner_refused = self.fed_elsewhere = False
        self.delegations = 0
        self.tried = list(self.asks)
        self.queue.clear()

    def next_target(self, excluded: Iterable[NodeId]) -> Contact | None:
        """The next carrier to ask, None when there is none: no node is asked twice."""
        excluded = {*excluded, *self.tried}
        while self.queue and len(self.tried) < limits.tried_nodes_max:
            contact = self.queue.popleft()
            if contact.node not in excluded:
                self.tried.append(contact.node)
                self.asks[contact.node] = Ask(contact)
                return contact
        return None

    def may_ask(self) -> bool:
        """Whether one more carrier may be asked now."""
        return sum(not ask.slow for ask in self.asks.values()) < self.width

    def delegate(self, contacts: list[Contact]) -> bool:
        """Puts the candidates of a busy carrier first; false when this request was sent on often enough."""
        contacts = sorted(contacts, key=lambda contact: contact.node in self.last)
        self.queue.extendleft(reversed(contacts))
        if self.delegations >= limits.delegations_max:
            return False
        self.delegations += 1
        return True

    def consume(
        self,
        node: NodeId,
        request: int,
        rank_below: int | None,
        epoch: int = 0,
        resume: tuple[Position, ...] = (),
        region: str = "",
        capability: bytes = b"",
    ) -> Consume:
        """The question to one of those that are asked."""
        self.asks[node].request = request
        tried = tuple(other for other in self.tried if other != node)
        return Consume(
            request,
            self.producer,
            tried,
            self.delegations,
            rank_below,
            purpose=self.purpose,
            region=region,
            capability=self.capability or capability,
            epoch=epoch,
            resume=resume,
        )

    def answers(self, node: NodeId, request: int) -> bool:
        """Whether this request is the one `node` was asked and may still answer."""
        ask = self.asks.get(node)
        return ask is not None and ask.request == request
