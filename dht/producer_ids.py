"""Producer ids that belong to a key: UUIDv8 (RFC 9562) of a salt and a hash of both. Sans-IO.

    bytes 0-3: salt    bytes 4-15: SHA-256 over a tag, swarm id, public key, salt, but for version and variant

Whoever has another key can claim such an id, but its claim ranks below every claim of the id's own owner: 90 bits of
the hash are left to search for.
"""

import hashlib
from functools import lru_cache
from uuid import UUID

from foundation.errors import LocalError
from foundation.limits import ids_certified_max

SALT_BYTES = 4
NODE_SALT = b"node"


def certified_id(swarm: bytes, public: bytes, salt: bytes) -> UUID:
    """The id which this key has under this salt. Raises `LocalError` unless the salt is 4 bytes."""
    if len(salt) != SALT_BYTES:
        raise LocalError(f"the salt of a producer id is {SALT_BYTES} bytes")
    raw = bytearray(salt + hashlib.sha256(b"swarmd producer id\0" + swarm + public + salt).digest()[: 16 - SALT_BYTES])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


@lru_cache(ids_certified_max)
def certified(swarm: bytes, producer_id: UUID, public: bytes) -> bool:
    """Whether the id is one of this key's own."""
    return producer_id.version == 8 and certified_id(swarm, public, producer_id.bytes[:SALT_BYTES]) == producer_id


def node_lease_id(swarm: bytes, public: bytes) -> UUID:
    """Under which a node leases itself, so that its bound producers hold."""
    return certified_id(swarm, public, NODE_SALT)
