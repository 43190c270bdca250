"""Who a node is: an Ed25519 key, and the id that follows from it, so that nobody chooses an id.

The id is the first 20 bytes of SHA-256 over a tag, the swarm id and the public key; it is also the Kademlia id.
Every signature covers a domain tag, so that one kind of record can never pass for another.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NODE_ID_BYTES = 20
SWARM_ID_BYTES = 16
SWARM_ORIGIN_BYTES = 16
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

NodeId = bytes


class NodeKey:
    """A node's private Ed25519 key, and what is public of it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: bytes = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "NodeKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "NodeKey":
        """The key of a 32-byte seed (RFC 8032); equal seeds give equal keys."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def seed(self) -> bytes:
        """The 32 secret bytes that `from_seed` takes: never log them."""
        return self._private.private_bytes_raw()

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """The 64-byte signature of `body` in the domain `tag`."""
        return self._private.sign(tag + b"\0" + body)


def signature_valid(public: bytes, tag: bytes, body: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `public` over `body` in the domain `tag`; wrong lengths are just false."""
    if len(public) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, tag + b"\0" + body)
    except (InvalidSignature, ValueError):
        return False
    return True


def swarm_origin(first_key: bytes) -> bytes:
    """The 16 bytes which a private swarm keeps of its first key when it changes it; no secret."""
    return hashlib.sha256(b"swarmd swarm origin\0" + first_key).digest()[:SWARM_ORIGIN_BYTES]


def swarm_id(name: str, origin: bytes | None = None) -> bytes:
    """The 16 bytes which tell one swarm's records from another's: of its name and, if private, its origin."""
    return hashlib.sha256(b"swarmd swarm\0" + name.encode() + b"\0" + (origin or b"")).digest()[:SWARM_ID_BYTES]


def node_id(swarm: bytes, public: bytes) -> NodeId:
    """The 20-byte id of the node with this public key in this swarm."""
    return hashlib.sha256(b"swarmd node\0" + swarm + public).digest()[:NODE_ID_BYTES]
