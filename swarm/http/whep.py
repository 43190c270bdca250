"""The WHEP endpoint (draft-ietf-wish-whep): `POST /whep/{producer_id}`."""

from aiohttp import web

from swarm.http.authorization import require
from swarm.http.events import events_link
from swarm.http.fragment import OfferedUfrags
from swarm.http.offers import SDP, answer_offer, hops_of, options, producer_id_of
from swarm.service import NodeService, SentOn, SessionAnswer
from swarm.tokens import Grant


class Whep:
    """The endpoint of viewers."""

    def __init__(self, service: NodeService, ufrags: OfferedUfrags) -> None:
        self._service = service
        self._ufrags = ufrags

    def routes(self) -> list[web.RouteDef]:
        path = "/whep/{producer_id:[^/]+}"
        return [web.post(path, self.view), web.get(path, self.get), web.options(path, self.options)]

    async def view(self, request: web.Request) -> web.StreamResponse:
        producer_id = producer_id_of(request)

        access = require(request, Grant.PLAY, producer_id)

        async def ask(offer: str) -> SessionAnswer | SentOn:
            return await self._service.view_offer(offer, producer_id, access.subject, hops_of(request))

        return await answer_offer(request, ask, self._ufrags, Grant.PLAY, producer_id, events_link)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Empty, and of the type by which players tell a WHEP endpoint (the draft's "URL Discoverability")."""
        producer_id_of(request)
        return web.Response(headers={"Content-Type": SDP, "Content-Length": "0", "Accept-Post": SDP})

    async def options(self, request: web.Request) -> web.StreamResponse:
        return options()
