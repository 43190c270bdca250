"""The four RPCs as msgpack arrays: built here, and checked here before anything else sees them. Sans-IO.

    request   [0, id, public key, flags, method, [arguments]]
    answer    [1, id, public key, flags, result]

Every message carries its sender's public key, from which the sender's node id follows: nobody claims another's id
without also showing whose it is. `flags` is 0 and what is set in it is ignored.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

from dht.envelope import body_bytes_max
from dht.peer import Peer, checked_id, pack_address, pack_peer, unpack_address, unpack_peer
from dht.store import Outcome
from foundation.address import Address
from foundation.errors import RemoteError
from foundation.identity import PUBLIC_KEY_BYTES
from foundation.limits import claims_per_producer_max, contacts_per_reply_max, lease_bytes_max
from foundation.packing import pack, unpack

MESSAGE_ID_BYTES = 8

Method = Literal["ping", "find_node", "find_value", "store"]

_REQUEST, _ANSWER = 0, 1

_head_bytes = 64
"""Of an answer, everything but records and contacts: kind, id, public key, flags and array headers take 52."""

_record_bytes = 3
_peer_bytes = 45
"""Beside a record's bytes, and a whole contact with an IPv6 address, in msgpack."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question with checked arguments: none, (target,), (key,) or (key, record)."""

    id: bytes
    public: bytes
    method: Method
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose `result` only makes sense beside its question: see the `parse_…` functions."""

    id: bytes
    public: bytes
    result: Any


@dataclass(frozen=True, slots=True)
class Found:
    """What a node knows about a target: records (unverified) of find_value, and the contacts nearest to it."""

    records: tuple[bytes, ...]
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a store, and the record (unverified) that outranks it, if there is one."""

    outcome: Outcome
    newer: bytes | None


def build_request(message_id: bytes, public: bytes, method: Method, *arguments: bytes) -> bytes:
    return pack([_REQUEST, message_id, public, 0, method, list(arguments)])


def build_answer(message_id: bytes, public: bytes, result: Any) -> bytes:
    """`result` is what a `pack_…` function made."""
    return pack([_ANSWER, message_id, public, 0, result])


def parse(body: bytes) -> Request | Answer:
    """A message, a request with its arguments checked. Raises `RemoteError`."""
    message = unpack(body, body_bytes_max)
    if not isinstance(message, list) or len(message) not in (5, 6):
        raise RemoteError("a message is not an array of 5 or 6")
    kind, message_id, public, flags = message[:4]
    if not _bytes_of(message_id, MESSAGE_ID_BYTES) or not _bytes_of(public, PUBLIC_KEY_BYTES) or type(flags) is not int:
        raise RemoteError("a message has a malformed head")
    if type(kind) is int and (kind, len(message)) == (_ANSWER, 5):
        return Answer(message_id, public, message[4])
    if type(kind) is int and (kind, len(message)) == (_REQUEST, 6):
        return _request(message_id, public, *message[4:])
    raise RemoteError("a message is neither a request nor an answer")


def pack_found(records: list[bytes], peers: list[Peer]) -> list[Any]:
    """Of the records and then of the contacts, both best first, as many as fit a datagram."""
    room = body_bytes_max - _head_bytes
    kept: list[bytes] = []
    for record in records[:claims_per_producer_max]:
        if len(record) + _record_bytes <= room:
            kept.append(record)
            room -= len(record) + _record_bytes
    return [kept, [pack_peer(peer) for peer in peers[: min(contacts_per_reply_max, room // _peer_bytes)]]]


def parse_found(result: Any) -> Found:
    """Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 2:
        raise RemoteError("an answer is not [records, contacts]")
    records, peers = result
    if not isinstance(records, list) or len(records) > claims_per_producer_max:
        raise RemoteError("an answer has too many records")
    if not isinstance(peers, list) or len(peers) > contacts_per_reply_max:
        raise RemoteError("an answer has too many contacts")
    return Found(tuple(_record(record) for record in records), tuple(unpack_peer(peer) for peer in peers))


def pack_stored(outcome: Outcome, newer: bytes | None) -> list[Any]:
    return [int(outcome), newer]


def parse_stored(result: Any) -> Stored:
    """Raises `RemoteError`."""
    if not isinstance(result, list) or len(result) != 2:
        raise RemoteError("an answer is not [outcome, record]")
    outcome, newer = result
    if type(outcome) is not int or not Outcome.STORED <= outcome <= Outcome.REFUSED:
        raise RemoteError("an answer has an unknown outcome")
    return Stored(Outcome(outcome), None if newer is None else _record(newer))


def pack_observed(address: Address) -> list[Any]:
    """The answer to a ping: the address it came from."""
    return pack_address(address)


def parse_observed(result: Any) -> Address:
    """Raises `RemoteError`."""
    return unpack_address(result)


def _request(message_id: bytes, public: bytes, method: Any, arguments: Any) -> Request:
    if not isinstance(arguments, list):
        raise RemoteError("a request's arguments are not an array")
    match method, arguments:
        case "ping", []:
            checked: tuple[Any, ...] = ()
        case "find_node" | "find_value", [target]:
            checked = (checked_id(target),)
        case "store", [key, record]:
            checked = (checked_id(key), _record(record))
        case _:
            raise RemoteError("a request has an unknown method or a wrong number of arguments")
    return Request(message_id, public, cast(Method, method), checked)


def _record(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > lease_bytes_max:
        raise RemoteError("a record is not at most 512 bytes")
    return value


def _bytes_of(value: Any, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length
