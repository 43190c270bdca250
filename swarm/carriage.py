"""One stream at a carrier: where it comes from and which nodes it goes to."""

from dataclasses import dataclass, field
from uuid import UUID

from foundation.identity import NodeId
from media.parameters import TrackParameters
from swarm.messages import Report
from swarm.policy import Candidate
from swarm.record import Contact


@dataclass(slots=True)
class Child:
    """A node that takes the stream from here; a reservation until its first report confirms it."""

    node: NodeId
    request: int
    report: Report | None = None
    below: tuple[Candidate, ...] = ()

    @property
    def size(self) -> int:
        """Carriers in the child's subtree, itself included, as it says."""
        return self.report.size if self.report else 1


@dataclass(slots=True)
class Carriage:
    """An owner has neither `parent` nor `request`; a relay without a parent is an orphan and looks for a new one.

    `rank` is higher than the parent's and never rises while there are children: so no circle of parents can close.
    `lineage` ends with this node.
    """

    producer: UUID
    lineage: tuple[NodeId, ...]
    rank: int = 0
    owned: bool = False
    parent: NodeId | None = None
    request: int = 0
    owner: Contact | None = None
    tracks: tuple[TrackParameters, ...] = ()
    attached_at: float = 0.0
    failovers: int = 0
    children: dict[NodeId, Child] = field(default_factory=dict)
    reported: Report | None = None
    reported_at: float = 0.0

    @property
    def fed(self) -> bool:
        """Whether media can come in here: owned, or with a parent."""
        return self.owned or self.parent is not None
