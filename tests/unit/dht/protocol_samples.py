"""`python -m tests.unit.dht.protocol_samples`: the "Samples" of docs/protocol-dht.md, made by the code itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from dht.envelope import Envelope
from dht.lease import Announcement, Lease
from dht.messages import build_answer, build_request, build_retry, pack_found, pack_present, pack_stored, pack_told
from dht.peer import Peer, pack_address
from dht.peers_file import KnownPeer, save_peers
from dht.presence import prove
from dht.producer_ids import certified_id
from dht.store import Outcome
from foundation.identity import NodeKey, node_id, swarm_id, swarm_origin

WALL_MS = 1_700_000_000_000
SWARM_KEY = bytes(range(32))
SWARM = swarm_id("sample", swarm_origin(SWARM_KEY))
ASKER, OWNER = NodeKey.from_seed(b"\1" * 32), NodeKey.from_seed(b"\2" * 32)
ASKER_ID, OWNER_ID = node_id(SWARM, ASKER.public), node_id(SWARM, OWNER.public)
ASKER_AT, OWNER_AT = ("192.0.2.1", 7400), ("2001:db8::2", 7400)
PRODUCER = UUID("018f0000-0000-7000-8000-000000000001")
NONCE = b"n" * 16
MESSAGE_ID = b"question"
TOKEN = b"a token!"

ENVELOPE = "0xD5, version|key id|time|MAC"
HEAD = "array of 6|request|id|sender|no token"
ANSWER = "array of 4|answer|id|sender"
BODY = "array of 12|version|swarm id|producer|owner's key|epoch|seq|issued|ttl"
RECORD = f"record: array of 2|body, as bin; its parts follow|{BODY}"
FILLED = f"{RECORD}|flags|addresses|address|ip|port|certificate|URL|signature"
ADDRESS = "address|ip|port"
CONTACT = "contact|node id|ip|port"


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes as they are sent or stored, with a label for each of their parts in order, `|` in between."""

    title: str
    data: bytes
    labels: str

    def lines(self) -> Iterator[str]:
        """One line for each part: its bytes in hex, and what it is."""
        yield f"{self.title}, {len(self.data)} bytes:"
        parts = _datagram(self.data) if self.data[0] == 0xD5 else _parts(self.data)
        for part, label in zip_longest(parts, self.labels.split("|")):
            digits = part.hex()
            yield from (f"    {digits[at : at + 72]}" for at in range(0, len(digits) - 72, 72))
            last = digits[(len(digits) - 1) // 72 * 72 :]
            yield f"    {last:<73}{label}"


def samples() -> list[Sample]:
    """One of everything that is sent or stored."""
    lease = Lease.issue(OWNER, SWARM, _announcement(PRODUCER), seq=1, issued_ms=WALL_MS)
    gone = Lease.issue(OWNER, SWARM, _announcement(PRODUCER), seq=2, issued_ms=WALL_MS, tombstone=True)
    signature = prove(OWNER, NONCE, ASKER_ID, OWNER_ID, OWNER_AT, ASKER_AT)
    contact = Peer(ASKER_ID, ASKER_AT)
    asked = {
        "Ping": (
            build_request(MESSAGE_ID, ASKER_ID, "ping", NONCE, pack_address(OWNER_AT)),
            f"{HEAD}|ping|arguments|nonce|{ADDRESS}",
        ),
        "Answer to a ping": (
            build_answer(MESSAGE_ID, OWNER_ID, pack_present(ASKER_AT, OWNER.public, signature)),
            f"{ANSWER}|result|{ADDRESS}|public key|signature",
        ),
        "find_node": (
            build_request(MESSAGE_ID, ASKER_ID, "find_node", lease.key, 8, token=TOKEN),
            f"{HEAD.replace('no token', 'token')}|find_node|arguments|target|contacts",
        ),
        "find_value": (
            build_request(MESSAGE_ID, ASKER_ID, "find_value", lease.key, 20),
            f"{HEAD}|find_value|arguments|producer key|contacts",
        ),
        "Answer to a find_value": (
            build_answer(MESSAGE_ID, OWNER_ID, pack_found([lease.record], [contact])),
            f"{ANSWER}|result|records|record, as bin; its parts follow|{FILLED}|contacts|{CONTACT}",
        ),
        "store": (
            build_request(MESSAGE_ID, OWNER_ID, "store", gone.record, 8),
            f"{HEAD}|store|arguments|record, as bin; its parts follow|{RECORD}|flags: tombstone|no addresses"
            "|no certificate|no URL|signature|contacts",
        ),
        "Answer to a store": (
            build_answer(MESSAGE_ID, ASKER_ID, pack_stored(Outcome.STORED, None, [])),
            f"{ANSWER}|result|stored|no newer record|contacts",
        ),
        "ask": (
            build_request(MESSAGE_ID, ASKER_ID, "ask", b"\x81\xa1t\xa5probe"),
            f"{HEAD}|ask|arguments|what is asked",
        ),
        "Answer to an ask": (build_answer(MESSAGE_ID, OWNER_ID, pack_told(None)), f"{ANSWER}|result|nothing"),
        "Retry": (build_retry(MESSAGE_ID, ASKER_ID, TOKEN), "array of 4|retry|id|sender|token"),
    }
    envelope = Envelope(SWARM, [SWARM_KEY])
    sent = [
        Sample(name, envelope.seal(body, WALL_MS), f"{ENVELOPE}|{labels}") for name, (body, labels) in asked.items()
    ]
    own = Lease.issue(OWNER, SWARM, _announcement(own_id()), seq=3, issued_ms=WALL_MS, bound=True)
    peers = "array of 2|version|peers|peer|public key|ip|port|last good"
    return [
        *sent,
        Sample("A bound lease of an id of its owner's", own.record, FILLED),
        Sample("A file of peers", _peers(), peers),
    ]


def own_id() -> UUID:
    """What the owner makes of the salt `salt`."""
    return certified_id(SWARM, OWNER.public, b"salt")


def section() -> str:
    """Everything between the heading and the end of the document."""
    facts = {
        "swarm's name": "sample",
        "swarm key": SWARM_KEY.hex(),
        "swarm's origin": swarm_origin(SWARM_KEY).hex(),
        "swarm id": SWARM.hex(),
        "asker's seed (RFC 8032)": (b"\1" * 32).hex(),
        "asker's public key": ASKER.public.hex(),
        "asker's node id": ASKER_ID.hex(),
        "owner's seed": (b"\2" * 32).hex(),
        "owner's public key": OWNER.public.hex(),
        "owner's node id": OWNER_ID.hex(),
        "owner's id with the salt `salt`": str(own_id()),
    }
    known = "\n".join(f"    {name:<34}{value}" for name, value in facts.items())
    shown = "\n\n".join("\n".join(sample.lines()).replace(":\n", ":\n\n", 1) for sample in samples())
    return f"{known}\n\n{shown}\n"


def _announcement(producer_id: UUID) -> Announcement:
    return Announcement(producer_id, 1_700_000_000_000_000, (OWNER_AT,), bytes(32), "http://[2001:db8::2]:7400")


def _peers() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "peers"
        save_peers(path, [KnownPeer(OWNER.public, OWNER_AT, WALL_MS // 1000)])
        return path.read_bytes()


def _datagram(data: bytes) -> Iterator[bytes]:
    for start, end in ((0, 2), (2, 6), (6, 14), (14, 30)):
        yield data[start:end]
    yield from _parts(data[30:])


def _parts(data: bytes) -> Iterator[bytes]:
    """Of msgpack: each array's head, and everything else whole, but for records and bodies, which are msgpack too."""
    at = 0
    while at < len(data):
        head, size = _size(data, at)
        inside = data[at + head : at + head + size]
        if inside[:1] in (b"\x92", b"\x9c") and size > 60:
            yield data[at : at + head]
            yield from _parts(inside)
        else:
            yield data[at : at + head + size]
        at += head + size


def _size(data: bytes, at: int) -> tuple[int, int]:
    """Bytes of the head, and of what follows it, for the kinds that are used here."""
    kind = data[at]
    if kind in (0xC4, 0xD9):
        return 2, data[at + 1]
    if kind == 0xC5:
        return 3, int.from_bytes(data[at + 1 : at + 3], "big")
    if 0xA0 <= kind <= 0xBF:
        return 1, kind - 0xA0
    if 0xCC <= kind <= 0xCF:
        return 1, 1 << kind - 0xCC
    assert kind <= 0x7F or 0x90 <= kind <= 0x9F or kind == 0xC0, f"no head that is used here: {kind:#x}"
    return 1, 0


if __name__ == "__main__":
    print(section(), end="")
