"""Who may do what over HTTP: bearers of a token (RFC 6750) or ticket; without a token key, whoever is on this machine.

Pages and probes are for all whom the node answers at all: they tell nothing about any stream.
"""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from aiohttp import web

from foundation import limits
from foundation.errors import BadToken
from swarm.http.budgets import Budgets
from swarm.http.gate import refusal
from swarm.http.problems import (
    BAD_TOKEN,
    BEHIND_PROXY,
    NO_SESSION,
    NO_TOKEN,
    NOT_GRANTED,
    TOO_MANY,
    Handler,
    Refusal,
)
from swarm.http.remote import REMOTE, TrustedProxies
from swarm.tickets import Tickets
from swarm.tokens import EVERYTHING, Access, Grant, TokenKey

ACCESS = web.RequestKey("access", Access)
"""What the client of a request may do."""

AUTHORIZATION: web.AppKey["Authorization"] = web.AppKey("authorization")
"""Where handlers find the `Authorization` of their application."""

_PUBLIC = frozenset({"/", "/publish", "/favicon.ico", "/livez", "/readyz", "/api/v1/openapi.json"})
_PUBLIC_PREFIXES = ("/watch/", "/static/")
_GUEST = Access(frozenset({Grant.PUBLISH, Grant.PLAY}))
_NOBODY = Access(frozenset())
_SCHEME = "bearer "


class Authorization:
    """The middleware that finds out who asks. What needs a grant calls `require`."""

    def __init__(
        self,
        key: TokenKey | None = None,
        tickets: Tickets | None = None,
        *,
        open_to_all: bool = False,
        proxies: TrustedProxies | None = None,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_to_all`: without a `key`, publishing and playing is for everybody, administration for this machine."""
        self._key = key
        self._tickets = tickets
        self._open_to_all = open_to_all
        self._proxies = proxies or TrustedProxies()
        self._wall_clock = wall_clock
        self._clock = clock
        self._requests = Budgets(limits.http_requests_per_second, limits.http_requests_burst, limits.http_networks_max)
        self._failures = Budgets(limits.failed_tokens_per_second, limits.failed_tokens_burst, limits.http_networks_max)
        self._pauses = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Sets `ACCESS`. Raises `Refusal` (401, 403, 421, 429)."""
        remote = request[REMOTE] = self._proxies.remote(request)
        ip = remote.ip
        if not self._requests.spend(ip, self._clock()):
            raise Refusal(TOO_MANY)
        if self._key is None:
            request[ACCESS] = self._by_place(request, ip)
        elif _public(request):
            request[ACCESS] = _NOBODY
        else:
            request[ACCESS] = await self._by_token(request, ip)
        return await handler(request)

    def is_proxy(self, ip: str) -> bool:
        """Whether many clients may come from this address, as from a proxy that we were told to trust."""
        return self._proxies.trusts(ip)

    def ticket(self, request: web.Request, to: str, grant: Grant, producer: UUID | None) -> str:
        """What a client that is sent on to the node at `to` shows there; empty when it needs nothing."""
        if self._key is None or self._tickets is None:
            return ""
        return self._tickets.write(to, producer, grant, request[ACCESS].subject, self._wall_clock())

    def _by_place(self, request: web.Request, ip: str) -> Access:
        problem = BEHIND_PROXY if self._proxies.hides(request) else refusal(ip, request.headers.get("Host", ""))
        if problem is None:
            return EVERYTHING
        if self._open_to_all:
            return _GUEST
        raise Refusal(problem)

    async def _by_token(self, request: web.Request, ip: str) -> Access:
        assert self._key is not None
        authorization, ticket = request.headers.get("Authorization", ""), request.query.get("ticket", "")
        try:
            if authorization[: len(_SCHEME)].lower() == _SCHEME:
                return self._key.verify(authorization[len(_SCHEME) :].strip(), self._wall_clock())
            if ticket and self._tickets is not None:
                return self._tickets.read(ticket, self._wall_clock())
        except BadToken:
            await self._pause(ip)
            raise Refusal(BAD_TOKEN) from None
        raise Refusal(NO_TOKEN)

    async def _pause(self, ip: str) -> None:
        """Makes guessing slow for who guesses. Raises `Refusal` (429) for one who does not stop."""
        if not self._failures.spend(ip, self._clock()):
            raise Refusal(TOO_MANY)
        if self._pauses >= limits.failed_token_pauses_max:
            return
        self._pauses += 1
        try:
            await asyncio.sleep(limits.failed_token_pause_seconds)
        finally:
            self._pauses -= 1


def require(request: web.Request, grant: Grant, producer: UUID | None = None) -> Access:
    """What the client may do, if that includes this. Raises `Refusal` (403)."""
    access = request[ACCESS]
    if not access.allows(grant, producer):
        raise Refusal(NOT_GRANTED)
    return access


def require_owner(request: web.Request, subject: str) -> None:
    """A session belongs to the subject who began it. To anybody else but admins it is not there: `Refusal` (404)."""
    access = request[ACCESS]
    if not access.allows(Grant.ADMIN) and access.subject != subject:
        raise Refusal(NO_SESSION)


def _public(request: web.Request) -> bool:
    return request.method == "OPTIONS" or request.path in _PUBLIC or request.path.startswith(_PUBLIC_PREFIXES)
