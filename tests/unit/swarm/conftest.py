"""A node that answers HTTP as it is told to, and a client of its server."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession

from foundation.address import format_address
from foundation.errors import NoSuchProducer
from swarm.events import EventStream, EventStreams
from swarm.http.server import HttpServer, make_app
from swarm.service import SentOn, SessionAnswer

PRODUCER = UUID("123e4567-e89b-42d3-a456-426614174000")
SESSION = "c2Vzc2lvbi1pZC1ub2JvZHktZ3Vlc3Nlcw"
ANSWER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


class FakeService:
    """A `NodeService`: `outcome` is what any offer gets, returned or raised."""

    def __init__(self) -> None:
        self.outcome: SessionAnswer | SentOn | Exception = SessionAnswer(SESSION, PRODUCER, ANSWER, "etag-1")
        self.lookup: dict[str, Any] | Exception = {"id": str(PRODUCER)}
        self.not_ready: str | None = None
        self.sessions = {SESSION: "etag-1"}
        self.streams = EventStreams()
        self.connected: set[str] = set()
        self.drains: list[float | str | None] = []
        self.offers: list[tuple[str, str, UUID | None]] = []
        self.subjects: dict[str, str] = {}
        self.hops: list[int] = []

    def _offered(self, how: str, offer: str, producer_id: UUID | None) -> SessionAnswer | SentOn:
        self.offers.append((how, offer, producer_id))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def publish_offer(self, offer: str, producer_id: UUID | None, subject: str = "") -> SessionAnswer | SentOn:
        self.subjects[SESSION] = subject
        return self._offered("publish", offer, producer_id)

    async def view_offer(
        self, offer: str, producer_id: UUID, subject: str = "", hops: int = 0
    ) -> SessionAnswer | SentOn:
        self.subjects[SESSION] = subject
        self.hops.append(hops)
        return self._offered("view", offer, producer_id)

    def session_subject(self, session_id: str) -> str:
        return self.subjects.get(session_id, "")

    def session_waiting(self, session_id: str) -> bool:
        return session_id in self.sessions and session_id not in self.connected

    def session_etag(self, session_id: str) -> str | None:
        return self.sessions.get(session_id)

    async def end_session(self, session_id: str) -> bool:
        return self.sessions.pop(session_id, None) is not None

    def open_events(self, session_id: str, names: frozenset[str]) -> bool:
        if session_id in self.sessions:
            self.streams.open(session_id, names)
        return session_id in self.sessions

    def events(self, session_id: str) -> EventStream | None:
        return self.streams.get(session_id)

    def close_events(self, session_id: str) -> bool:
        return self.streams.close(session_id)

    def ready(self) -> str | None:
        return self.not_ready

    def drain(self, seconds: float | None = None) -> dict[str, Any]:
        self.drains.append(seconds)
        return {**self.drain_state(), "draining": True}

    def undrain(self) -> dict[str, Any]:
        self.drains.append("undo")
        return self.drain_state()

    def drain_state(self) -> dict[str, Any]:
        return {"draining": False, "seconds_left": 0.0, "sessions": 1, "relays": 0}

    def describe(self) -> dict[str, Any]:
        return {"id": "ab" * 20}

    def producers(self) -> list[dict[str, Any]]:
        return [{"id": str(PRODUCER), "role": "owner"}]

    async def find(self, producer_id: UUID) -> dict[str, Any]:
        return self._looked_up(producer_id)

    async def tree(self, producer_id: UUID) -> dict[str, Any]:
        return self._looked_up(producer_id)

    def _looked_up(self, producer_id: UUID) -> dict[str, Any]:
        if isinstance(self.lookup, Exception):
            raise self.lookup
        if producer_id != PRODUCER:
            raise NoSuchProducer("No live producer has this id.")
        return self.lookup


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def server(service: FakeService) -> AsyncIterator[HttpServer]:
    """A server of the fake node, which serves loopback only."""
    server = await HttpServer.start(make_app(service))
    yield server
    await server.close()


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[ClientSession]:
    """A client of that server."""
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        yield client
