"""Keys, swarms and announcements which the tests of this package share."""

from typing import Any
from uuid import UUID

from dht.lease import Announcement, Lease
from foundation.identity import NodeKey, swarm_id

SECRET = b"s" * 32
SWARM = swarm_id("tests", SECRET)
WALL_MS = 1_700_000_000_000
PRODUCER = UUID("018f0000-0000-7000-8000-000000000001")


def node_key(number: int) -> NodeKey:
    return NodeKey.from_seed(number.to_bytes(32, "big"))


def announcement(**changes: Any) -> Announcement:
    fields: dict[str, Any] = {
        "producer_id": PRODUCER,
        "epoch": 1,
        "addresses": (("192.0.2.1", 7400), ("2001:db8::1", 7400)),
        "fingerprint": bytes(range(32)),
        "url": "http://192.0.2.1:7400",
    }
    return Announcement(**{**fields, **changes})


def lease(owner: int = 1, *, seq: int = 1, issued_ms: int = WALL_MS, tombstone: bool = False, **changes: Any) -> Lease:
    return Lease.issue(
        node_key(owner), SWARM, announcement(**changes), seq=seq, issued_ms=issued_ms, tombstone=tombstone
    )
