"""STUN (RFC 8489) as far as ICE needs it, over aioice's codec; bytes from outside raise `RemoteError` and nothing else.

What can be told from a few bytes is told first: anybody may send these datagrams, and parsing one costs 9 µs.
"""

import struct
from enum import IntEnum

from aioice.stun import Class, Message, Method, parse_message

from foundation.address import Address
from foundation.errors import RemoteError

_HEADER_BYTES = 20
_COOKIE = b"\x21\x12\xa4\x42"
_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ufrag_chars_max = 256
"""RFC 8445 section 5.3."""


class StunKind(IntEnum):
    """Binding messages, by the first two bytes; ICE uses no other method."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    RESPONSE = 0x0101
    ERROR = 0x0111


def kind_of(data: bytes) -> StunKind:
    """The kind of a datagram whose header is that of a STUN binding message. Raises `RemoteError`."""
    size = len(data)
    if size < _HEADER_BYTES or size & 3 or size != _HEADER_BYTES + (data[2] << 8 | data[3]) or data[4:8] != _COOKIE:
        raise RemoteError("a datagram is not STUN")
    try:
        return StunKind(data[0] << 8 | data[1])
    except ValueError:
        raise RemoteError("a STUN message is not about binding") from None


def ufrags_of(data: bytes) -> tuple[str, str]:
    """A request's USERNAME, the receiver's half first, read without parsing the rest. Raises `RemoteError`."""
    position, end = _HEADER_BYTES, len(data) - 4
    while position <= end:
        kind, length = data[position] << 8 | data[position + 1], data[position + 2] << 8 | data[position + 3]
        if kind == _MESSAGE_INTEGRITY:
            break  # what follows is not authenticated
        if kind == _USERNAME:
            return _split(data[position + 4 : position + 4 + length])
        position += 4 + length + (-length & 3)
    raise RemoteError("a STUN request has no USERNAME")


def parse(data: bytes) -> Message:
    """A whole message; a FINGERPRINT, if there is one, is right. The integrity is not checked here.

    Raises `RemoteError`.
    """
    try:
        return parse_message(data)
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as exc:
        raise RemoteError("a STUN message is malformed") from exc


def authenticated_request(data: bytes, password: str) -> Message:
    """A binding request whose MESSAGE-INTEGRITY covers the USERNAME that `ufrags_of` has read. Raises `RemoteError`."""
    request = parse(data)
    if not request.check_message_integrity(password.encode()):
        raise RemoteError("a STUN request is not authenticated")
    if request.attributes.get("USERNAME") != ":".join(ufrags_of(data)):
        raise RemoteError("a STUN request has two user names")
    return request


def authenticated_response(data: bytes, password: str) -> Message:
    """A binding success response under the password of its request. Raises `RemoteError`."""
    response = parse(data)
    if response.message_class != Class.RESPONSE or not response.check_message_integrity(password.encode()):
        raise RemoteError("a STUN response is not authenticated")
    return response


def success_response(request: Message, address: Address, password: str) -> bytes:
    """The answer to a valid check which came from `address` (RFC 8445 section 7.3)."""
    response = Message(Method.BINDING, Class.RESPONSE, request.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = address
    response.add_message_integrity(password.encode())
    return bytes(response)


def _split(username: bytes) -> tuple[str, str]:
    try:
        local, colon, remote = username.decode().partition(":")
    except UnicodeDecodeError:
        raise RemoteError("a STUN user name is not text") from None
    if not colon or not 0 < len(local) <= _ufrag_chars_max or not 0 < len(remote) <= _ufrag_chars_max:
        raise RemoteError("a STUN user name is not two ufrags")
    return local, remote
