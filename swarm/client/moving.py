"""Being sent to another node while playing: the `reconnect` event of draft-ietf-wish-whep, read over HTTP."""

import json
import re
from collections.abc import AsyncIterator

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from foundation import limits
from foundation.errors import RemoteError
from swarm.client.signalling import unreachable

_REL = "urn:ietf:params:whep:ext:core:server-sent-events"
_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)")


def events_url(link: str, answered: URL) -> URL | None:
    """Where the events of a session are, as the `Link` headers of its answer say; None where there are none."""
    for target, parameters in _LINK.findall(link):
        if _REL in parameters:
            try:
                url = answered.join(URL(target))
            except ValueError:
                return None
            return url if url.scheme in ("http", "https") and url.host else None
    return None


async def next_move(events: URL, headers: dict[str, str]) -> str | None:
    """The WHEP URL at which the node wants its viewer, once it says so; empty when that is where it was before.

    None when the node has closed the stream. Raises `RemoteError` when it does not speak the protocol.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.http_seconds_max)
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
            async with http.post(events, json=["reconnect"]) as created:
                location = created.headers.get("Location")
                if created.status != 201 or not location:
                    raise RemoteError(f"{events} answered {created.status} to who would listen")
                stream = created.url.join(URL(location))
            async with http.get(stream, headers={"Accept": "text/event-stream"}) as response:
                if response.status != 200:
                    raise RemoteError(f"{stream} answered {response.status} to who would listen")
                async for name, data in _events(response.content):
                    if name == "reconnect":
                        return _url(data)
    except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError) as exc:
        raise unreachable(events, exc) from exc
    return None


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """Name and data of each event (WHATWG HTML, 9.2.6). Raises `HttpProcessingError` for a line that has no end."""
    name, data = "message", ""
    while line := await content.readline():
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            if data:
                yield name, data
            name, data = "message", ""
        field, _, value = text.partition(":")
        if field == "event":
            name = value.removeprefix(" ")
        elif field == "data" and len(data) < limits.event_bytes_max:
            data += value.removeprefix(" ")


def _url(data: str) -> str:
    try:
        value = json.loads(data)
    except ValueError:
        return ""
    url = value.get("url") if isinstance(value, dict) else None
    return url if isinstance(url, str) else ""
