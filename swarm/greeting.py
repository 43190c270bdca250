"""What lets two nodes onto a link: the STUN credentials of a dial, and the HELLO that each side has to say first.

A HELLO carries the node's signed record, which names its DTLS certificate: whoever shows that certificate and sends
that record is that node. In a private swarm it also proves the swarm key, bound to the certificates of both ends.
"""

import hashlib
import hmac
from dataclasses import dataclass

from foundation.errors import RemoteError
from foundation.identity import NODE_ID_BYTES, NodeId
from swarm.messages import Hello
from swarm.record import NodeRecord
from swarm.wire import PROOF_BYTES

_PROOF_TAG = b"swarmd hello\0"
_PASSWORD_TAG = b"swarmd link\0"
_PASSWORD_BYTES = 16
_UFRAG_NONCE_BYTES = 6


def link_ufrag(node: NodeId) -> str:
    """The ICE user fragment under which a node listens for links: its id in hex (40 digits)."""
    return node.hex()


def dial_ufrag(node: NodeId, nonce: bytes) -> str:
    """The user fragment of one dial: the dialer's id, and 6 fresh bytes that tell this dial from its others, in hex."""
    assert len(nonce) == _UFRAG_NONCE_BYTES
    return node.hex() + nonce.hex()


def dialer_of(ufrag: str) -> NodeId:
    """The node that says it dials with this user fragment. Raises `RemoteError` when no node would."""
    try:
        raw = bytes.fromhex(ufrag)
    except ValueError:
        raw = b""
    if len(raw) != NODE_ID_BYTES + _UFRAG_NONCE_BYTES or raw.hex() != ufrag:
        raise RemoteError("a link's user fragment is not a node id and a nonce")
    return raw[:NODE_ID_BYTES]


def link_password(secret: bytes, acceptor: NodeId, dialer: NodeId) -> str:
    """The ICE password of a dial (32 hex digits), from the swarm key or, in an open swarm, from the swarm id."""
    digest = hashlib.blake2b(_PASSWORD_TAG + acceptor + dialer, key=secret, digest_size=_PASSWORD_BYTES)
    return digest.hexdigest()


@dataclass(slots=True)
class Greeter:
    """This node's side of every greeting. `me` is its own record, with the signed bytes in `encoded`."""

    me: NodeRecord
    swarm_key: bytes | None

    def hello(self, peer_fingerprint: bytes) -> Hello:
        """Our HELLO to the holder of this certificate."""
        return Hello(self.me.encoded, self._proof(self.me.fingerprint, peer_fingerprint))

    def check(self, hello: Hello, peer_fingerprint: bytes, expected: NodeId, wall_now: float) -> NodeRecord:
        """The record of the peer that showed this certificate and has to be `expected`. Raises `RemoteError`."""
        record = NodeRecord.decode(hello.record, self.me.swarm, wall_now)
        if record.fingerprint != peer_fingerprint:
            raise RemoteError("the peer's record names another certificate than the one it showed")
        if record.node != expected:
            raise RemoteError("the peer is another node than the one expected")
        if record.node == self.me.node:
            raise RemoteError("the peer has this node's own key")
        proof = self._proof(peer_fingerprint, self.me.fingerprint)
        if proof is not None and not hmac.compare_digest(proof, hello.proof or b""):
            raise RemoteError("the peer does not know the swarm key")
        return record

    def _proof(self, sender: bytes, receiver: bytes) -> bytes | None:
        """Of one direction: what is said on one link is worth nothing on another one, or back to its sender."""
        if self.swarm_key is None:
            return None
        return hashlib.blake2b(_PROOF_TAG + sender + receiver, key=self.swarm_key, digest_size=PROOF_BYTES).digest()
