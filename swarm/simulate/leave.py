"""Capabilities without cryptography: as long as signed ones, and as hard to forge for whoever does not try."""

from collections.abc import Callable
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId

_BYTES = 168
"""Of a signed one."""

_HEAD = 20 + 16 + 20


class PlainCapabilities:
    """Those of one node; `clock` gives seconds."""

    def __init__(self, me: NodeId, clock: Callable[[], float]) -> None:
        self._me = me
        self._clock = clock

    def issue(self, producer: UUID, node: NodeId) -> bytes:
        return (self._me + producer.bytes + node + int(self._clock()).to_bytes(8, "big")).ljust(_BYTES, b"\0")

    def owner(self, capability: bytes, producer: UUID, node: NodeId) -> NodeId | None:
        if len(capability) != _BYTES or capability[20:_HEAD] != producer.bytes + node:
            return None
        issued = int.from_bytes(capability[_HEAD : _HEAD + 8], "big")
        return capability[:20] if self._clock() < issued + limits.capability_seconds else None
