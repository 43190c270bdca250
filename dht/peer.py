"""Who and where a node of the DHT is, and how both are written in records and messages."""

import ipaddress
from functools import lru_cache
from typing import Any, NamedTuple

from foundation.address import Address, checked, is_loopback
from foundation.errors import RemoteError
from foundation.identity import NODE_ID_BYTES, NodeId
from foundation.limits import ips_cached_max


class Peer(NamedTuple):
    """A node as another node, or its own datagram, told us."""

    id: NodeId
    address: Address


def pack_address(address: Address) -> list[Any]:
    """`[ip, port]` with the ip as 4 or 16 bytes in network order, so that an address has one encoding."""
    return [_packed(address[0]), address[1]]


def unpack_address(wire: Any) -> Address:
    """The inverse of `pack_address`. Raises `RemoteError` for whatever one cannot send to."""
    if not isinstance(wire, list) or len(wire) != 2:
        raise RemoteError("an address is not [ip, port]")
    ip, port = wire
    if not isinstance(ip, bytes) or len(ip) not in (4, 16):
        raise RemoteError("an ip is not 4 or 16 bytes")
    return checked_address(_text(ip), port)


def checked_address(ip: str, port: object) -> Address:
    """`foundation.address.checked`, quickly. Raises `RemoteError`."""
    if type(port) is not int or not 1 <= port <= 65535:
        raise RemoteError("a port is not from 1 to 65535")
    return _one_host(ip), port


def pack_peer(peer: Peer) -> list[Any]:
    """`[id, ip, port]`."""
    return [peer.id, *pack_address(peer.address)]


def unpack_peer(wire: Any) -> Peer:
    """The inverse of `pack_peer`. Raises `RemoteError`."""
    if not isinstance(wire, list) or len(wire) != 3:
        raise RemoteError("a contact is not [id, ip, port]")
    return Peer(checked_id(wire[0]), unpack_address(wire[1:]))


def checked_id(value: Any) -> bytes:
    """A node id or a key somebody else wrote down: exactly 20 bytes. Raises `RemoteError`."""
    if not isinstance(value, bytes) or len(value) != NODE_ID_BYTES:
        raise RemoteError("an id is not 20 bytes")
    return value


def distance(one: bytes, other: bytes) -> int:
    """Kademlia's XOR metric of two 20-byte ids or keys."""
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


def means_the_same(ip: str, to: str) -> bool:
    """Whether an ip means the same machine to us as to the node at the ip `to`: loopback is everybody's own."""
    return not _is_loopback(ip) or _is_loopback(to)


@lru_cache(ips_cached_max)
def _is_loopback(ip: str) -> bool:
    return is_loopback(ip)


@lru_cache(ips_cached_max)
def _packed(ip: str) -> bytes:
    return ipaddress.ip_address(ip).packed


@lru_cache(ips_cached_max)
def _text(ip: bytes) -> str:
    return str(ipaddress.ip_address(ip))


@lru_cache(ips_cached_max)
def _one_host(ip: str) -> str:
    return checked(ip, 1)[0]
