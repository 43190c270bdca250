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
_SECRET_TAG_BYTES = 4
UFRAG_NONCE_BYTES = 6


def link_ufrag(node: NodeId) -> str:
    """The ICE user fragment under which a node listens for links: its id in hex (40 digits)."""
    return node.hex()


def dial_ufrag(node: NodeId, secret: bytes, nonce: bytes) -> str:
    """The user fragment of one dial, in hex: the dialer's id, 4 bytes that tell which secret its password is made of,
    and 6 fresh bytes that tell this dial from its others.
    """
    assert len(nonce) == UFRAG_NONCE_BYTES
    return (node + _secret_tag(secret) + nonce).hex()


def dialer_of(ufrag: str) -> NodeId:
    """The node that says it dials with this user fragment. Raises `RemoteError` when no node would."""
    return _split(ufrag)[0]


def link_password(secret: bytes, acceptor: NodeId, dialer: NodeId) -> str:
    """The ICE password of a dial (32 hex digits), from the swarm key or, in an open swarm, from the swarm id."""
    digest = hashlib.blake2b(_PASSWORD_TAG + acceptor + dialer, key=secret, digest_size=_PASSWORD_BYTES)
    return digest.hexdigest()


@dataclass(slots=True)
class Greeter:
    """This node's side of every dial and greeting. `me` is its own record, with the signed bytes in `encoded`.

    While a private swarm changes its key, the `swarm_key_other` of a peer is as good as the one that is used here.
    """

    me: NodeRecord
    swarm_key: bytes | None
    swarm_key_other: bytes | None = None

    def dial(self, acceptor: NodeId, nonce: bytes) -> tuple[str, str]:
        """Our user fragment and the password of a dial, with 6 fresh bytes."""
        secret = self._secrets[0]
        return dial_ufrag(self.me.node, secret, nonce), link_password(secret, acceptor, self.me.node)

    def password_of(self, ufrag: str) -> str | None:
        """What whoever dials us with this user fragment has to know; None if it is of no secret of ours.

        Raises `RemoteError` when no node would use this user fragment.
        """
        dialer, tag = _split(ufrag)
        for secret in self._secrets:
            if _secret_tag(secret) == tag:
                return link_password(secret, self.me.node, dialer)
        return None

    def hello(self, peer_fingerprint: bytes) -> Hello:
        """Our HELLO to the holder of this certificate."""
        proofs = self._proofs(self.me.fingerprint, peer_fingerprint)
        return Hello(self.me.encoded, proofs[0] if proofs else None)

    def check(self, hello: Hello, peer_fingerprint: bytes, expected: NodeId, wall_now: float) -> NodeRecord:
        """The record of the peer that showed this certificate and has to be `expected`. Raises `RemoteError`."""
        record = NodeRecord.decode(hello.record, self.me.swarm, wall_now)
        if record.fingerprint != peer_fingerprint:
            raise RemoteError("the peer's record names another certificate than the one it showed")
        if record.node != expected:
            raise RemoteError("the peer is another node than the one expected")
        if record.node == self.me.node:
            raise RemoteError("the peer has this node's own key")
        proofs = self._proofs(peer_fingerprint, self.me.fingerprint)
        if proofs and not any(hmac.compare_digest(proof, hello.proof or b"") for proof in proofs):
            raise RemoteError("the peer does not know the swarm key")
        return record

    @property
    def _keys(self) -> list[bytes]:
        return [key for key in (self.swarm_key, self.swarm_key_other) if key]

    @property
    def _secrets(self) -> list[bytes]:
        return self._keys or [self.me.swarm]

    def _proofs(self, sender: bytes, receiver: bytes) -> list[bytes]:
        """Of one direction: what is said on one link is worth nothing on another one, or back to its sender."""
        said = _PROOF_TAG + sender + receiver
        return [hashlib.blake2b(said, key=key, digest_size=PROOF_BYTES).digest() for key in self._keys]


def _split(ufrag: str) -> tuple[NodeId, bytes]:
    try:
        raw = bytes.fromhex(ufrag)
    except ValueError:
        raw = b""
    if len(raw) != NODE_ID_BYTES + _SECRET_TAG_BYTES + UFRAG_NONCE_BYTES or raw.hex() != ufrag:
        raise RemoteError("a link's user fragment is not a node id, a tag and a nonce")
    return raw[:NODE_ID_BYTES], raw[NODE_ID_BYTES:-UFRAG_NONCE_BYTES]


def _secret_tag(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=_SECRET_TAG_BYTES, person=b"swarmd link key").digest()
