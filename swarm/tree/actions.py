"""What the relay tree asks its shell to do, and how a wish for a stream can end."""

from dataclasses import dataclass
from uuid import UUID

from foundation.identity import NodeId
from media.parameters import TrackParameters
from swarm.messages import Accepted, Message, Position, TreeNode
from swarm.record import Contact


@dataclass(frozen=True, slots=True)
class Lookup:
    """Find the owner of a producer and answer with `owner_found`; `fresh`: not from a cache, that one was wrong."""

    producer: UUID
    fresh: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """Get a link to this node up and answer with `link_up`, or with `link_failed`."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class Send:
    """Send a control message on the link to `node`."""

    node: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a question to a node in one datagram, without a link, and give its answer, or None, to `answered`.

    Of `contact` only the node and its first address are needed.
    """

    key: int
    contact: Contact
    message: Message


@dataclass(frozen=True, slots=True)
class Accept:
    """Open a pipe of the producer to `child`, fill its tracks into `answer` and send that; or call `accept_failed`.

    The pipe begins at the first packets that `resume` names, as far as they are kept. One that is there is replaced.
    """

    child: NodeId
    answer: Accepted
    resume: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class StopPipe:
    """Close the pipe of the producer to `child`, if it is still there."""

    child: NodeId
    producer: UUID


@dataclass(frozen=True, slots=True)
class Attach:
    """Take the producer from `parent`: with these tracks it comes in on the link; its first packet is `pipe_flowing`.

    When the producer is here already it stays, with all its consumers; only its source changes. `same_source`: the
    sequence numbers and timestamps go on, else the publisher's session is another one. `keep_old`: what feeds it now
    goes on doing so, until `DropSource`.
    """

    producer: UUID
    parent: NodeId
    tracks: tuple[TrackParameters, ...]
    same_source: bool = True
    keep_old: bool = False


@dataclass(frozen=True, slots=True)
class DropSource:
    """Take the producer from this parent no longer: another one feeds it."""

    producer: UUID
    parent: NodeId


@dataclass(frozen=True, slots=True)
class Detach:
    """Close the piped producer: this node carries it no longer."""

    producer: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Carried:
    """The stream is here."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Other nodes have room for this viewer: their base URLs, best first; never empty."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nobody owns it, or its owner cannot be reached."""

    reason: str


@dataclass(frozen=True, slots=True)
class Full:
    """It is live, and no carrier that was asked has room; `candidates` carry it and were not asked."""

    candidates: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """It was here and has ended."""

    reason: str


Outcome = Carried | Elsewhere | NotFound | Full | Over


@dataclass(frozen=True, slots=True)
class Settled:
    """How the wish of one local viewer ended; unless it is `Carried` the viewer is forgotten, and its slot is free.

    A viewer that was served already is only told that the stream is `Over`.
    """

    producer: UUID
    viewer: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Drained:
    """A drain is over as far as nodes go: every child that could be handed over has gone. Viewers may still be here."""


@dataclass(frozen=True, slots=True)
class TreeKnown:
    """The answer to `tree`: parents before children, the owner first; empty when nobody knows the producer."""

    producer: UUID
    nodes: tuple[TreeNode, ...]
    left_out: int = 0


Action = (
    Lookup | Connect | Send | Ask | Accept | StopPipe | Attach | DropSource | Detach | Drained | Settled | TreeKnown
)
