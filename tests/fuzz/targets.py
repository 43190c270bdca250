"""Every parser that sees bytes from outside, as a function of bytes: parsed, or the one expected exception.

Whatever else a target raises is a defect. `run.py` feeds them for as long as asked, `test_targets.py` for a moment.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp.test_utils import make_mocked_request

from dht import lease, messages
from dht.envelope import Envelope
from dht.peers_file import load_peers
from foundation.errors import ConfigError, RemoteError
from foundation.identity import SWARM_ID_BYTES, NodeKey
from foundation.packing import pack, unpack
from media import keyframe, rtcp, rtp, rtx, sdes, stun
from media.demux import classify
from media.sdp import parse_offer
from swarm import wire
from swarm.capability import SignedCapabilities
from swarm.http.fragment import fragment_ufrags, offered_ufrags
from swarm.http.remote import TrustedProxies
from swarm.record import NodeRecord
from swarm.settings import read_settings
from swarm.swarm_key import load_swarm_key
from swarm.tickets import Tickets
from swarm.tokens import TokenKey

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {}

SWARM = b"\1" * SWARM_ID_BYTES
KEY = NodeKey.from_seed(b"\2" * 32)
NODE = b"\3" * 20
PRODUCER = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
NOW = 1_700_000_000
SECRET = b"s" * 32


def target(function: Target) -> Target:
    """Makes it one of `TARGETS`, under its name."""
    TARGETS[function.__name__] = function
    return function


@target
def stun_messages(data: bytes) -> None:
    classify(data)
    with contextlib.suppress(RemoteError):
        stun.kind_of(data)
        stun.ufrags_of(data)
    for read in (stun.authenticated_request, stun.authenticated_response):
        with contextlib.suppress(RemoteError):
            read(data, "password")


@target
def rtp_packets(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        header = rtp.parse_header(data)
        assert 12 <= header.payload_start <= header.payload_end <= len(data)
        payload = memoryview(data)[header.payload_start : header.payload_end]
        for codec in ("VP8", "VP9", "AV1", "H264", "H265", "opus"):
            keyframe.starts_keyframe(codec, payload)
        for _, offset, length in rtp.elements(data, header):
            assert 12 <= offset <= offset + length <= header.extensions_end
        rtx.restored(data, header, 96, 1)


@target
def rtcp_compounds(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        for packet in rtcp.parse_compound(data):
            rtcp.feedback_message(packet)
    with contextlib.suppress(RemoteError):
        sdes.described_mids(data)


@target
def sdp_offers(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(RemoteError):
        parse_offer(text)


@target
def ice_fragments(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    offered_ufrags(text)
    with contextlib.suppress(RemoteError):
        fragment_ufrags(text)


@target
def dht_envelopes(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        Envelope(SWARM).open(data, NOW * 1000)


@target
def dht_messages(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        message = messages.parse(data)
        if isinstance(message, messages.Answer):
            _dht_result(message.result)


def _dht_result(result: Any) -> None:
    for read in (messages.parse_found, messages.parse_stored, messages.parse_present, messages.parse_told):
        with contextlib.suppress(RemoteError):
            read(result)


@target
def dht_results(data: bytes) -> None:
    """The results of calls are checked by their callers: so they are fed without an answer around them."""
    with contextlib.suppress(RemoteError):
        _dht_result(unpack(data, 1232))


@target
def leases(data: bytes) -> None:
    """As they come, and signed: a liar has a key too."""
    signed = pack([data, KEY.sign(lease._TAG, data)])
    for record in (data, signed):
        with contextlib.suppress(RemoteError):
            lease.decode(record)


@target
def node_records(data: bytes) -> None:
    from swarm import record

    signed = pack([data, KEY.sign(record._TAG, data)])
    for encoded in (data, signed):
        with contextlib.suppress(RemoteError):
            NodeRecord.decode(encoded, SWARM, NOW)


@target
def control_messages(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        message = wire.decode(data)
        assert wire.decode(wire.encode(message)) == message


@target
def capabilities(data: bytes) -> None:
    from swarm import capability

    signed = pack([data, KEY.sign(capability._TAG, data)])
    for shown in (data, signed):
        SignedCapabilities(KEY, SWARM, lambda: NOW).owner(shown, PRODUCER, NODE)


@target
def access_tokens(data: bytes) -> None:
    text = data.decode("latin-1")
    with contextlib.suppress(RemoteError):
        TokenKey(SECRET).verify(text, NOW)
    with contextlib.suppress(RemoteError):
        Tickets(NODE, (SECRET,)).read(text, NOW)


@target
def forwarded_headers(data: bytes) -> None:
    import ipaddress
    from unittest.mock import Mock

    text = data.decode("latin-1").translate({0: None, 10: None, 13: None})
    transport = Mock(get_extra_info=lambda name, default=None: ("127.0.0.1", 1) if name == "peername" else default)
    proxies = TrustedProxies((ipaddress.ip_network("127.0.0.0/8"),))
    for name in ("Forwarded", "X-Forwarded-For"):
        request = make_mocked_request("GET", "/", headers={name: text}, transport=transport)
        assert ipaddress.ip_address(proxies.remote(request).ip)


@target
def configuration_files(data: bytes) -> None:
    with _file(data) as path, contextlib.suppress(ConfigError):
        read_settings(str(path))


@target
def peers_files(data: bytes) -> None:
    with _file(data) as path, contextlib.suppress(RemoteError):
        load_peers(path)


@target
def swarm_key_files(data: bytes) -> None:
    with _file(data) as path, contextlib.suppress(ConfigError):
        load_swarm_key(path)


@contextlib.contextmanager
def _file(data: bytes) -> Any:
    """A file that only we may read, in memory where there is such a place."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.NamedTemporaryFile(dir=place) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
