"""What a fuzzer begins with: good inputs of each kind, so that it need not find every field by chance."""

import struct
from collections.abc import Iterator
from pathlib import Path

from aioice import stun

from dht.envelope import Envelope
from dht.lease import Announcement, Lease
from foundation.identity import node_id
from foundation.packing import pack, unpack
from media import rtcp
from swarm import wire
from swarm.capability import SignedCapabilities
from swarm.record import NodeRecord
from swarm.tickets import Tickets
from swarm.tokens import EVERYTHING, Grant, make_token
from tests.fuzz.targets import KEY, NODE, NOW, PRODUCER, SECRET, SWARM
from tests.unit.dht.test_messages import WHOLE
from tests.unit.swarm.test_messages import EVERY_MESSAGE

_OFFERS = Path(__file__).parents[1] / "unit" / "media" / "offers"
_KEPT = Path(__file__).parent / "kept"
_ADDRESS = ("192.0.2.1", 7400)


def seeds(name: str) -> list[bytes]:
    """Good inputs for a target, and the bad ones that were once defects."""
    kept = sorted((_KEPT / name).glob("*")) if (_KEPT / name).is_dir() else []
    return [*_good(name), *(path.read_bytes() for path in kept)]


def _good(name: str) -> Iterator[bytes]:
    match name:
        case "stun_messages":
            request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            request.attributes.update({"USERNAME": "a:b", "PRIORITY": 1, "ICE-CONTROLLING": 1})
            request.add_message_integrity(b"password")
            yield bytes(request)
        case "rtp_packets":
            head = struct.pack("!BBHII", 0x90, 96, 7, 8, 9)
            yield head + bytes.fromhex("bede000210aa22bbccdd0000") + bytes.fromhex("90e08000000001")
            yield head + bytes.fromhex("1000000201020102ff000000") + bytes.fromhex("7c850000")
            yield struct.pack("!BBHII", 0xB1, 96, 7, 8, 9) + bytes(8) + b"payload" + b"\0\0\0\4"
        case "rtcp_compounds":
            yield rtcp.receiver_report(1) + rtcp.source_description(1, "cname") + rtcp.picture_loss_indication(1, 2)
            yield rtcp.generic_nack(1, 2, [3, 4, 90]) + rtcp.full_intra_request(1, 2, 3) + rtcp.bye([1])
            yield rtcp.receiver_estimated_maximum_bitrate(1, 300_000, [2, 3])
        case "sdp_offers" | "ice_fragments":
            yield from (path.read_bytes() for path in sorted(_OFFERS.glob("*.sdp")))
        case "dht_envelopes":
            yield from (Envelope(SWARM).seal(body, NOW * 1000) for body in WHOLE)
        case "dht_messages":
            yield from WHOLE
        case "dht_results":
            yield from (pack(unpack(body, 2048)[3]) for body in WHOLE if len(unpack(body, 2048)) == 4)
        case "leases":
            announcement = Announcement(PRODUCER, 1, (_ADDRESS, ("2001:db8::1", 1)), bytes(32), "http://a")
            for tombstone, bound in ((False, False), (True, False), (False, True)):
                lease = Lease.issue(
                    KEY, SWARM, announcement, seq=1, issued_ms=NOW * 1000, tombstone=tombstone, bound=bound
                )
                yield from (lease.record, unpack(lease.record, 512)[0])
        case "node_records":
            unsigned = NodeRecord(SWARM, KEY.public, (_ADDRESS,), bytes(32), "http://a", "eu", "1", 1, NOW + 60)
            yield from (unsigned.encode(KEY), unpack(unsigned.encode(KEY), 512)[0])
        case "control_messages":
            yield from map(wire.encode, EVERY_MESSAGE)
        case "capabilities":
            shown = SignedCapabilities(KEY, SWARM, lambda: NOW).issue(PRODUCER, NODE)
            yield from (shown, unpack(shown, 256)[0])
        case "access_tokens":
            yield make_token(SECRET, EVERYTHING, NOW + 60).encode()
            yield Tickets(node_id(SWARM, KEY.public), (SECRET,)).write(NODE, PRODUCER, Grant.PLAY, "ann", NOW).encode()
        case "forwarded_headers":
            yield b'for="[2001:db8::1]:80";proto=https;by=10.0.0.1, for=192.0.2.1'
        case "configuration_files":
            yield b'listen = "127.0.0.1:0"\njoin = ["a:1", "b:2"]\nmax-consumers = 3\nopen_swarm = true\n'
        case "peers_files":
            yield pack([1, [[KEY.public, bytes([192, 0, 2, 1]), 7400, NOW]]])
        case "swarm_key_files":
            yield b"ab" * 32 + b"\n"
            yield b"swarm " + b"ab" * 20 + b"\ncurrent " + b"cd" * 32 + b"\nnext " + b"ef" * 32 + b"\n"
