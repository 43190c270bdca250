"""Who and where a node of the DHT is, and how both are written in records and messages."""

import ipaddress
from typing import Any, NamedTuple

from foundation.address import Address, checked
from foundation.errors import RemoteError
from foundation.identity import NODE_ID_BYTES, NodeId


class Peer(NamedTuple):
    """A node as another node, or its own datagram, told us."""

    id: NodeId
    address: Address


def pack_address(address: Address) -> list[Any]:
    """`[ip, port]` with the ip as 4 or 16 bytes in network order, so that an address has one encoding."""
    return [ipaddress.ip_address(address[0]).packed, address[1]]


def unpack_address(wire: Any) -> Address:
    """The inverse of `pack_address`. Raises `RemoteError` for whatever one cannot send to."""
    if not isinstance(wire, list) or len(wire) != 2:
        raise RemoteError("an address is not [ip, port]")
    ip, port = wire
    if not isinstance(ip, bytes) or len(ip) not in (4, 16):
        raise RemoteError("an ip is not 4 or 16 bytes")
    return checked(str(ipaddress.ip_address(ip)), port)


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
