"""What nodes say to each other, as frozen values; `swarm.wire` has their bytes, docs/PROTOCOL.md explains every field.

Most travel on links. FIND, PROBE, RECRUIT, OFFER, RENEW and their answers are asks: one datagram each way, no link.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from foundation.address import Address
from foundation.identity import NodeId
from media.parameters import Kind, TrackParameters


class RefusalReason(StrEnum):
    """Why a CONSUME was refused; other texts from newer nodes are taken as they are."""

    BUSY = "busy"
    NOT_CARRIED = "not-carried"
    LOOP = "loop"
    RANK = "rank"
    DEPTH = "depth"
    FAILED = "failed"
    CAPABILITY = "capability"
    DRAINING = "draining"


class EndReason(StrEnum):
    """Why a parent ended a child's stream."""

    UNPUBLISHED = "unpublished"
    LOST = "lost"
    NOT_A_CHILD = "not-a-child"
    SILENT = "silent"
    IDLE = "idle"


class Purpose(StrEnum):
    """Why a node asks for a stream: only a failover may exceed what is held back, a move leaves another parent."""

    NEW = "new"
    FAILOVER = "failover"
    MOVE = "move"


class ErrorCode(StrEnum):
    """What was wrong with a message."""

    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_VERSION = "unknown-version"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side: its signed node record and, in a private swarm, the proof of the swarm key."""

    type: ClassVar[str] = "hello"
    record: bytes
    proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a child stands in one track: the first sequence number that it misses and that can still be repaired."""

    kind: Kind
    sequence: int


@dataclass(frozen=True, slots=True)
class Consume:
    """Child to carrier: feed me. `rank_below` is set by an asker with children: only a lower rank may feed it.

    `capability` is the owner's leave for this asker; `resume` and its `epoch` say what the asker has already, so that
    the pipe begins with what it misses.
    """

    type: ClassVar[str] = "consume"
    request: int
    producer: UUID
    tried: tuple[NodeId, ...] = ()
    delegations: int = 0
    rank_below: int | None = None
    purpose: str = Purpose.NEW
    region: str = ""
    capability: bytes = b""
    epoch: int = 0
    resume: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Carrier to child: the pipe is open. `rank`, `lineage` and `delay_ms` are the carrier's; every track has its SSRC.

    `epoch` numbers the publisher's session: what comes of another epoch has other sequence numbers and timestamps.
    """

    type: ClassVar[str] = "accepted"
    request: int
    producer: UUID
    rank: int
    lineage: tuple[NodeId, ...]
    tracks: tuple[TrackParameters, ...]
    delay_ms: int = 0
    epoch: int = 0
    capability: bytes = b""


@dataclass(frozen=True, slots=True)
class Delegated:
    """Busy carrier to child: ask these carriers, best first; signed node records, and the owner's leave to do so."""

    type: ClassVar[str] = "delegated"
    request: int
    producer: UUID
    candidates: tuple[bytes, ...]
    capability: bytes = b""


