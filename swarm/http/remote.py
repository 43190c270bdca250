"""From which address a request comes, and as what it was asked for: `Forwarded` counts from trusted proxies only."""

import ipaddress
import re
from dataclasses import dataclass

from aiohttp import web

from foundation import limits
from foundation.address import normalize

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR = re.compile(r"""\s*([A-Za-z]+)=(?:"([^"\\]*)"|([^\s;,"]*))\s*""")


@dataclass(frozen=True, slots=True)
class Remote:
    """`ip` is numeric, empty if the socket has none; `scheme` is `http` or `https`, as the client used it."""

    ip: str
    scheme: str


REMOTE = web.RequestKey("remote", Remote)
"""Whose a request is."""


class TrustedProxies:
    """The proxies whose word about their client is taken (RFC 7239, and the older `X-Forwarded-*`)."""

    def __init__(self, networks: tuple[Network, ...] = ()) -> None:
        self._networks = networks

    def remote(self, request: web.BaseRequest) -> Remote:
        """The client of a request. Every trusted proxy adds itself at the end, so it is read from there: the first
        address that is no trusted proxy is the client, and what that one wrote before it proves nothing.
        """
        peername = request.transport.get_extra_info("peername") if request.transport else None
        ip = normalize(peername)[0] if isinstance(peername, tuple) and len(peername) >= 2 else ""
        remote = Remote(ip, request.scheme)
        if not self.trusts(ip):
            return remote
        for hop_ip, scheme in reversed(_hops(request)):
            remote = Remote(hop_ip, scheme or remote.scheme)
            if not self.trusts(hop_ip):
                break
        return remote

    def hides(self, request: web.BaseRequest) -> bool:
        """Whether the client seems to be behind a proxy that nobody told us to trust: its address proves nothing."""
        named = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"))
        peername = request.transport.get_extra_info("peername") if request.transport else None
        return named and not (isinstance(peername, tuple) and self.trusts(normalize(peername)[0]))

    def trusts(self, ip: str) -> bool:
        """Whether this is the address of a proxy that we were told to trust."""
        if not ip or not self._networks:
            return False
        address = ipaddress.ip_address(ip)
        return any(address in network for network in self._networks)


def _hops(request: web.BaseRequest) -> list[tuple[str, str]]:
    """Address and scheme of each hop, nearest last; it ends where somebody wrote what is no address."""
    if forwarded := request.headers.getall("Forwarded", []):
        texts = ",".join(forwarded).split(",")[-limits.forwarded_hops_max :]
        pairs = [{name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(text)} for text in texts]
        hops = [(_ip(pair.get("for", "")), _scheme(pair.get("proto", ""))) for pair in pairs]
    else:
        addresses = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-limits.forwarded_hops_max :]
        scheme = _scheme(request.headers.get("X-Forwarded-Proto", ""))
        hops = [(_ip(text), scheme) for text in addresses]
    known: list[tuple[str, str]] = []
    for hop in reversed(hops):
        if not hop[0]:
            break
        known.insert(0, hop)
    return known


def _ip(text: str) -> str:
    """The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; empty for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _scheme(text: str) -> str:
    text = text.strip().lower()
    return text if text in ("http", "https") else ""
