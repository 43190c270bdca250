"""What the tests of the packet path share: packets, keys, a port that records, a transport, a loop in virtual time."""

import heapq
import itertools
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar, cast
from uuid import uuid4

from aiortc.rtp import RtcpPacket

from media.consumer import Consumer
from media.counters import Counters
from media.fanout import Fanout
from media.forward import Forwarder
from media.parameters import Codec, HeaderExtension, Kind, TrackParameters
from media.producer import Producer
from media.router import Router
from media.rtp import parse_header
from media.session import RtpSession
from media.srtp import AES_128_GCM, SendBuffer, Srtp, SrtpKeys, SrtpProfile

VP8 = Codec("video/VP8", 90000, None, 96)
OPUS = Codec("audio/opus", 48000, 2, 111)
LEVEL = HeaderExtension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level")
MID = HeaderExtension(4, "urn:ietf:params:rtp-hdrext:sdes:mid")
TWCC = HeaderExtension(5, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")
SEND_TIME = HeaderExtension(6, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")

VIDEO = TrackParameters("video", "0", VP8, ssrc=0xA0, extensions=(MID, TWCC), feedback=frozenset({"nack pli"}))
AUDIO = TrackParameters("audio", "1", OPUS, ssrc=0xB0, extensions=(LEVEL, MID))

UNIX_TIME = 1_700_000_000.0

T = TypeVar("T")

KEYFRAME = b"\x10\x00"
"""The descriptor and first byte of a VP8 keyframe; `DELTA` those of another frame."""

DELTA = b"\x10\x01"


def packet(
    ssrc: int,
    sequence: int,
    timestamp: int = 0,
    payload: bytes = DELTA + b"picture",
    *,
    payload_type: int = 96,
    marker: bool = False,
    block: bytes | None = None,
) -> bytes:
    """One RTP packet; `block` is that of one-byte header extensions."""
    first = 0x80 if block is None else 0x90
    kind = marker << 7 | payload_type
    head = struct.pack("!BBHII", first, kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    if block is not None:
        block += bytes(-len(block) % 4)
        head += struct.pack("!HH", 0xBEDE, len(block) // 4) + block
    return head + payload


def without_padding(data: bytes) -> bytes:
    """The packet as it was before it was padded."""
    header = parse_header(data)
    return bytes((data[0] & ~0x20,)) + data[1 : header.payload_end]


class RecordingPort:
    """Takes segments like a `UdpPort`, apart; `full` refuses them as a full socket does."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, bytes]] = []
        self.calls = 0
        self.full = False

    def send_segments(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool:
        self.calls += 1
        if not self.full:
            for start in range(0, len(data), segment_bytes):
                self.sent.append((sockaddr, bytes(data[start : start + segment_bytes])))
        return not self.full

    def taken(self, sockaddr: tuple[Any, ...]) -> list[bytes]:
        """What went to an address since the last call."""
        found = [data for address, data in self.sent if address == sockaddr]
        self.sent = [item for item in self.sent if item[0] != sockaddr]
        return found


_numbers = itertools.count(1)


class RecordingTransport:
    """A connected transport with real SRTP to a remote end that opens what it gets."""

    def __init__(self, port: RecordingPort, profile: SrtpProfile = AES_128_GCM) -> None:
        size = profile.key_bytes + profile.salt_bytes
        here, there = os.urandom(size), os.urandom(size)
        self.srtp: Srtp | None = Srtp(SrtpKeys(profile, here, there))
        self.sockaddr: tuple[Any, ...] | None = ("192.0.2.1", next(_numbers))
        self.rtcp: list[bytes] = []
        self.rtt_seconds: float | None = None
        self._port = port
        self._remote = Srtp(SrtpKeys(profile, there, here))

    def send_rtcp(self, compound: bytes) -> None:
        self.rtcp.append(compound)

    def received(self) -> list[bytes]:
        """The plain packets the remote end got since the last call."""
        assert self.sockaddr is not None
        return [self._remote.unprotect(data) for data in self._port.taken(self.sockaddr)]

    def taken_rtcp(self) -> list[bytes]:
        """The compounds sent since the last call."""
        taken, self.rtcp = self.rtcp, []
        return taken


class VirtualTimer:
    """What `VirtualLoop.call_at` returns."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualLoop:
    """The clock and the timers of an event loop; `advance` makes time pass."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, VirtualTimer]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        heapq.heappush(self._timers, (when, next(_numbers), timer))
        return timer

    @property
    def timers(self) -> int:
        """How many are set."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if (callback := timer.callback) is not None:
                timer.cancel()
                callback()
        self.now = end


class Node:
    """A router on a recording port, and what sessions on it need."""

    def __init__(self) -> None:
        self.port = RecordingPort()
        self.virtual = VirtualLoop()
        self.loop = cast(Any, self.virtual)
        self.rng = Random(7)
        self.router = Router(self.port, SendBuffer())


class Client:
    """One remote end on a node: a connected session over a recording transport."""

    def __init__(self, node: Node, connected: bool = True) -> None:
        self.node = node
        self.transport = RecordingTransport(node.port)
        self.session = RtpSession(node.router, node.loop, node.rng, lambda: UNIX_TIME + node.loop.now)
        self.session.bind(self.transport)
        if connected:
            self.session.transport_connected()

    def publish(self, *tracks: TrackParameters, piped: bool = False) -> Producer:
        return self.session.produce(uuid4(), tracks, piped)

    def watch(self, producer: Producer, *kinds: Kind, pipe: bool = False) -> Consumer:
        """Consumes the tracks of these kinds, or all, as they are."""
        wanted = [track.parameters for kind, track in producer.tracks.items() if not kinds or kind in kinds]
        tracks = [replace(track, ssrc=self.session.fresh_ssrc()) for track in wanted]
        if pipe:
            tracks = [replace(track, mid=f"{track.ssrc:x}") for track in tracks]
        return self.session.consume(producer, tracks, pipe)

    def sends(self, *packets: bytes) -> None:
        """RTP arrives from the remote end."""
        self.session.rtp_received(list(packets), self.node.loop.now)

    def says(self, *packets: bytes) -> None:
        """One RTCP compound arrives from the remote end."""
        self.session.rtcp_received(b"".join(packets), self.node.loop.now)

    def heard(self, kind: type[T]) -> list[T]:
        """The RTCP packets of a kind that were sent to the remote end since the last call, which takes all."""
        compounds = self.transport.taken_rtcp()
        return [part for data in compounds for part in RtcpPacket.parse(data) if isinstance(part, kind)]


def fanout(port: RecordingPort, counters: Counters | None = None) -> Fanout:
    return Fanout(Forwarder(port, SendBuffer(), counters or Counters()))
