"""Which clients are on this machine, as their sockets and the name they use for it tell."""

import ipaddress
import re

from aiohttp import web

from foundation.address import is_loopback
from swarm.http.problems import LOOPBACK_ONLY, WRONG_HOST, Problem

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


def host_of(request: web.BaseRequest) -> str | None:
    """The `Host` header as it came if it is well formed: `name`, `name:port`, `[v6]:port`."""
    host = request.headers.get("Host", "")
    return host if _HOST.fullmatch(host) else None


def refusal(ip: str, host: str) -> Problem | None:
    """Why a node that serves loopback only turns down a client with this address and `Host` header.

    A page of a foreign site can point a name of its own at 127.0.0.1 (DNS rebinding) and would then count as this
    node's own page; so only names that nobody else can own are answered to.
    """
    if not ip or not is_loopback(ip):
        return LOOPBACK_ONLY
    if host and not _is_ours(host):
        return WRONG_HOST
    return None


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
