"""The HTTP side of one node as its options want it: who is let in, and whether by TLS."""

import asyncio
import socket
from collections.abc import Sequence

from foundation import limits
from foundation.address import Address, format_address
from swarm.config import Config
from swarm.http.authorization import Authorization
from swarm.http.remote import TrustedProxies
from swarm.http.server import HttpServer, make_app
from swarm.http.tls import ServerTls
from swarm.service import NodeService
from swarm.tickets import Tickets
from swarm.tokens import load_token_key


class Web:
    """Made before anything is opened, so that a wrong file is known in time."""

    def __init__(self, config: Config) -> None:
        """Reads the files it is told to use. Raises `ConfigError`."""
        self._config = config
        self._key = load_token_key(config.token_key_file) if config.token_key_file else None
        self._tls = ServerTls(config.tls_cert, config.tls_key) if config.tls_cert and config.tls_key else None

    def url(self, address: Address) -> str:
        """The node's base URL, when clients reach it at this address."""
        if self._config.public_url:
            return self._config.public_url
        return f"{'https' if self._tls else 'http'}://{format_address(address)}"

    async def serve(
        self, service: NodeService, listener: socket.socket, url: str, swarm_keys: Sequence[bytes]
    ) -> HttpServer:
        """Serves on a bound socket. Clients that are sent on get tickets when there are `swarm_keys`, newest first."""
        authorization = Authorization(
            self._key,
            Tickets(url, swarm_keys) if swarm_keys else None,
            open_to_all=self._config.open_swarm,
            proxies=TrustedProxies(self._config.trusted_networks),
        )
        tls = self._tls.context if self._tls else None
        return await HttpServer.start(make_app(service, authorization), listener=listener, tls=tls)

    async def watch_certificate(self) -> None:
        """Runs as long as the node, if there is a certificate that may change."""
        while self._tls is not None:
            await asyncio.sleep(limits.certificate_check_seconds)
            self._tls.reload_if_changed()
