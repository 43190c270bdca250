"""The five RPCs as msgpack arrays: built here, and checked here before anything else sees them. Sans-IO.

    request   [0, id, sender, token, method, [arguments]]
    answer    [1, id, sender, result]
    retry     [2, id, sender, token]

The sender is a node id, which is only believed after the answer to a ping has proved it (`dht.presence`). The token is
empty, or what a node of an open swarm gave out in a retry, to see that the sender's address is its own.
"""

from dataclasses import dataclass
from typing import Any, Literal

from dht.envelope import body_bytes_max
from dht.peer import Peer, checked_id, pack_address, pack_peer, unpack_address, unpack_peer
from dht.store import Outcome
from foundation.address import Address
from foundation.errors import RemoteError
from foundation.identity import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, NodeId
from foundation.limits import (
    ask_bytes_max,
    claims_per_producer_max,
    contacts_per_reply_max,
    contacts_per_store_max,
    lease_bytes_max,
)
from foundation.packing import pack, unpack

MESSAGE_ID_BYTES = 8

TOKEN_BYTES = 8
NONCE_BYTES = 16

Method = Literal["ping", "find_node", "find_value", "store", "ask"]
_methods: tuple[Method, ...] = ("ping", "find_node", "find_value", "store", "ask")

_REQUEST, _ANSWER, _RETRY = 0, 1, 2

_head_bytes = 64
"""Of an answer, everything but records and contacts: kind, id, sender and array headers take 40."""

_record_bytes = 3
_peer_bytes = 45
"""Beside a record's bytes, and a whole contact with an IPv6 address, in msgpack."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question with checked arguments: those of a ping are (nonce, address asked), of finds (target, contacts at
    most), of a store (record, contacts at most), of an ask (the request's id, bytes).
    """

    id: bytes
    sender: NodeId
    token: bytes
    method: Method
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose `result` only makes sense beside its question: see the `parse_…` functions."""

    id: bytes
    sender: NodeId
    result: Any


@dataclass(frozen=True, slots=True)
class Retry:
    """Instead of an answer: the question is to be asked again with this token."""

    id: bytes
    sender: NodeId
    token: bytes


@dataclass(frozen=True, slots=True)
class Present:
    """The answer to a ping: our address as its sender sees it, the sender's public key, and a signature over both."""

    observed: Address
    public: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What a node knows about a target: records (unverified) of find_value, and the contacts nearest to it."""

    records: tuple[bytes, ...]
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a store, the record (unverified) that outranks it, if there is one, and contacts near to it."""

    outcome: Outcome
    newer: bytes | None
    peers: tuple[Peer, ...] = ()


def build_request(message_id: bytes, sender: NodeId, method: Method, *arguments: Any, token: bytes = b"") -> bytes:
    """`arguments` as in `Request`, an address as `pack_address` writes it."""
    return pack([_REQUEST, message_id, sender, token, _methods.index(method), list(arguments)])


def build_answer(message_id: bytes, sender: NodeId, result: Any) -> bytes:
    """`result` is what a `pack_…` function made."""
    return pack([_ANSWER, message_id, sender, result])


def build_retry(message_id: bytes, sender: NodeId, token: bytes) -> bytes:
    return pack([_RETRY, message_id, sender, token])


def parse(body: bytes) -> Request | Answer | Retry:
    """A message, a request with its arguments checked. Raises `RemoteError`."""
    message = unpack(body, body_bytes_max)
    if not isinstance(message, list) or len(message) not in (4, 6):
        raise RemoteError("a message is not an array of 4 or 6")
    kind, message_id, sender = message[:3]
    if not _bytes_of(message_id, MESSAGE_ID_BYTES) or type(kind) is not int:
        raise RemoteError("a message has a malformed head")
    checked_id(sender)
    if (kind, len(message)) == (_ANSWER, 4):
        return Answer(message_id, sender, message[3])
    if (kind, len(message)) == (_RETRY, 4) and _bytes_of(message[3], TOKEN_BYTES):
        return Retry(message_id, sender, message[3])
    if (kind, len(message)) == (_REQUEST, 6):
        return _request(message_id, sender, *message[3:])
    raise RemoteError("a message is neither a request nor an answer")


