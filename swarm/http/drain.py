"""`/api/v1/drain`: POST makes the node leave, DELETE takes it back, GET tells. For admins."""

import json

from aiohttp import web

from foundation import limits
from swarm.http.authorization import require
from swarm.http.body import read_text
from swarm.http.problems import BAD_DRAIN, Refusal
from swarm.service import NodeService
from swarm.tokens import Grant

JSON = "application/json"


class Drain:
    """POST wants JSON, and DELETE is no simple request either: a page of another site can send neither without asking
    first, and is told no.
    """

    def __init__(self, service: NodeService) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        path = "/api/v1/drain"
        return [web.get(path, self.get), web.post(path, self.post), web.delete(path, self.delete)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._service.drain_state())

    async def post(self, request: web.Request) -> web.StreamResponse:
        """`{}` for the configured time, `{"seconds": N}` for another."""
        require(request, Grant.ADMIN)
        body = await read_text(request, JSON, "Accept-Post", limits.fragment_bytes_max, BAD_DRAIN)
        return web.json_response(self._service.drain(_seconds(body)), status=202)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        require(request, Grant.ADMIN)
        return web.json_response(self._service.undrain())


def _seconds(body: str) -> float | None:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(BAD_DRAIN, "The body has to be a JSON object.")
    seconds = value.get("seconds")
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not 0 <= seconds <= limits.drain_seconds_max:
        raise Refusal(BAD_DRAIN, f"'seconds' is a number from 0 to {limits.drain_seconds_max:.0f}.")
    return float(seconds)
