"""One number for two sockets: TCP for HTTP, UDP for everything else."""

import errno
import socket

from foundation.address import family_of, format_address
from foundation.errors import ConfigError
from media.port import UdpPort

_free_port_tries_max = 16
"""A free TCP number whose UDP twin is taken is rare; sixteen in a row mean that something else is wrong."""

_tcp_backlog = 512
"""Connections that wait for one turn of the loop: a herd of viewers arrives within milliseconds."""


def bind(host: str, port: int) -> tuple[socket.socket, UdpPort]:
    """A listening TCP socket and the UDP port on the same address; port 0 picks a number that is free for both.

    Raises `ConfigError`.
    """
    ip = _resolved(host)
    for _ in range(_free_port_tries_max):
        listener = _listen(ip, port)
        try:
            return listener, UdpPort.open(ip, listener.getsockname()[1])
        except OSError as exc:
            listener.close()
            if port or exc.errno != errno.EADDRINUSE:
                raise _refusal(ip, port, "UDP", exc) from exc
    raise ConfigError(f"--listen {format_address((host, 0))}: no number is free for TCP and UDP; name one")


def ip_versions(port: UdpPort) -> tuple[int, ...]:
    """To which addresses the port can send: 4, 6 or both, as it was bound."""
    ip = port.local[0]
    if ip == "::":
        return (4, 6)
    return (6,) if ":" in ip else (4,)


def _resolved(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "no host name"
        raise ConfigError(f"--listen: {host!r} is no address of this machine ({why})") from exc
    return str(found[0][4][0])


def _listen(ip: str, port: int) -> socket.socket:
    try:
        return socket.create_server((ip, port), family=family_of(ip), backlog=_tcp_backlog, dualstack_ipv6=ip == "::")
    except OSError as exc:
        raise _refusal(ip, port, "TCP", exc) from exc


def _refusal(ip: str, port: int, protocol: str, exc: OSError) -> ConfigError:
    address = format_address((ip, port))
    if exc.errno == errno.EADDRINUSE:
        return ConfigError(f"--listen: {protocol} port {address} is in use: end what uses it, or choose another number")
    return ConfigError(f"--listen: cannot listen on {protocol} {address}: {exc.strerror}")
