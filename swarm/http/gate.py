"""Who is served: clients on this machine, unless the node was opened to all."""

import ipaddress
import re

from aiohttp import web

from foundation.address import is_loopback, normalize
from swarm.http.problems import LOOPBACK_ONLY, WRONG_HOST, Handler, Problem, Refusal

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


def host_of(request: web.BaseRequest) -> str | None:
    """The `Host` header as it came if it is well formed: `name`, `name:port`, `[v6]:port`."""
    host = request.headers.get("Host", "")
    return host if _HOST.fullmatch(host) else None


def refusal(peername: object, host: str) -> Problem | None:
    """Why a node that serves loopback only turns down a client with this socket name and `Host` header.

    A page of a foreign site can point a name of its own at 127.0.0.1 (DNS rebinding) and would then count as this
    node's own page; so only names that nobody else can own are answered to.
    """
    if not _from_loopback(peername):
        return LOOPBACK_ONLY
    if host and not _is_ours(host):
        return WRONG_HOST
    return None


def peer_refusal(request: web.BaseRequest) -> Problem | None:
    """`refusal` for whoever sent this request."""
    peername = request.transport.get_extra_info("peername") if request.transport else None
    return refusal(peername, request.headers.get("Host", ""))


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The middleware of a node that is not open to all."""
    problem = peer_refusal(request)
    if problem:
        raise Refusal(problem)
    return await handler(request)


def _from_loopback(peername: object) -> bool:
    if not isinstance(peername, tuple) or len(peername) < 2:
        return False
    return is_loopback(normalize(peername)[0])


def _is_ours(host: str) -> bool:
    matched = _HOST.fullmatch(host)
    if not matched:
        return False
    name = matched[1].strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
