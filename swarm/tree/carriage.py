"""One stream at a carrier: where it comes from and which nodes it goes to."""

from dataclasses import dataclass, field
from uuid import UUID

from foundation.identity import NodeId
from media.parameters import TrackParameters
from swarm.messages import Accepted, Backup, Backups, Lineage, Report
from swarm.policy import Candidate
from swarm.record import Contact, NodeRecord


@dataclass(slots=True)
class Child:
    """A node that takes the stream from here; a reservation until its first report confirms it."""

    node: NodeId
    request: int
    report: Report | None = None
    below: tuple[Candidate, ...] = ()
    backups: tuple[Backup, ...] = ()
    """As it was told."""
    handed_over: bool = False
    """Whether it was asked to take another parent."""

    @property
    def size(self) -> int:
        """Carriers in the child's subtree, itself included, as it says."""
        return self.report.size if self.report else 1


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """A carrier that the parent named for the time when it is gone; rank and delay are those of that moment."""

    record: NodeRecord
    rank: int
    delay_ms: int

    @property
    def node(self) -> NodeId:
        return self.record.node


@dataclass(slots=True)
class Coming:
    """The parent of a node on the move: it has accepted, and the old one is kept until its first packet is here."""

    node: NodeId
    request: int
    position: Accepted | Lineage
    tracks: tuple[TrackParameters, ...]
    backups: Backups | None = None
    """What it said already about the time when it will be gone."""


@dataclass(slots=True)
class Carriage:
    """An owner has neither `parent` nor `request`; a relay without a parent is an orphan and looks for a new one.

    `rank` is higher than the parent's and never rises while there are children: so no circle of parents can close.
    `lineage` ends with this node. `epoch` numbers the publisher's session, `delay_ms` is the way from the owner.
    """

    producer: UUID
    lineage: tuple[NodeId, ...]
    rank: int = 0
    owned: bool = False
    epoch: int = 0
    delay_ms: int = 0
    capability: bytes = b""
    """The owner's leave for this node to have the stream."""
    parent: NodeId | None = None
    request: int = 0
    owner: Contact | None = None
    tracks: tuple[TrackParameters, ...] = ()
    attached_at: float = 0.0
    flowing: bool = False
    """Whether anything came from this parent."""
    failovers: int = 0
    """Parents lost in a row, none of which stayed for a while, since `unstable_since`."""
    unstable_since: float = 0.0
    lost: tuple[NodeId, ...] = ()
    """Parents lost in a row, the last one first."""
    coming: Coming | None = None
    backups: tuple[KnownBackup, ...] = ()
    warmed_at: float = float("-inf")
    """When links to backups were last asked for."""
    handover: tuple[Contact, ...] | None = None
    """Whom a parent that is about to go has named; None while it stays."""
    children: dict[NodeId, Child] = field(default_factory=dict)
    backups_told_at: float = float("-inf")
    reported: Report | None = None
    reported_at: float = 0.0

    @property
    def fed(self) -> bool:
        """Whether media can come in here: owned, or with a parent."""
        return self.owned or self.parent is not None
