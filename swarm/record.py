"""Node records: who a node is and how to reach it, signed by its key, so that others may pass them on.

On the wire a record is msgpack `[body, signature]`; the body is the msgpack of a map, signed as it stands.
"""

import functools
import ipaddress
from dataclasses import dataclass, field, replace
from typing import Any

from foundation import limits
from foundation.address import Address, checked
from foundation.errors import LocalError, RemoteError
from foundation.identity import (
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    SWARM_ID_BYTES,
    NodeId,
    NodeKey,
    node_id,
    signature_valid,
)
from foundation.packing import pack, unpack

FINGERPRINT_BYTES = 32

_TAG = b"swarmd node record"
_FORMAT = 1
_CLOCK_SKEW_SECONDS = 300.0
_INTEGER_MAX = 2**63 - 1
_IP_BYTES = (4, 16)


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a node: of its own record, or of a lease. `url` has no trailing slash, and is empty if unknown."""

    node: NodeId
    addresses: tuple[Address, ...]
    fingerprint: bytes
    url: str = ""


@dataclass(frozen=True)
class NodeRecord:
    """One node's description of itself; `sequence` grows with every change, `expires` is Unix time in seconds.

    `encoded` are the signed bytes it was read from, to be passed on as they are; empty for one not yet signed.
    """

    swarm: bytes
    public: bytes
    addresses: tuple[Address, ...]
    fingerprint: bytes
    url: str
    region: str = ""
    version: str = ""
    sequence: int = 0
    expires: float = 0.0
    encoded: bytes = field(default=b"", compare=False, repr=False)

    @functools.cached_property
    def node(self) -> NodeId:
        """The id that follows from swarm and public key: it is not on the wire, so nobody can claim another."""
        return node_id(self.swarm, self.public)

    @property
    def contact(self) -> Contact:
        return Contact(self.node, self.addresses, self.fingerprint, self.url)

    def encode(self, key: NodeKey) -> bytes:
        """The signed record. Raises `LocalError` when it does not fit into `node_record_bytes_max`."""
        assert key.public == self.public
        body = pack(
            {
                "v": _FORMAT,
                "swarm": self.swarm,
                "key": self.public,
                "addr": [[ipaddress.ip_address(ip).packed, port] for ip, port in self.addresses],
                "fp": self.fingerprint,
                "url": self.url,
                "reg": self.region,
                "ver": self.version,
                "seq": self.sequence,
                "exp": int(self.expires * 1000),
            }
        )
        signed = pack([body, key.sign(_TAG, body)])
        if len(signed) > limits.node_record_bytes_max:
            raise LocalError(
                f"the node record has {len(signed)} bytes, which is over {limits.node_record_bytes_max}: "
                "shorten the region or the URL"
            )
        return signed

    @classmethod
    def decode(cls, data: bytes, swarm: bytes, wall_now: float) -> "NodeRecord":
        """A record of this swarm that is well formed, signed and not expired at Unix time `wall_now`.

        Raises `RemoteError` for any other.
        """
        outer = unpack(data, limits.node_record_bytes_max)
        if not isinstance(outer, list) or len(outer) != 2:
            raise RemoteError("a node record is not [body, signature]")
        body, signature = (_bytes(part, None) for part in outer)
        record = _parse(unpack(body, limits.node_record_bytes_max))
        if record.swarm != swarm:
            raise RemoteError("a node record is of another swarm")
        if not wall_now < record.expires <= wall_now + limits.node_record_seconds + _CLOCK_SKEW_SECONDS:
            raise RemoteError("a node record has expired, or would never")
        if len(signature) != SIGNATURE_BYTES or not signature_valid(record.public, _TAG, body, signature):
            raise RemoteError("a node record's signature is wrong")
        return replace(record, encoded=data)


def parse_fingerprint(text: str) -> bytes:
    """The 32 bytes of a SHA-256 fingerprint as SDP writes it (`AA:BB:…`). Raises `RemoteError`."""
    try:
        fingerprint = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        fingerprint = b""
    if len(fingerprint) != FINGERPRINT_BYTES or format_fingerprint(fingerprint) != text.upper():
        raise RemoteError("a certificate fingerprint is not SHA-256")
    return fingerprint


def format_fingerprint(fingerprint: bytes) -> str:
    """A fingerprint as SDP writes it: pairs of upper case hex digits with colons."""
    return fingerprint.hex(":").upper()


def _parse(body: Any) -> NodeRecord:
    if not isinstance(body, dict) or body.get("v") != _FORMAT:
        raise RemoteError("a node record has an unknown format")
    try:
        return NodeRecord(
            swarm=_bytes(body["swarm"], SWARM_ID_BYTES),
            public=_bytes(body["key"], PUBLIC_KEY_BYTES),
            addresses=_addresses(body["addr"]),
            fingerprint=_bytes(body["fp"], FINGERPRINT_BYTES),
            url=_text(body["url"], limits.node_record_url_bytes_max),
            region=_text(body["reg"], limits.node_record_label_bytes_max),
            version=_text(body["ver"], limits.node_record_label_bytes_max),
            sequence=_integer(body["seq"]),
            expires=_integer(body["exp"]) / 1000,
        )
    except KeyError as exc:
        raise RemoteError(f"a node record has no {exc}") from None


def _addresses(value: Any) -> tuple[Address, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= limits.node_record_addresses_max:
        raise RemoteError("a node record has too many addresses, or none")
    addresses = []
    for item in value:
        if (
            not isinstance(item, list)
            or len(item) != 2
            or not isinstance(item[0], bytes)
            or len(item[0]) not in (4, 16)
        ):
            raise RemoteError("a node record has a malformed address")
        addresses.append(checked(str(ipaddress.ip_address(item[0])), item[1]))
    return tuple(addresses)


def _bytes(value: Any, length: int | None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise RemoteError("a node record has a field of a wrong length")
    return value


def _text(value: Any, bytes_max: int) -> str:
    if not isinstance(value, str) or len(value.encode()) > bytes_max or not value.isprintable():
        raise RemoteError("a node record has a text that is too long or not printable")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _INTEGER_MAX:
        raise RemoteError("a node record has a wrong number")
    return value
