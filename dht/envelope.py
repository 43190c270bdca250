"""What every DHT datagram is wrapped in: a keyed MAC, a time, and a window in which no datagram counts twice. Sans-IO.

    0      1        2        6           14       30
    0xD5 | version | key id | time (ms) | MAC    | body

The MAC (BLAKE2b, 16 bytes) covers everything before it and the body, and is checked before anything else is looked at:
who has not the swarm's key gets no answer. In an open swarm the key follows from the swarm id, which keeps strays and
other swarms out, and nobody else.
"""

import hashlib
import hmac
from collections.abc import Sequence

from dht.dropped import Dropped
from foundation.limits import dht_datagram_bytes_max, replays_remembered_max

FIRST_BYTE = 0xD5
"""In the range that RFC 7983 leaves free, so that the datagrams share a port with STUN, DTLS and SRTP."""

VERSION = 1
HEADER_BYTES = 30
body_bytes_max = dht_datagram_bytes_max - HEADER_BYTES

window_ms = 30_000
"""How far a sender's clock may be from ours, either way."""

_MAC_START = 14
_MAC_BYTES = 16


class ClockSkew(Dropped):
    """An authentic datagram from a node whose clock, or ours, is wrong (or a very old one)."""


class Envelope:
    """Seals with the first key and opens with any: two live keys let a swarm change its key without a pause."""

    def __init__(self, swarm: bytes, swarm_keys: Sequence[bytes] = ()) -> None:
        """`swarm_keys` are secrets of 32 bytes, the current one first; none at all means an open swarm."""
        keys = [_mac_key(swarm, secret) for secret in swarm_keys] or [_mac_key(swarm, b"")]
        self._keys = {_key_id(key): key for key in keys}
        self._current = _key_id(keys[0])
        self._replays = _ReplayWindow()

    def seal(self, body: bytes, wall_ms: int) -> bytes:
        """The datagram with this body; two of the same body in different milliseconds differ."""
        assert len(body) <= body_bytes_max, "a body that fits no datagram"
        head = bytes((FIRST_BYTE, VERSION)) + self._current + wall_ms.to_bytes(8, "big")
        return head + _mac(self._keys[self._current], head, body) + body

    def open(self, datagram: bytes, wall_ms: int) -> bytes:
        """The body of an authentic, timely datagram that was not opened before. Raises `RemoteError`."""
        if not HEADER_BYTES <= len(datagram) <= dht_datagram_bytes_max:
            raise Dropped("size", "a datagram is too short or too long")
        if datagram[0] != FIRST_BYTE or datagram[1] != VERSION:
            raise Dropped("version", "a datagram is of another protocol or version")
        key = self._keys.get(datagram[2:6])
        if key is None:
            raise Dropped("foreign", "a datagram is of another swarm")
        head, mac, body = datagram[:_MAC_START], datagram[_MAC_START:HEADER_BYTES], datagram[HEADER_BYTES:]
        if not hmac.compare_digest(_mac(key, head, body), mac):
            raise Dropped("forged", "a datagram is forged")
        if abs(int.from_bytes(head[6:], "big") - wall_ms) > window_ms:
            raise ClockSkew("skewed", "a datagram's time is more than 30 s from ours")
        if not self._replays.first_time(mac, wall_ms):
            raise Dropped("replayed", "a datagram came twice")
        return body


def sent_ms(datagram: bytes) -> int:
    """The sender's clock in a datagram that was opened."""
    return int.from_bytes(datagram[6:_MAC_START], "big")


class _ReplayWindow:
    """MACs of the datagrams opened during the last window, in two halves of which the older is forgotten as a whole.

    A half lasts two windows, because a datagram may be one window ahead and is refused only when one behind.
    """

    def __init__(self) -> None:
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()
        self._since_ms = 0

    def first_time(self, mac: bytes, wall_ms: int) -> bool:
        if mac in self._newer or mac in self._older:
            return False
        if abs(wall_ms - self._since_ms) > 2 * window_ms or len(self._newer) >= replays_remembered_max:
            self._older, self._newer, self._since_ms = self._newer, set(), wall_ms
        self._newer.add(mac)
        return True


def _mac_key(swarm: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(swarm, key=secret, digest_size=32, person=b"swarmd dht mac").digest()


def _key_id(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=4, person=b"swarmd dht keyid").digest()


def _mac(key: bytes, head: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(head + body, key=key, digest_size=_MAC_BYTES).digest()
