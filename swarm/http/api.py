"""The JSON API under `/api/v1`, described by `static/openapi.json`, and the two probes of orchestrators."""

import asyncio

from aiohttp import web

from foundation import limits
from foundation.errors import NoSuchProducer
from swarm.http.authorization import require
from swarm.http.offers import producer_id_of
from swarm.http.problems import NOT_READY, UNKNOWN_PRODUCER, Refusal
from swarm.service import NodeService
from swarm.tokens import Grant


class Api:
    """What a node tells about itself and its swarm."""

    def __init__(self, service: NodeService) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/api/v1/node", self.node),
            web.get("/api/v1/producers", self.producers),
            web.get("/api/v1/producers/{producer_id:[^/]+}", self.producer),
            web.get("/api/v1/producers/{producer_id:[^/]+}/tree", self.tree),
        ]

    async def livez(self, request: web.Request) -> web.StreamResponse:
        """That this is answered at all says that the event loop turns."""
        return web.json_response({"status": "alive"})

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        reason = self._service.ready()
        if reason is not None:
            raise Refusal(NOT_READY, reason)
        return web.json_response({"status": "ready"})

    async def node(self, request: web.Request) -> web.StreamResponse:
        """With `not_ready`, the reason of a 503 of `/readyz`, so that a dashboard need not provoke that."""
        require(request, Grant.ADMIN)
        return web.json_response({**self._service.describe(), "not_ready": self._service.ready()})

    async def producers(self, request: web.Request) -> web.StreamResponse:
        require(request, Grant.ADMIN)
        return web.json_response({"producers": self._service.producers()})

    async def producer(self, request: web.Request) -> web.StreamResponse:
        producer_id = producer_id_of(request)
        require(request, Grant.PLAY, producer_id)
        try:
            async with asyncio.timeout(limits.api_lookup_seconds_max):
                return web.json_response(await self._service.find(producer_id))
        except NoSuchProducer as error:
            raise Refusal(UNKNOWN_PRODUCER, str(error)) from None

    async def tree(self, request: web.Request) -> web.StreamResponse:
        producer_id = producer_id_of(request)
        require(request, Grant.PLAY, producer_id)
        try:
            async with asyncio.timeout(limits.api_lookup_seconds_max):
                return web.json_response(await self._service.tree(producer_id))
        except NoSuchProducer as error:
            raise Refusal(UNKNOWN_PRODUCER, str(error)) from None
