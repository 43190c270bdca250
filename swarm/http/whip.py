"""WHIP endpoints (RFC 9725): `POST /whip` lets the node pick the producer id, `POST /whip/{producer_id}` names it."""

from uuid import UUID

from aiohttp import web

from swarm.http.authorization import require
from swarm.http.fragment import OfferedUfrags
from swarm.http.offers import answer_offer, options, producer_id_of
from swarm.service import NodeService, SentOn, SessionAnswer
from swarm.tokens import Grant


class Whip:
    """The endpoints of publishers."""

    def __init__(self, service: NodeService, ufrags: OfferedUfrags) -> None:
        self._service = service
        self._ufrags = ufrags

    def routes(self) -> list[web.RouteDef]:
        return [
            route
            for path in ("/whip", "/whip/{producer_id:[^/]+}")
            for route in (
                web.post(path, self.publish),
                web.get(path, self.get),
                web.options(path, self.options),
            )
        ]

    async def publish(self, request: web.Request) -> web.StreamResponse:
        producer_id: UUID | None = producer_id_of(request) if "producer_id" in request.match_info else None

        access = require(request, Grant.PUBLISH, producer_id)

        async def ask(offer: str) -> SessionAnswer | SentOn:
            return await self._service.publish_offer(offer, producer_id, access.subject)

        return await answer_offer(request, ask, self._ufrags, Grant.PUBLISH, producer_id)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """RFC 9725 section 4.1: a 2xx without content."""
        if "producer_id" in request.match_info:
            producer_id_of(request)
        return web.Response(status=204, headers={"Accept-Post": "application/sdp"})

    async def options(self, request: web.Request) -> web.StreamResponse:
        return options()