def pack_found(records: list[bytes], peers: list[Peer], peers_max: int = contacts_per_reply_max) -> list[Any]:
    """Of the records and then of the contacts, both best first, as many as fit a datagram."""
    room = body_bytes_max - _head_bytes
    kept: list[bytes] = []
    for record in records[:claims_per_producer_max]:
        if len(record) + _record_bytes <= room:
            kept.append(record)
            room -= len(record) + _record_bytes
    return [kept, [pack_peer(peer) for peer in peers[: min(peers_max, room // _peer_bytes)]]]


def parse_found(result: Any) -> Found:
    """Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 2:
        raise RemoteError("an answer is not [records, contacts]")
    records, peers = result
    if not isinstance(records, list) or len(records) > claims_per_producer_max:
        raise RemoteError("an answer has too many records")
    return Found(tuple(_record(record) for record in records), _peers(peers))


def pack_stored(outcome: Outcome, newer: bytes | None, peers: list[Peer] | None = None) -> list[Any]:
    return [int(outcome), newer, [pack_peer(peer) for peer in peers or []]]


def parse_stored(result: Any) -> Stored:
    """Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 3:
        raise RemoteError("an answer is not [outcome, record, contacts]")
    outcome, newer, peers = result
    if type(outcome) is not int or not Outcome.STORED <= outcome <= Outcome.REFUSED:
        raise RemoteError("an answer has an unknown outcome")
    return Stored(Outcome(outcome), None if newer is None else _record(newer), _peers(peers))


def pack_present(observed: Address, public: bytes, signature: bytes) -> list[Any]:
    return [pack_address(observed), public, signature]


def parse_present(result: Any) -> Present:
    """Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 3:
        raise RemoteError("an answer is not [address, public key, signature]")
    observed, public, signature = result
    if not _bytes_of(public, PUBLIC_KEY_BYTES) or not _bytes_of(signature, SIGNATURE_BYTES):
        raise RemoteError("an answer has no public key or no signature")
    return Present(unpack_address(observed), public, signature)


def pack_told(answer: bytes | None) -> list[Any]:
    return [answer]


def parse_told(result: Any) -> bytes | None:
    """The bytes answered to an ask, None for nothing. Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 1:
        raise RemoteError("an answer is not [bytes]")
    return None if result[0] is None else _payload(result[0])


def _request(message_id: bytes, sender: NodeId, token: Any, method: Any, arguments: Any) -> Request:
    if not isinstance(arguments, list) or type(method) is not int or not 0 <= method < len(_methods):
        raise RemoteError("a request has an unknown method or no arguments")
    if not _bytes_of(token, TOKEN_BYTES) and token != b"":
        raise RemoteError("a request's token is malformed")
    name = _methods[method]
    match name, arguments:
        case "ping", [nonce, asked] if _bytes_of(nonce, NONCE_BYTES):
            checked: tuple[Any, ...] = (nonce, unpack_address(asked))
        case "find_node" | "find_value", [target, peers_max]:
            checked = (checked_id(target), _peers_max(peers_max, contacts_per_reply_max))
        case "store", [record, peers_max]:
            if len(_record(record)) < SIGNATURE_BYTES:
                raise RemoteError("a record is shorter than its signature")  # nor is any answer to it longer than it
            checked = (record, _peers_max(peers_max, contacts_per_store_max))
        case "ask", [payload]:
            checked = (message_id, _payload(payload))
        case _:
            raise RemoteError("a request has a wrong number of arguments")
    return Request(message_id, sender, token, name, checked)


def _peers(value: Any) -> tuple[Peer, ...]:
    if not isinstance(value, list) or len(value) > contacts_per_reply_max:
        raise RemoteError("an answer has too many contacts")
    return tuple(unpack_peer(peer) for peer in value)


def _peers_max(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise RemoteError("a request asks for too many contacts")
    return value


def _record(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > lease_bytes_max:
        raise RemoteError("a record is not at most 512 bytes")
    return value


def _payload(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > ask_bytes_max:
        raise RemoteError("a question or its answer is not at most 1000 bytes")
    return value


def _bytes_of(value: Any, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length
