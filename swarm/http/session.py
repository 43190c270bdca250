"""The session resources of WHIP and WHEP: trickle ICE by PATCH, the end by DELETE (RFC 9725 sections 4.2 and 4.3)."""

import re

from aiohttp import web

from foundation import limits
from foundation.errors import RemoteError
from swarm.http.authorization import require_owner
from swarm.http.body import read_text
from swarm.http.fragment import OfferedUfrags, fragment_ufrags
from swarm.http.offers import FRAGMENT
from swarm.http.problems import BAD_FRAGMENT, CHANGED, NO_PRECONDITION, NO_RESTART, NO_SESSION, Refusal
from swarm.service import NodeService

_ENTITY_TAGS = re.compile(r'(?:^|,)\s*((?:W/)?"[^"]*")\s*(?=,|$)')


class Session:
    """`/session/{session_id}`: whoever knows the id may use it, anybody else learns nothing from a 404."""

    def __init__(self, service: NodeService, ufrags: OfferedUfrags) -> None:
        self._service = service
        self._ufrags = ufrags

    def routes(self) -> list[web.RouteDef]:
        path = "/session/{session_id:[^/]+}"
        return [
            web.patch(path, self.patch),
            web.delete(path, self.delete),
            web.get(path, self.get),
            web.options(path, self.options),
        ]

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """Candidates are welcome and unused, since we are ICE-lite; a restart is refused and the session goes on."""
        session_id, etag = self._live(request)
        body = await read_text(request, FRAGMENT, "Accept-Patch", limits.fragment_bytes_max, BAD_FRAGMENT)
        try:
            ufrags = fragment_ufrags(body)
        except RemoteError as error:
            raise Refusal(BAD_FRAGMENT, str(error)) from None
        _check_precondition(request, etag)
        if self._ufrags.is_restart(session_id, ufrags):
            raise Refusal(NO_RESTART)
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """`If-Match` is ignored here, as RFC 9725 section 4.3.1 says."""
        session_id = request.match_info["session_id"]
        require_owner(request, self._service.session_subject(session_id))
        self._ufrags.forget(session_id)
        if not await self._service.end_session(session_id):
            raise Refusal(NO_SESSION)
        return web.Response()

    async def get(self, request: web.Request) -> web.StreamResponse:
        self._live(request)
        return web.Response(status=204, headers={"Accept-Patch": FRAGMENT})

    async def options(self, request: web.Request) -> web.StreamResponse:
        """The same for every id, or a preflight would tell which sessions there are."""
        return web.Response(headers={"Allow": "PATCH, DELETE, GET, HEAD, OPTIONS", "Accept-Patch": FRAGMENT})

    def _live(self, request: web.Request) -> tuple[str, str]:
        session_id = request.match_info["session_id"]
        etag = self._service.session_etag(session_id)
        if etag is None:
            self._ufrags.forget(session_id)
            raise Refusal(NO_SESSION)
        require_owner(request, self._service.session_subject(session_id))
        return session_id, etag


def _check_precondition(request: web.Request, etag: str) -> None:
    """RFC 9110 section 13.1.1 with strong comparison; RFC 6585 section 3 when there is no `If-Match`."""
    values = request.headers.getall("If-Match", [])
    if not values:
        raise Refusal(NO_PRECONDITION)
    text = ",".join(values).strip()
    if text != "*" and f'"{etag}"' not in _ENTITY_TAGS.findall(text):
        raise Refusal(CHANGED)
