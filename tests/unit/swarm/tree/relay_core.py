"""One relay tree core with its peers played by hand, for the tests of its parts."""

import random
from typing import TypeVar
from uuid import UUID

from foundation.errors import RemoteError
from foundation.identity import NodeId, swarm_id
from media.parameters import Codec, TrackParameters
from swarm.messages import Accepted, Consume, Message, Places, Position, Report, ReportedCandidate
from swarm.policy import DefaultPolicy
from swarm.record import Contact, NodeRecord
from swarm.tree.actions import Accept, Action, Ask, Lookup, Send
from swarm.tree.relay_tree import RelayTree

P = UUID(int=1)
Q = UUID(int=2)
SWARM = swarm_id("test")

A = TypeVar("A")


def record(number: int) -> NodeRecord:
    """The record of node `number`; its signature is its number, and good."""
    public = number.to_bytes(32, "big")
    return NodeRecord(
        SWARM, public, (("10.0.0.1", 1 + number),), public, f"http://n{number}", encoded=b"record %d" % number
    )


def read_record(encoded: bytes) -> NodeRecord:
    if not encoded.startswith(b"record "):
        raise RemoteError("forged")
    return record(int(encoded[7:]))


def node(number: int) -> NodeId:
    return record(number).node


def tracks(ssrc: int = 1000) -> tuple[TrackParameters, ...]:
    return (TrackParameters("video", "0", Codec("video/VP8", 90000, None, 96), ssrc),)


def messages(actions: list[Action]) -> list[Message]:
    """What is sent among some actions."""
    return [action.message for action in actions if isinstance(action, Send)]


def named(number: int, rank: int, relay_room: int, viewer_room: int = 0, spare: int = 0) -> ReportedCandidate:
    """Node `number` as a report names it; without a number for `spare` it has nothing to spare."""
    return ReportedCandidate(node(number), rank, relay_room, viewer_room, max(viewer_room, spare))


def records(*numbers: int) -> tuple[bytes, ...]:
    """Signed records, as they travel."""
    return tuple(record(number).encoded for number in numbers)


class OpenCapabilities:
    """Capabilities that say in the clear whose they are."""

    def __init__(self, me: NodeId) -> None:
        self._me = me

    def issue(self, producer: UUID, node: NodeId) -> bytes:
        return leave(self._me, node, producer)

    def owner(self, capability: bytes, producer: UUID, node: NodeId) -> NodeId | None:
        return capability[:20] if capability == leave(capability[:20], node, producer) else None


def leave(owner: NodeId, given_to: NodeId, producer: UUID = P) -> bytes:
    """The owner's leave for a node."""
    return owner + given_to + producer.bytes


class Core:
    """Node 0. Inputs are given at `now`; what came of them is taken out by type."""

    def __init__(self, slots: int = 3, positions: tuple[Position, ...] = ()) -> None:
        self.now = 100.0
        self.rtts: dict[NodeId, float] = {}
        self.others: list[Contact] = []
        """What the routing table has."""
        self.tree = RelayTree(
            record(0),
            DefaultPolicy(slots),
            random.Random(1),
            read_record,
            capabilities=OpenCapabilities(node(0)),
            sample=lambda count: self.others[:count],
            others=lambda: len(self.others),
            positions=lambda producer: positions,
            rtt=lambda node: self.rtts.get(node),
        )
        self.me = node(0)

    # --- outputs ---

    def actions(self) -> list[Action]:
        found = []
        while (action := self.tree.poll()) is not None:
            found.append(action)
        return found

    def sent(self) -> list[tuple[NodeId, Message]]:
        """The messages among all that there is to do."""
        return [(action.node, action.message) for action in self.actions() if isinstance(action, Send)]

    def one(self, kind: type[A]) -> A:
        """The only action, or message sent, of a type among all that there is to do."""
        done = self.actions()
        found = [thing for thing in (*done, *messages(done)) if isinstance(thing, kind)]
        assert len(found) == 1, done
        return found[0]

    # --- inputs ---

    def link(self, *numbers: int) -> None:
        for number in numbers:
            self.tree.link_up(record(number), self.now)

    def unlink(self, number: int) -> None:
        self.tree.link_down(node(number), self.now)

    def receive(self, number: int, message: Message) -> None:
        self.tree.message(node(number), message, self.now)

    def want(self, producer: UUID = P, viewer: str = "v", hops: int = 0) -> bool:
        """Whether the viewer has a slot here."""
        self.tree.want(producer, viewer, self.now, hops)
        return viewer in self.tree._state.viewers.get(producer, ())

    def release(self, producer: UUID = P, viewer: str = "v") -> None:
        self.tree.release_want(producer, viewer, self.now)

    def owned_by(self, number: int | None, producer: UUID = P) -> None:
        self.tree.owner_found(producer, None if number is None else record(number).contact, self.now)

    def advance(self, seconds: float) -> None:
        """Time goes by, and every deadline is handled at its time."""
        end = self.now + seconds
        while (at := self.tree.next_timeout()) is not None and at <= end:
            self.now = max(self.now, at)
            self.tree.timer(self.now)
        self.now = end

    # --- whole stories ---

    def own(self, producer: UUID = P) -> None:
        self.tree.produced(producer, 1, self.now)
        self.actions()

    def asked_by(self, number: int, request: int = 1, producer: UUID = P, **more: object) -> None:
        """A linked node asks to be fed, with the owner's leave."""
        self.link(number)
        carriage = self.tree.carriage(producer)
        root = carriage.lineage[0] if carriage is not None else node(1)
        more.setdefault("capability", leave(root, node(number), producer))
        self.receive(number, Consume(request, producer, **more))  # type: ignore[arg-type]

    def feed(self, number: int, request: int = 1, room: int = 2, **more: object) -> None:
        """A node becomes a child, and says how much room it has."""
        self.asked_by(number, request)
        self.one(Accept)
        self.receive(number, Report(request, P, room, room, room, 1, **more))  # type: ignore[arg-type]
        self.actions()

    def asks_owner(self, number: int = 1) -> Consume:
        """A viewer wants P, its owner is found and linked, and asked."""
        assert self.want()
        self.one(Lookup)
        self.owned_by(number)
        self.link(number)
        return self.one(Consume)

    def accepted_by(
        self, number: int, request: int, rank: int = 0, above: tuple[int, ...] = (), ssrc: int = 1000
    ) -> Accepted:
        """The answer of a carrier below the carriers `above`."""
        lineage = (*(node(n) for n in above), node(number))
        answer = Accepted(request, P, rank, lineage, tracks(ssrc), capability=leave(lineage[0], self.me))
        self.receive(number, answer)
        return answer

    def finds_no_place(self, owner: int = 1) -> None:
        """Those whose search found every carrier full ask the owner for places, of which there are none."""
        self.advance(0.0)
        self.one(Lookup)
        self.owned_by(owner)
        self.answers(Places(P, ()))

    def answers(self, answer: Message | None) -> Message:
        """The only open question is answered; gives the question."""
        ask = self.one(Ask)
        self.tree.answered(ask.key, answer, self.now)
        return ask.message

    def relay(self, number: int = 1) -> int:
        """This node relays P for a viewer, fed by its owner; gives the request of that bond."""
        request = self.asks_owner(number).request
        self.accepted_by(number, request)
        self.actions()
        return request
