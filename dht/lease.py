"""The signed, expiring record "producer P is owned by node N". Sans-IO.

On the wire a lease is msgpack `[body, signature]`, where the body is a msgpack array of twelve items (docs/PROTOCOL.md)
and the signature covers a tag and the body's raw bytes: nothing is encoded again before it was verified, and whoever
passes a lease on passes on the very bytes that its owner signed.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dht.peer import pack_address, unpack_address
from dht.producer_ids import certified, node_lease_id
from foundation.address import Address
from foundation.errors import LocalError, RemoteError
from foundation.identity import (
    NODE_ID_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    SWARM_ID_BYTES,
    NodeId,
    NodeKey,
    node_id,
    signature_valid,
)
from foundation.limits import lease_addresses_max, lease_bytes_max, lease_url_chars_max
from foundation.packing import pack, unpack

LEASE_TTL_SECONDS = 45
"""Three announcements long: two of them may be lost, and a dead owner is forgotten within a minute."""

ttl_seconds_max = 60
"""Of anybody's lease; a tombstone has to outlive every lease it withdraws."""

BOUND_TTL_SECONDS = 600
"""Of a bound lease, and the most it may have: it ends with its owner's node lease, which is an ordinary one."""

skew_seconds_max = 5.0
"""How far ahead of ours an owner's clock may run."""

FINGERPRINT_BYTES = 32

_VERSION = 1
_TAG = b"swarmd lease"
_TOMBSTONE, _BOUND = 1, 2
_COUNTER_MAX = 2**63 - 1
_frame_bytes = 6
"""Of the array around body and signature: 1, and 3 and 2 for the lengths of the two."""

_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")

Rank = tuple[bool, int, int, bytes]
"""What orders the claims to a producer: whether the id is its owner's own, epoch, seq, SHA-256 of the record."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an owner says: `fingerprint` is the SHA-256 of its DTLS certificate, `url` its HTTP base URL or empty."""

    producer_id: UUID
    epoch: int
    addresses: tuple[Address, ...]
    fingerprint: bytes
    url: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """One verified lease; `record` is its encoding as the owner signed it. A tombstone has no addresses.

    One that is `bound` holds only while its owner's node lease does, and that names the same certificate.
    """

    record: bytes
    swarm: bytes
    producer_id: UUID
    owner: bytes
    epoch: int
    seq: int
    issued_ms: int
    ttl_seconds: int
    tombstone: bool
    bound: bool
    addresses: tuple[Address, ...]
    fingerprint: bytes
    url: str

    @classmethod
    def issue(
        cls,
        key: NodeKey,
        swarm: bytes,
        announcement: Announcement,
        *,
        seq: int,
        issued_ms: int,
        tombstone: bool = False,
        bound: bool = False,
    ) -> "Lease":
        """Signs a lease of 45 s, or a bound one of 600 s. Raises `LocalError` when it could not pass for one."""
        head = [_VERSION, swarm, announcement.producer_id.bytes, key.public, announcement.epoch, seq, issued_ms]
        try:
            flags = _TOMBSTONE * tombstone | _BOUND * bound
            ttl = BOUND_TTL_SECONDS if bound else LEASE_TTL_SECONDS
            body = [*head, ttl, flags, *(([], b"", "") if tombstone else _contents(announcement))]
            raw = pack(body)
            record = pack([raw, key.sign(_TAG, raw)])
            return _parse(record, unpack(raw, lease_bytes_max - SIGNATURE_BYTES - _frame_bytes))
        except (RemoteError, ValueError, TypeError, OverflowError) as exc:
            raise LocalError(f"this cannot be announced: {exc}") from exc

    @property
    def owner_id(self) -> NodeId:
        """The owner's node id, which follows from its public key."""
        return node_id(self.swarm, self.owner)

    @property
    def key(self) -> bytes:
        """The 20-byte DHT key under which the lease belongs."""
        return producer_key(self.swarm, self.producer_id)

    @property
    def rank(self) -> Rank:
        own = certified(self.swarm, self.producer_id, self.owner)
        return own, self.epoch, self.seq, hashlib.sha256(self.record).digest()

    def seconds_left(self, wall_ms: int) -> float:
        """Until issued + ttl, and never more than the ttl, whatever the owner's clock says."""
        return min(float(self.ttl_seconds), (self.issued_ms - wall_ms) / 1000 + self.ttl_seconds)


def producer_key(swarm: bytes, producer_id: UUID) -> bytes:
    """The DHT key of a producer: 20 bytes, of the same space as node ids."""
    return hashlib.sha256(b"swarmd producer\0" + swarm + producer_id.bytes).digest()[:NODE_ID_BYTES]


def validate(record: Any, swarm: bytes, key: bytes, wall_ms: int) -> Lease:
    """A lease as somebody stored it with us or answered us. Raises `RemoteError` for anything not to be believed.

    Checked: size, encoding, types, lengths, the owner's signature, swarm, key, ttl, and the time window.
    """
    return check(decode(record), swarm, key, wall_ms)


