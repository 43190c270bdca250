"""What the HTTP server asks of a node: the seam between `swarm.http` and `swarm.node`."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from swarm.events import EventStream


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """A WHIP or WHEP session that was set up: `session_id` is unguessable, `answer` is SDP, `etag` unquoted."""

    session_id: str
    producer_id: UUID
    answer: str
    etag: str


@dataclass(frozen=True, slots=True)
class SentOn:
    """Not here: ask the node with this base URL (`http://host:port`, no trailing slash)."""

    url: str
    hops: int | None = None
    """How often this viewer was sent on by now, as the next node is told; None where nobody counts."""


class NodeService(Protocol):
    """A node as its HTTP server sees it. Errors are those of `foundation.errors`."""

    async def publish_offer(self, offer: str, producer_id: UUID | None, subject: str = "") -> SessionAnswer | SentOn:
        """The session belongs to `subject`; without an id the node picks one.

        Raises `BadOffer`, `NoCommonCodec`, `ProducerTaken`, `SwarmFull`.
        """

    async def view_offer(
        self, offer: str, producer_id: UUID, subject: str = "", hops: int = 0
    ) -> SessionAnswer | SentOn:
        """Raises `BadOffer`, `NoCommonCodec`, `NoSuchProducer`, `SwarmFull`."""

    def session_etag(self, session_id: str) -> str | None:
        """The ETag of a live session, `None` for any other id."""

    def session_waiting(self, session_id: str) -> bool:
        """Whether the client of this session has not completed its handshake yet; false for any other id."""

    def session_subject(self, session_id: str) -> str:
        """Who a session belongs to; empty for nobody in particular, and for any other id."""

    async def end_session(self, session_id: str) -> bool:
        """Ends a session; false when there is none of this id."""

    def open_events(self, session_id: str, names: frozenset[str]) -> bool:
        """Opens the event stream of a viewer's session, in place of its former one; false when there is no such
        session. Raises `SwarmFull`."""

    def events(self, session_id: str) -> EventStream | None:
        """The event stream of a session, if it has one."""

    def close_events(self, session_id: str) -> bool:
        """Ends the event stream of a session; false when it has none."""

    def ready(self) -> str | None:
        """`None` when the node may take work, else why it may not."""

    def drain(self, seconds: float | None = None) -> dict[str, Any]:
        """Begins to leave the swarm, within `seconds` or as configured; gives what `drain_state` then says."""

    def undrain(self) -> dict[str, Any]:
        """Takes that back."""

    def drain_state(self) -> dict[str, Any]:
        """The body of `GET /api/v1/drain`."""

    def describe(self) -> dict[str, Any]:
        """The body of `GET /api/v1/node`."""

    def producers(self) -> list[dict[str, Any]]:
        """The items of `GET /api/v1/producers`: what this node carries."""

    async def find(self, producer_id: UUID) -> dict[str, Any]:
        """Who owns a producer: the body of `GET /api/v1/producers/{uuid}`. Raises `NoSuchProducer`."""

    async def tree(self, producer_id: UUID) -> dict[str, Any]:
        """The relay tree of a producer, from the owner down. Raises `NoSuchProducer`."""
