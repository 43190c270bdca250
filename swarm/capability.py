"""Capabilities: an owner's leave for one node to consume one producer for some minutes, shown to whoever feeds it.

On the wire it is msgpack `[body, signature]`; the body, signed as it stands, is the msgpack of
`[1, owner's public key, producer, node, issued, expires]`, times in seconds since 1970.
"""

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import PUBLIC_KEY_BYTES, NodeId, NodeKey, node_id, signature_valid
from foundation.packing import pack, unpack

_TAG = b"swarmd capability"
_FORMAT = 1
_CLOCK_SKEW_SECONDS = 30
"""As datagrams: nodes whose clocks differ more do not hear each other."""


class Capabilities(Protocol):
    """What the relay tree needs of them, so that it sees neither keys nor clocks."""

    def issue(self, producer: UUID, node: NodeId) -> bytes:
        """This node's leave for `node`, as the owner of the producer."""

    def owner(self, capability: bytes, producer: UUID, node: NodeId) -> NodeId | None:
        """Who gave `node` leave to consume the producer; None when nobody did, or it is over."""


class SignedCapabilities:
    """Those of one node; `wall_clock` gives seconds since 1970."""

    def __init__(self, key: NodeKey, swarm: bytes, wall_clock: Callable[[], float]) -> None:
        self._key = key
        self._swarm = swarm
        self._wall_clock = wall_clock

    def issue(self, producer: UUID, node: NodeId) -> bytes:
        now = int(self._wall_clock())
        body = pack([_FORMAT, self._key.public, producer.bytes, node, now, now + int(limits.capability_seconds)])
        return pack([body, self._key.sign(_TAG, body)])

    def owner(self, capability: bytes, producer: UUID, node: NodeId) -> NodeId | None:
        try:
            outer = unpack(capability, limits.capability_bytes_max)
            body, signature = _parts(outer, 2)
            version, public, of, given_to, issued, expires = _parts(unpack(body, limits.capability_bytes_max), 6)
        except RemoteError:
            return None
        fits = (version, of, given_to) == (_FORMAT, producer.bytes, node)
        if not fits or not self._timely(issued, expires) or not _bytes_of(public, PUBLIC_KEY_BYTES):
            return None
        if not isinstance(signature, bytes) or not signature_valid(public, _TAG, body, signature):
            return None
        return node_id(self._swarm, public)

    def _timely(self, issued: Any, expires: Any) -> bool:
        if type(issued) is not int or type(expires) is not int:
            return False
        lasts = 0 < expires - issued <= limits.capability_seconds
        return lasts and issued - _CLOCK_SKEW_SECONDS <= self._wall_clock() < expires + _CLOCK_SKEW_SECONDS


def _parts(value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count or (count == 2 and not isinstance(value[0], bytes)):
        raise RemoteError("a capability is malformed")
    return value


def _bytes_of(value: Any, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length