def check(lease: Lease, swarm: bytes, key: bytes, wall_ms: int) -> Lease:
    """The part of `validate` that time and place can change, for a lease whose signature was verified before."""
    if lease.swarm != swarm:
        raise RemoteError("a lease is of another swarm")
    if lease.key != key:
        raise RemoteError("a lease is under a key that is not its own")
    if lease.issued_ms > wall_ms + skew_seconds_max * 1000:
        raise RemoteError("a lease was issued in the future")
    if lease.seconds_left(wall_ms) <= 0:
        raise RemoteError("a lease has expired")
    return lease


def decode(record: Any) -> Lease:
    """The lease in these bytes, its signature verified. Raises `RemoteError`."""
    if not isinstance(record, bytes):
        raise RemoteError("a lease is not bytes")
    outer = unpack(record, lease_bytes_max)
    if not isinstance(outer, list) or len(outer) != 2 or not all(isinstance(item, bytes) for item in outer):
        raise RemoteError("a lease is not [body, signature]")
    raw, signature = outer
    lease = _parse(record, unpack(raw, lease_bytes_max))
    if not signature_valid(lease.owner, _TAG, raw, signature):
        raise RemoteError("a lease has a wrong signature")
    return lease


def standing(leases: Iterable[Lease]) -> list[Lease]:
    """Of any number of verified leases of one producer the claims that stand, the highest rank first.

    Of each owner only its latest word counts, and a tombstone withdraws nobody's claim but its owner's.
    """
    latest: dict[bytes, Lease] = {}
    for lease in leases:
        if lease.owner not in latest or latest[lease.owner].rank < lease.rank:
            latest[lease.owner] = lease
    return sorted((lease for lease in latest.values() if not lease.tombstone), key=lambda held: held.rank, reverse=True)


def doubtful(claims: Sequence[Lease]) -> bool:
    """Whether the first of these claims, by rank, is only first because the id is its owner's own.

    Somebody else claims it with a higher epoch: a publisher that came back by another node, or nobody honest. The owner
    has to be asked; what a node leases itself under is never in doubt.
    """
    if not claims or not claims[0].rank[0] or claims[0].producer_id == node_lease_id(claims[0].swarm, claims[0].owner):
        return False
    return any(claim.epoch > claims[0].epoch for claim in claims[1:])


def without_precedence(claims: Sequence[Lease]) -> list[Lease]:
    """The order of these claims when the owner of the first is silent: its own id counts no more than any other."""
    return sorted(claims, key=lambda claim: claim.rank[1:], reverse=True)


def _contents(announcement: Announcement) -> tuple[list[Any], bytes, str]:
    addresses = [pack_address(address) for address in announcement.addresses]
    return addresses, announcement.fingerprint, announcement.url


def _parse(record: bytes, body: Any) -> Lease:
    if not isinstance(body, list) or not body or type(body[0]) is not int:
        raise RemoteError("a lease's body is not an array")
    if body[0] != _VERSION:
        raise RemoteError("a lease has an unknown version")
    if len(body) != 12:
        raise RemoteError("a lease's body has not 12 items")
    _, swarm, producer, owner, epoch, seq, issued_ms, ttl, flags, addresses, fingerprint, url = body
    tombstone, bound = bool(_integer(flags, 0, 3) & _TOMBSTONE), bool(flags & _BOUND)
    lease = Lease(
        record=record,
        swarm=_exactly(swarm, SWARM_ID_BYTES),
        producer_id=UUID(bytes=_exactly(producer, 16)),
        owner=_exactly(owner, PUBLIC_KEY_BYTES),
        epoch=_integer(epoch, 0, _COUNTER_MAX),
        seq=_integer(seq, 0, _COUNTER_MAX),
        issued_ms=_integer(issued_ms, 0, _COUNTER_MAX),
        ttl_seconds=_integer(ttl, 1, BOUND_TTL_SECONDS if bound else ttl_seconds_max),
        tombstone=tombstone,
        bound=bound,
        addresses=_addresses(addresses),
        fingerprint=_exactly(fingerprint, 0 if tombstone else FINGERPRINT_BYTES),
        url=_url(url),
    )
    if tombstone == bool(lease.addresses) or (tombstone and lease.url):
        raise RemoteError("a lease without addresses, or a tombstone with them")
    return lease


def _exactly(value: Any, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise RemoteError(f"a lease's field is not {length} bytes")
    return value


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RemoteError(f"a lease's number is not from {low} to {high}")
    return value


def _addresses(value: Any) -> tuple[Address, ...]:
    if not isinstance(value, list) or len(value) > lease_addresses_max:
        raise RemoteError(f"a lease has more than {lease_addresses_max} addresses")
    return tuple(unpack_address(item) for item in value)


def _url(value: Any) -> str:
    if not isinstance(value, str) or len(value) > lease_url_chars_max or (value and not _URL.fullmatch(value)):
        raise RemoteError("a lease's url is not an http base url")
    return value
