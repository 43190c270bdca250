"""Server-sent events of a WHEP session: `POST /session/{id}/events` makes a stream, `GET .../stream` reads it.

As draft-ietf-wish-whep has it ("Server Sent Events extension"); the stream's format is WHATWG's.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from uuid import UUID

from aiohttp import web
from yarl import URL

from foundation import limits
from swarm.events import NAMES, EventStream, SessionEvent
from swarm.http.authorization import AUTHORIZATION, require_owner
from swarm.http.body import read_text
from swarm.http.offers import session_url
from swarm.http.problems import BAD_EVENTS, NO_SESSION, Refusal
from swarm.service import NodeService
from swarm.tokens import Grant

REL = "urn:ietf:params:whep:ext:core:server-sent-events"

_NUMBER = re.compile(r"[0-9]{1,9}")
_JSON = "application/json"
_keepalive = b":\n\n"
"""A comment: it tells that the stream is open, and finds out whether its reader still is."""


def events_link(url: str) -> str:
    """The `Link` header that announces the events of the session at `url`."""
    return f'<{url}/events>; rel="{REL}"; events="{",".join(sorted(NAMES))}"'


class Events:
    """Whoever knows a session's id may listen to it, as it may end it."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self._read: set[EventStream] = set()

    def routes(self) -> list[web.RouteDef]:
        path = "/session/{session_id:[^/]+}/events"
        return [
            web.post(path, self.post),
            web.options(path, self.options),
            web.get(f"{path}/stream", self.get, allow_head=False),
            web.delete(f"{path}/stream", self.delete),
            web.options(f"{path}/stream", self.options_of_stream),
        ]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The body may name the events that are wanted."""
        session_id = request.match_info["session_id"]
        if self._service.session_etag(session_id) is None:
            raise Refusal(NO_SESSION)  # before the body is judged, which would tell what is there
        require_owner(request, self._service.session_subject(session_id))
        names = NAMES
        if request.body_exists:
            names = _names(await read_text(request, _JSON, "Accept-Post", limits.fragment_bytes_max, BAD_EVENTS))
        if not self._service.open_events(session_id, names):
            raise Refusal(NO_SESSION)
        return web.Response(status=201, headers={"Location": f"{session_url(request, session_id)}/events/stream"})

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Lasts until the stream ends, or its reader is gone; who comes again finds what was not read."""
        stream = self._stream(request)
        reader = stream.reader()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        self._read.add(stream)
        try:
            await response.prepare(request)
            await response.write(_keepalive)
            after = _last_read(request)
            while (numbered := await self._next(request, stream, reader, after)) is not None:
                after, data = numbered
                await response.write(data)
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            self._read.discard(stream)
        return response

    async def delete(self, request: web.Request) -> web.StreamResponse:
        self._stream(request)
        self._service.close_events(request.match_info["session_id"])
        return web.Response()

    async def options(self, request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Allow": "POST, OPTIONS", "Accept-Post": _JSON})

    async def options_of_stream(self, request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Allow": "GET, DELETE, OPTIONS"})

    async def end(self, app: web.Application) -> None:
        """The server is closing: nobody reads on."""
        for stream in tuple(self._read):
            stream.close()

    async def _next(
        self, request: web.Request, stream: EventStream, reader: int, after: int
    ) -> tuple[int, bytes] | None:
        """What to write next, and the number of the newest event then written; None at the end."""
        try:
            async with asyncio.timeout(limits.events_keepalive_seconds):
                numbered = await stream.next(reader, after)
        except TimeoutError:
            return after, _keepalive
        if numbered is None:
            return None
        number, event = numbered
        return number, _encoded(number, event, _with_ticket(request, event.data))

    def _stream(self, request: web.Request) -> EventStream:
        session_id = request.match_info["session_id"]
        require_owner(request, self._service.session_subject(session_id))
        stream = self._service.events(session_id)
        if stream is None:
            raise Refusal(NO_SESSION)
        return stream


def _encoded(number: int, event: SessionEvent, data: Mapping[str, str]) -> bytes:
    """In one data line, as the draft wants it."""
    return f"id: {number}\nevent: {event.name}\ndata: {json.dumps(dict(data))}\n\n".encode()


def _with_ticket(request: web.Request, data: Mapping[str, str]) -> Mapping[str, str]:
    """Who may listen here may watch where it is sent, as with a 307."""
    if "url" not in data:
        return data
    url = URL(data["url"])
    ticket = request.app[AUTHORIZATION].ticket(request, str(url.origin()), Grant.PLAY, UUID(url.name))
    return {**data, "url": str(url.update_query(ticket=ticket))} if ticket else data


def _last_read(request: web.Request) -> int:
    """The number of the last event that this reader had before it lost its connection."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if _NUMBER.fullmatch(text) else 0


def _names(body: str) -> frozenset[str]:
    try:
        names = json.loads(body)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal(BAD_EVENTS, "The body has to be a JSON array of event names.")
    return NAMES & frozenset(names)
