"""The proof that a node has the key of its id, now, and is reached by the address it was asked at. Sans-IO.

The asker sends a nonce and the address it asks; the answer is signed over both, both ids, and the asker's address as
the answering node sees it. So no answer serves twice, for another asker, or for another address.
"""

from dht.messages import Present
from dht.peer import pack_address
from foundation.address import Address
from foundation.errors import RemoteError
from foundation.identity import NodeId, NodeKey, node_id, signature_valid
from foundation.packing import pack

_TAG = b"swarmd dht presence"


def prove(key: NodeKey, nonce: bytes, asker: NodeId, own_id: NodeId, asked: Address, observed: Address) -> bytes:
    """The signature: `asked` is our address as the asker wrote it, `observed` is the asker's as we see it."""
    return key.sign(_TAG, _statement(nonce, asker, own_id, asked, observed))


def check_presence(
    present: Present, swarm: bytes, nonce: bytes, own_id: NodeId, answering: NodeId, asked: Address
) -> None:
    """Raises `RemoteError` unless the answer proves that `answering` is at the address which we asked."""
    if node_id(swarm, present.public) != answering:
        raise RemoteError("a node shows a key that is not of its id")
    statement = _statement(nonce, own_id, answering, asked, present.observed)
    if not signature_valid(present.public, _TAG, statement, present.signature):
        raise RemoteError("a node does not prove its id")


def _statement(nonce: bytes, asker: NodeId, answering: NodeId, asked: Address, observed: Address) -> bytes:
    return pack([nonce, asker, answering, pack_address(asked), pack_address(observed)])
