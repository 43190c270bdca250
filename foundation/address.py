"""Network addresses as the node keeps them: `(ip, port)` with a normalised numeric ip."""

import ipaddress
import socket

from foundation.errors import RemoteError

PORT_DEFAULT = 7400

Address = tuple[str, int]
"""A numeric IPv4 or IPv6 address (never `::ffff:` mapped, never scoped) and a port from 1 to 65535."""


def split_host_port(text: str, port_default: int = PORT_DEFAULT) -> tuple[str, int]:
    """Splits `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; the host stays unresolved.

    Raises `ValueError` with a text that names what is wrong.
    """
    host, port = text.strip(), str(port_default)
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not [IPV6]:PORT")
        port = rest[1:] or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host:
        raise ValueError(f"{text!r} has no host")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{port!r} in {text!r} is not a port from 0 to 65535")
    return host, int(port)


def normalize(sockaddr: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    """What a socket reported, as an `Address`: without scope, flow label and `::ffff:` mapping."""
    ip = sockaddr[0]
    if ":" in ip:
        ip = ip.partition("%")[0]
        if ip.startswith("::ffff:") and "." in ip:
            ip = ip[7:]
    return ip, sockaddr[1]


def checked(ip: object, port: object) -> Address:
    """An address somebody else wrote down, as an `Address`.

    Raises `RemoteError` for host names, port 0, multicast, unspecified and anything else one cannot send to.
    """
    if not isinstance(ip, str) or type(port) is not int or not 1 <= port <= 65535:
        raise RemoteError("an address is not (ip, port)")
    try:
        parsed = ipaddress.ip_address(ip)
    except ValueError:
        raise RemoteError("an address is not a numeric ip") from None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            raise RemoteError("an address has a scope")
        parsed = parsed.ipv4_mapped or parsed
    if parsed.is_multicast or parsed.is_unspecified:
        raise RemoteError("an address is not one host's")
    return str(parsed), port


def format_address(address: tuple[str, int]) -> str:
    """`ip:port`, with brackets around IPv6, as it stands in URLs and in `--join`."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(ip: str) -> bool:
    """Whether a numeric ip is one of this machine's loopback addresses."""
    return ipaddress.ip_address(ip).is_loopback


def family_of(ip: str) -> socket.AddressFamily:
    """`AF_INET6` for an ip with a colon, else `AF_INET`."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET
