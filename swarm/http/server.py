"""The HTTP server of a node: the application with all its routes, and the shell that serves it on a socket."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from foundation import limits
from foundation.address import Address, normalize
from swarm.http.api import Api
from swarm.http.authorization import AUTHORIZATION, Authorization
from swarm.http.budgets import network_of
from swarm.http.cors import add_headers
from swarm.http.drain import Drain
from swarm.http.events import Events
from swarm.http.fragment import OfferedUfrags
from swarm.http.pages import Pages
from swarm.http.problems import problems
from swarm.http.session import Session
from swarm.http.set_ups import SET_UPS, SetUps
from swarm.http.whep import Whep
from swarm.http.whip import Whip
from swarm.service import NodeService


def make_app(service: NodeService, authorization: Authorization | None = None) -> web.Application:
    """The node's whole HTTP side. Without an `authorization` only clients on this machine are served (403, 421)."""
    authorization = authorization or Authorization()
    app = web.Application(middlewares=[problems, authorization.middleware], client_max_size=limits.offer_bytes_max)
    app[AUTHORIZATION] = authorization
    app[SET_UPS] = SetUps(service.session_waiting)
    ufrags = OfferedUfrags(limits.offered_sessions_max)
    events = Events(service)
    clients = (Whip(service, ufrags), Whep(service, ufrags), Session(service, ufrags), events)
    for part in (*clients, Api(service), Drain(service), Pages()):
        app.add_routes(part.routes())
    app.on_shutdown.append(events.end)
    app.on_response_prepare.append(add_headers)
    return app


class HttpServer:
    """Serves an application on one TCP socket."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server

    @classmethod
    async def start(
        cls,
        app: web.Application,
        *,
        listener: socket.socket | None = None,
        host: str | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> "HttpServer":
        """Serves on `listener`, a bound TCP socket which the server closes in the end, or binds host and port itself;
        with `tls` it speaks HTTPS only.

        Raises `OSError` when that cannot be bound.
        """
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_protocol_logger(),
            keepalive_timeout=limits.http_keepalive_seconds,
            lingering_time=limits.http_linger_seconds,
            shutdown_timeout=limits.http_shutdown_seconds,
            auto_decompress=False,
        )
        await runner.setup()
        web_server = runner.server
        assert web_server is not None

        where: dict[str, Any] = {"sock": listener} if listener else {"host": host or "127.0.0.1", "port": port}
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: _Door(web_server, app[AUTHORIZATION].is_proxy),
                ssl=tls,
                ssl_handshake_timeout=limits.tls_handshake_seconds_max if tls else None,
                **where,
            )
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner, server)

    @property
    def address(self) -> Address:
        """Where the server listens (the first socket, if a host name has several addresses)."""
        return normalize(self._server.sockets[0].getsockname())

    async def close(self) -> None:
        """Takes no more connections, lets requests under way end within a bound, then cuts them off. Idempotent."""
        self._server.close()
        await self._runner.cleanup()


class _Door(asyncio.Protocol):
    """Lets a connection in; or it is one too many, told to come back, and closed before it has sent anything."""

    def __init__(self, server: web.Server, is_proxy: Callable[[str], bool]) -> None:
        self._server = server
        self._is_proxy = is_proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if self._has_room(_ip(transport)):
            handler = self._server()
            transport.set_protocol(handler)
            handler.connection_made(transport)
            return
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\n"
            b"Retry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % limits.full_retry_seconds
        )
        transport.close()

    def _has_room(self, ip: str) -> bool:
        """While half of the places are free, they are for whoever comes."""
        there = self._server.connections
        if 2 * len(there) < limits.http_connections_max or self._is_proxy(ip):
            return len(there) < limits.http_connections_max
        whose = network_of(ip)
        theirs = sum(network_of(_ip(each.transport)) == whose for each in there)
        return len(there) < limits.http_connections_max and theirs < limits.http_connections_per_network_max


def _ip(transport: asyncio.BaseTransport | None) -> str:
    peername = transport.get_extra_info("peername") if transport is not None else None
    return normalize(peername)[0] if isinstance(peername, tuple) and len(peername) >= 2 else ""


def _protocol_logger() -> logging.Logger:
    """aiohttp logs a traceback for each request that is not HTTP: the client's fault, and its way to fill our disk."""
    logger = logging.getLogger("swarm.http.protocol")
    if not logger.filters:
        logger.addFilter(_not_the_clients_fault)
    return logger


def _not_the_clients_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not isinstance(error, HttpProcessingError)