@dataclass(frozen=True, slots=True)
class Refused:
    """Carrier to child: not from me, and I know nobody else. `reason` is a `RefusalReason` or a later word."""

    type: ClassVar[str] = "refused"
    request: int
    producer: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Child to parent: I no longer need the stream that this request opened."""

    type: ClassVar[str] = "leave"
    request: int
    producer: UUID


@dataclass(frozen=True, slots=True)
class Release:
    """Answer to an ACCEPTED that came too late or cannot be used: take the slot back."""

    type: ClassVar[str] = "release"
    request: int
    producer: UUID


@dataclass(frozen=True, slots=True)
class Ended:
    """Parent to child: nothing more will come. `reason` is an `EndReason` or a later word."""

    type: ClassVar[str] = "ended"
    request: int
    producer: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ReportedCandidate:
    """A carrier of a subtree, as a REPORT names it: its rank, and its free slots as in `Report`."""

    node: NodeId
    rank: int
    relay_room: int
    viewer_room: int
    spare: int


@dataclass(frozen=True, slots=True)
class Report:
    """Child to parent: my own free slots, the size of my subtree (me included), and the best few carriers below me.

    `viewer_room` is for viewers that are wanted, `spare` for those that find nothing else, the others included.
    `records` are those of the carriers named which this link has not carried lately.
    """

    type: ClassVar[str] = "report"
    request: int
    producer: UUID
    relay_room: int
    viewer_room: int
    spare: int
    size: int
    carriers: tuple[ReportedCandidate, ...] = ()
    records: tuple[bytes, ...] = ()
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Lineage:
    """Parent to child: where I hang now; as in ACCEPTED."""

    type: ClassVar[str] = "lineage"
    request: int
    producer: UUID
    rank: int
    lineage: tuple[NodeId, ...]
    delay_ms: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Backup:
    """A carrier that could feed the child when its parent cannot: signed record, rank, delay from the owner."""

    record: bytes
    rank: int
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Backups:
    """Parent to child: whom to ask when I am gone, best first; replaces what was said before."""

    type: ClassVar[str] = "backups"
    request: int
    producer: UUID
    backups: tuple[Backup, ...]


@dataclass(frozen=True, slots=True)
class Handover:
    """Parent to child: I am about to go, take another parent while I still feed you. Signed records, best first."""

    type: ClassVar[str] = "handover"
    request: int
    producer: UUID
    candidates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """Who hangs below you? Goes down at most `levels` more levels; the asker waits for `wait_ms`."""

    type: ClassVar[str] = "tree"
    request: int
    producer: UUID
    levels: int
    wait_ms: int


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One carrier of a tree; `parent` is the index of its parent in the same list, None for the first."""

    node: NodeId
    url: str
    address: Address
    viewers: int
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class TreeReply:
    """The subtree of the answering node, itself first, parents before children; no nodes when it does not carry."""

    type: ClassVar[str] = "tree-reply"
    request: int
    producer: UUID
    nodes: tuple[TreeNode, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Find:
    """Ask of a node with waiting viewers to the owner: where is room for so many? `avoid` was just found full.

    `room` is what the asker could serve itself if it carried the stream: none where it does.
    """

    type: ClassVar[str] = "find"
    producer: UUID
    places: int
    region: str = ""
    room: int = 0
    avoid: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A carrier with room for `count` viewers, by its base URL."""

    node: NodeId
    url: str
    count: int


@dataclass(frozen=True, slots=True)
class Places:
    """Answer to FIND. `retry_ms`: room is coming, ask again then for the rest; 0: carry it yourself if you can."""

    type: ClassVar[str] = "places"
    producer: UUID
    places: tuple[Place, ...]
    retry_ms: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask of a carrier that looks for a relay: how much room have you?"""

    type: ClassVar[str] = "probe"
    producer: UUID


@dataclass(frozen=True, slots=True)
class Probed:
    """Answer to PROBE: my signed record and free slots; `carries`: I have this stream already, or am getting it."""

    type: ClassVar[str] = "probed"
    record: bytes
    relay_room: int
    viewer_room: int
    spare: int
    carries: bool = False


@dataclass(frozen=True, slots=True)
class Recruit:
    """Ask of a carrier: relay this stream, from `parent` (a signed record) with the owner's leave `capability`."""

    type: ClassVar[str] = "recruit"
    producer: UUID
    parent: bytes
    capability: bytes = b""


@dataclass(frozen=True, slots=True)
class Recruited:
    """Answer to RECRUIT: I do, with so many free slots; none: I do not."""

    type: ClassVar[str] = "recruited"
    relay_room: int
    viewer_room: int
    spare: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Ask of a node that has just joined: I have room, remember me. Nothing is answered."""

    type: ClassVar[str] = "offer"
    record: bytes
    relay_room: int
    viewer_room: int
    spare: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask of a relay to the owner: my capability runs out."""

    type: ClassVar[str] = "renew"
    producer: UUID


@dataclass(frozen=True, slots=True)
class Renewed:
    """Answer to RENEW: the owner's leave for the asker."""

    type: ClassVar[str] = "renewed"
    capability: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Ask of a node where somebody wants to publish, to the owner: is `claimant` who publishes it with you?"""

    type: ClassVar[str] = "claim"
    producer: UUID
    claimant: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """Answer to CLAIM: whether the stream may go on at the other node."""

    type: ClassVar[str] = "claimed"
    granted: bool


@dataclass(frozen=True, slots=True)
class Error:
    """A message of the receiver could not be used; never answered. `about` is the type it had, or empty."""

    type: ClassVar[str] = "error"
    code: str
    about: str = ""


Message = (
    Hello
    | Consume
    | Accepted
    | Delegated
    | Refused
    | Leave
    | Release
    | Ended
    | Report
    | Lineage
    | Tree
    | TreeReply
    | Backups
    | Handover
    | Find
    | Places
    | Probe
    | Probed
    | Recruit
    | Recruited
    | Offer
    | Renew
    | Renewed
    | Claim
    | Claimed
    | Error
)
