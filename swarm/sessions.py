"""The WHIP and WHEP clients of one node: from an offer to a session, and to its end."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from dht.directory import Directory
from dht.lease import Announcement, Lease
from foundation import limits
from foundation.errors import LocalError, NoSuchProducer, ProducerTaken, SwarmFull
from foundation.tasks import TaskScope
from media.sdp import Offer, parse_offer
from media.sfu import Sfu, WebRtcSession
from swarm.claiming import Claims, epoch_now
from swarm.events import RECONNECT, EventStreams, SessionEvent
from swarm.record import NodeRecord
from swarm.relaying import Relaying
from swarm.service import SentOn, SessionAnswer
from swarm.tree.actions import Carried, Elsewhere, Full

logger = logging.getLogger(__name__)

_token_bytes = 16
"""128 bits: a session's URL is its only credential until tokens are configured."""


@dataclass(slots=True)
class _Client:
    producer_id: UUID
    etag: str
    session: WebRtcSession
    subject: str
    published: bool = False
    """Whether this node owns what it sends: from when it was connected on."""


class Sessions:
    """Every client of this node, by the unguessable id in its session URL."""

    def __init__(
        self, me: NodeRecord, sfu: Sfu, relaying: Relaying, directory: Directory, *, private: bool = False
    ) -> None:
        """`private`: the other nodes hold the swarm's key, and their word about a publisher counts."""
        self._me = me
        self._sfu = sfu
        self._relaying = relaying
        self._directory = directory
        self._claims = Claims(me.node, sfu.router, relaying, directory, self._subject_of, private)
        self._clients: dict[str, _Client] = {}
        self.events = EventStreams()
        self._draining = False
        self._turn = 0
        self.on_end: Callable[[], None] = lambda: None
        """A session has ended."""
        self._scope = TaskScope("sessions", limits.session_tasks_max)
        directory.on_superseded = self._superseded

    def __len__(self) -> int:
        return len(self._clients)

    async def publish(self, text: str, producer_id: UUID | None, subject: str = "") -> SessionAnswer | SentOn:
        """Raises `BadOffer`, `NoCommonCodec`, `ProducerTaken` and `SwarmFull`."""
        offer = parse_offer(text)
        if self._draining:
            return self._onward(producer_id)
        if not self._relaying.may_own(producer_id):
            raise SwarmFull("This node has no slot left for a first relay: publish by another one.")
        if producer_id is None:
            producer_id, epoch = self._directory.new_producer_id(), epoch_now()
        else:
            epoch = await self._claims.epoch(producer_id, subject)
        former = self._publisher(producer_id)
        try:
            session = self._sfu.publish(offer, producer_id, take_over=True, succeeds=former is not None)
        except LocalError as exc:
            raise self._refused(producer_id, exc) from exc
        session_id, client = self._admit(producer_id, session, subject)
        assert session.producer is not None
        session.on_connect.append(partial(self._published, client, epoch, former))
        session.on_close.append(partial(self._publisher_gone, session_id, client))
        return SessionAnswer(session_id, producer_id, session.answer, client.etag)

    async def view(self, text: str, producer_id: UUID, subject: str = "", hops: int = 0) -> SessionAnswer | SentOn:
        """Of one sent on `hops` times. Raises `BadOffer`, `NoCommonCodec`, `NoSuchProducer`, `SwarmFull`."""
        offer = parse_offer(text)
        if self._draining:
            return self._onward(producer_id)
        session_id = secrets.token_urlsafe(_token_bytes)
        outcome = await self._relaying.want(producer_id, session_id, hops)
        match outcome:
            case Carried():
                return self._serve(offer, producer_id, session_id, subject)
            case Elsewhere(urls):
                return SentOn(urls[0], hops + 1)
            case Full():
                raise SwarmFull("No carrier of this stream has room: try again later.")
            case _:
                raise NoSuchProducer("No live producer has this id: try again when it is published.")

    def open_events(self, session_id: str, names: frozenset[str]) -> bool:
        """The event stream of a viewer's session; false when there is no such session. Raises `SwarmFull`."""
        client = self._clients.get(session_id)
        if client is None or client.session.consumer is None:
            return False
        self.events.open(session_id, names)
        if self._draining:
            self._move(session_id)
        return True

    def etag(self, session_id: str) -> str | None:
        client = self._clients.get(session_id)
        return client.etag if client else None

    def waiting(self, session_id: str) -> bool:
        """Whether a session is there whose client is not connected yet."""
        client = self._clients.get(session_id)
        return client is not None and not client.session.connected

    def subject(self, session_id: str) -> str:
        """Who a session belongs to; empty for nobody in particular."""
        client = self._clients.get(session_id)
        return client.subject if client else ""

    async def end(self, session_id: str) -> bool:
        """Ends a session as its client asked; false when there is none of this id."""
        client = self._clients.get(session_id)
        if client is None:
            return False
        client.session.close("its client ended it")
        return True

    def drain(self) -> None:
        """Whoever comes is sent to another node; whoever is here stays, unless a `reconnect` event moves it."""
        self._draining = True
        self._relaying.drain()
        self._scope.spawn(self._move_listeners(), "reconnect")

    def undrain(self) -> None:
        self._draining = False
        self._relaying.undrain()

    async def close(self) -> None:
        """Ends every session, and withdraws what is announced, as far as that goes in a moment.

        Publishers lose their node, and not their streams: whoever watches those elsewhere waits for them to come back.
        """
        self._draining = False
        self._relaying.drain()
        for client in tuple(self._clients.values()):
            client.session.close("this node is shutting down")
        await self._scope.finish(limits.withdraw_seconds_max)

    # --- publishing ---

    def _refused(self, producer_id: UUID, exc: LocalError) -> ProducerTaken | SwarmFull:
        if self._sfu.router.get(producer_id) is not None:
            return ProducerTaken("This producer id is live: publish under another one.")
        return SwarmFull(f"This node takes no more publishers: {exc}.")

    def _published(self, client: _Client, epoch: int, former: _Client | None) -> None:
        """The publisher is connected: from now on the stream is to be had, unless it came from elsewhere meanwhile.

        Its `former` session, of the same subject, ends without the stream.
        """
        producer_id = client.producer_id
        try:
            self._relaying.check_free(producer_id, epoch)
            client.session.take_over()
            self._relaying.produced(producer_id, epoch)
        except LocalError as exc:
            client.session.close(str(exc))
            return
        client.published = True
        if former is not None:
            former.published = False
            former.session.close("its publisher came back")
        announcement = Announcement(
            producer_id=producer_id,
            epoch=epoch,
            addresses=self._me.addresses,
            fingerprint=self._me.fingerprint,
            url=self._me.url,
        )
        self._scope.spawn(self._directory.announce(announcement), "announce")

    def _publisher(self, producer_id: UUID) -> _Client | None:
        """Who owns a producer here, and is connected."""
        clients = (client for client in self._clients.values() if client.producer_id == producer_id)
        return next((client for client in clients if client.published), None)

    def _subject_of(self, producer_id: UUID) -> str:
        client = self._publisher(producer_id)
        return client.subject if client else ""

    def _publisher_gone(self, session_id: str, client: _Client, reason: str) -> None:
        self._clients.pop(session_id, None)
        if client.published:
            self._relaying.unproduced(client.producer_id)
            self._scope.spawn(self._directory.withdraw(client.producer_id), "withdraw")
        self.on_end()

    def _superseded(self, lease: Lease) -> None:
        """Another node claims a producer of ours with a higher rank: two publishers were quick, and one must go."""
        for client in tuple(self._clients.values()):
            if client.producer_id == lease.producer_id and client.session.producer is not None:
                self._relaying.superseded(lease.producer_id, lease.epoch)
                client.session.close("another publisher took over its producer id")

    # --- viewing ---

    def _serve(self, offer: Offer, producer_id: UUID, session_id: str, subject: str) -> SessionAnswer:
        """The stream is here and the slot is taken: it is given back when there is no session in the end."""
        producer = self._sfu.router.get(producer_id)
        try:
            if producer is None:
                raise NoSuchProducer("The producer has just ended.")
            session = self._sfu.view(offer, producer)
        except LocalError as exc:
            self._relaying.release(producer_id, session_id)
            raise SwarmFull(f"This node takes no more viewers: {exc}.") from exc
        except BaseException:
            self._relaying.release(producer_id, session_id)
            raise
        _, client = self._admit(producer_id, session, subject, session_id)
        session.on_close.append(partial(self._viewer_gone, session_id, producer_id))
        return SessionAnswer(session_id, producer_id, session.answer, client.etag)

    def _viewer_gone(self, session_id: str, producer_id: UUID, reason: str) -> None:
        self.events.close(session_id)
        self._clients.pop(session_id, None)
        self._relaying.release(producer_id, session_id)
        self.on_end()

    async def _move_listeners(self) -> None:
        """One after the other: those who are told come to other nodes at that very moment."""
        for session_id in self.events.listeners():
            if not self._draining:
                return
            self._move(session_id)
            await asyncio.sleep(1 / limits.reconnects_per_second)

    def _move(self, session_id: str) -> None:
        """Tells a viewer where else its stream is. One that is told nothing stays as long as it may."""
        client, stream = self._clients.get(session_id), self.events.get(session_id)
        if client is None or stream is None or not self._relaying.neighbours(client.producer_id):
            return
        url = f"{self._onward(client.producer_id).url}/whep/{client.producer_id}"
        stream.put(SessionEvent(RECONNECT, {"url": url}))

    def _onward(self, producer_id: UUID | None) -> SentOn:
        """While this node drains: the other carriers it knows, else other nodes, in turn. They know where room is."""
        urls = self._relaying.neighbours(producer_id)
        if not urls:
            raise SwarmFull("This node is about to leave: ask another one.")
        self._turn += 1
        return SentOn(urls[self._turn % len(urls)])

    def _admit(
        self, producer_id: UUID, session: WebRtcSession, subject: str, session_id: str | None = None
    ) -> tuple[str, _Client]:
        session_id = session_id or secrets.token_urlsafe(_token_bytes)
        client = self._clients[session_id] = _Client(producer_id, secrets.token_hex(8), session, subject)
        return session_id, client
