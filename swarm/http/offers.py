"""What WHIP and WHEP endpoints have in common: an SDP offer in; a session (201) or another node (307) out."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web

from foundation import limits
from swarm.http.authorization import AUTHORIZATION
from swarm.http.body import read_text
from swarm.http.fragment import OfferedUfrags
from swarm.http.gate import host_of
from swarm.http.problems import BAD_ID, BAD_OFFER, NO_WAY_ON, Refusal
from swarm.http.remote import REMOTE
from swarm.http.set_ups import SET_UPS
from swarm.service import SentOn, SessionAnswer
from swarm.tokens import Grant

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_HOPS = re.compile(r"[0-9]{1,3}")
_BASE_URL = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]{1,261}")
"""Scheme, host and port: what another node says of itself must not smuggle a path or a header into our answer."""


def producer_id_of(request: web.Request) -> UUID:
    """The `{producer_id}` of a path, in the one canonical form. Raises `Refusal` (400)."""
    text = request.match_info["producer_id"]
    if not _UUID.fullmatch(text):
        raise Refusal(BAD_ID)
    return UUID(text)


async def answer_offer(
    request: web.Request,
    ask: Callable[[str], Awaitable[SessionAnswer | SentOn]],
    ufrags: OfferedUfrags,
    grant: Grant,
    producer_id: UUID | None,
    link: Callable[[str], str] | None = None,
) -> web.Response:
    """Reads the offer, asks the node, answers as RFC 9725 section 4.2 and the WHEP draft say.

    `grant` is what the client needs here, and where it is sent on to. `link` makes the `Link` header of a session's
    URL, for its extensions.
    """
    offer = await read_text(request, SDP, "Accept-Post", limits.offer_bytes_max, BAD_OFFER)
    with request.app[SET_UPS].place(request[REMOTE].ip) as answered:
        async with asyncio.timeout(limits.offer_seconds_max):
            outcome = await ask(offer)
        if isinstance(outcome, SessionAnswer):
            answered(outcome.session_id)
    if isinstance(outcome, SentOn):
        ticket = request.app[AUTHORIZATION].ticket(request, outcome.url, grant, producer_id)
        return _sent_on(request, outcome, ticket)
    ufrags.remember(outcome.session_id, offer)
    url = session_url(request, outcome.session_id)
    return web.Response(
        status=201,
        body=outcome.answer.encode(),
        headers={
            "Content-Type": SDP,
            "Location": url,
            "ETag": f'"{outcome.etag}"',
            "Accept-Patch": FRAGMENT,
            "Swarm-Producer-Id": str(outcome.producer_id),
            **({"Link": link(url)} if link else {}),
        },
    )


def hops_of(request: web.Request) -> int:
    """How often the nodes before this one have sent the viewer on; what is no small number is none."""
    text = request.query.get("hops", "")
    return int(text) if _HOPS.fullmatch(text) else 0


def options() -> web.Response:
    """The answer to `OPTIONS` on an endpoint; the CORS headers are added to every response."""
    return web.Response(headers={"Allow": "POST, GET, HEAD, OPTIONS", "Accept-Post": SDP})


def session_url(request: web.Request, session_id: str) -> str:
    """Absolute, because clients that followed a 307 resolve a bare path against the node they asked first."""
    path, host = f"/session/{session_id}", host_of(request)
    return f"{request[REMOTE].scheme}://{host}{path}" if host else path


def _sent_on(request: web.Request, onward: SentOn, ticket: str) -> web.Response:
    """The same request at another node; a ticket that opened this one is of no use there."""
    if not _BASE_URL.fullmatch(onward.url):
        raise Refusal(NO_WAY_ON)
    target = request.rel_url.without_query_params("ticket")
    if ticket:
        target = target.update_query(ticket=ticket)
    if onward.hops is not None:
        target = target.update_query(hops=onward.hops)
    return web.Response(status=307, headers={"Location": onward.url + target.raw_path_qs})
