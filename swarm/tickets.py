"""Tickets: how a token's bearer is sent to another node of a private swarm.

Browsers, curl and most libraries leave `Authorization` out when a 307 leads to another host (WHATWG Fetch, section
4.4 "HTTP-redirect fetch"). So the redirecting node, which has checked the token, writes what it allows into the new
URL: for one producer, one node, and some seconds, with a MAC under a key that only members of the swarm have. The
token itself stays where it was.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from foundation import limits
from foundation.errors import BadToken
from foundation.packing import pack, unpack
from swarm.tokens import Access, Grant

_TAG = b"swarmd ticket\0"
_MAC_BYTES = 16


class Tickets:
    """`url` is this node's base URL; tickets are written with the first of the swarm's keys and read with any."""

    def __init__(self, url: str, keys: Sequence[bytes]) -> None:
        assert keys
        self._url = url
        self._keys = tuple(hashlib.blake2b(_TAG, key=key, digest_size=32).digest() for key in keys)

    def write(self, to: str, producer: UUID | None, grant: Grant, subject: str, wall_now: float) -> str:
        """A ticket for the node with the base URL `to`, good for `ticket_seconds`; without a producer for any."""
        body = pack(
            [to, producer.bytes if producer else None, str(grant), subject, int(wall_now + limits.ticket_seconds)]
        )
        return urlsafe_b64encode(_mac(self._keys[0], body) + body).decode().rstrip("=")

    def read(self, ticket: str, wall_now: float) -> Access:
        """What the bearer may do here. Raises `BadToken`."""
        body = self._body(ticket)
        to, producer, grant, subject, expires = unpack(body, limits.ticket_chars_max)
        if to != self._url or wall_now > expires:
            raise BadToken("the ticket is for another node, or has expired")
        return Access(frozenset({grant}), frozenset({UUID(bytes=producer)}) if producer else None, subject)

    def _body(self, ticket: str) -> bytes:
        """Only what one of us wrote gets past here, so its form need not be checked again."""
        if len(ticket) > limits.ticket_chars_max or not ticket.isascii():
            raise BadToken("the ticket is not valid")
        try:
            data = urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
        except ValueError:
            data = b""
        mac, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, body)) for key in self._keys):
            raise BadToken("the ticket is not valid")
        return body


def _mac(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=_MAC_BYTES).digest()
