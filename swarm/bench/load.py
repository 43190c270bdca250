"""Load that costs a node what real clients cost it, and its own process little: raw DTLS-SRTP publishers and viewers.

A client here is one UDP socket (`media.endpoint`) that dials the node with the credentials of its WHIP or WHEP answer,
completes ICE and DTLS, and then sends frames or counts what arrives. Nothing is encoded or decoded; `reporting` lets
viewers send receiver reports once a second, as browsers do.
"""

import asyncio
import os
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from foundation.address import Address
from foundation.errors import RemoteError
from foundation.tasks import TaskScope
from media import stun
from media.demux import is_rtcp
from media.dtls import DtlsIdentity
from media.endpoint import Endpoint
from media.keyframe import starts_keyframe
from media.port import OnBurst, UdpPort
from media.rtp import parse_header
from media.srtp import PROFILES, SrtpProfile
from media.transport import Transport
from swarm.bench.kernel_count import refuse_rtp, refused

PAYLOAD_TYPE = 96
KEYFRAME_GAP_FRAMES = 30
REPORTS_PER_SECOND = 1
REPORTING_STEPS = 20
RECEIVE_BUFFER_BYTES = 4 << 20
_SO_RCVBUFFORCE = 33
_STUN_REQUEST = b"\0\1"
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client needs of a WHIP or WHEP answer."""

    ufrag: str
    pwd: str
    fingerprint: str
    address: Address
    session: str


def offer(direction: str, fingerprint: str, ufrag: str, pwd: str, ssrc: int | None) -> str:
    """A VP8 offer as a browser's, cut down to what matters."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:actpass",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
    ]
    if ssrc is not None:
        lines.append(f"a=ssrc:{ssrc} cname:load")
    return "\r\n".join(lines) + "\r\n"


def read_answer(sdp: str, session: str) -> Answer:
    def value(name: str) -> str:
        match = re.search(rf"^a={name}:(.*?)\r?$", sdp, re.MULTILINE)
        if match is None:
            raise RemoteError(f"the answer has no {name}")
        return match.group(1)

    candidate = value("candidate").split()
    return Answer(
        ufrag=value("ice-ufrag"),
        pwd=value("ice-pwd"),
        fingerprint=value("fingerprint").split()[1],
        address=(candidate[4], int(candidate[5])),
        session=session,
    )


class ClientPort(UdpPort):
    """The port of a client: it answers the checks of servers that are full ICE agents (Janus, aiortc).

    And it may keep RTP packets from its endpoint, and count them: decrypting costs more than all the rest.
    """

    def __init__(self, udp_socket: socket.socket, pwd: str) -> None:
        super().__init__(udp_socket)
        self.count_only = False
        self.counted = 0
        self._pwd = pwd

    def start(self, loop: asyncio.AbstractEventLoop, on_burst: OnBurst) -> None:
        """Calls `on_burst` with what is left."""

        def taken(burst: list[tuple[bytes, Address]], now: float) -> None:
            if any(not data[0] for data, _ in burst):
                burst = [pair for pair in burst if not self._answered(*pair)]
            if self.count_only:
                rest = [pair for pair in burst if not 128 <= pair[0][0] <= 191 or is_rtcp(pair[0])]
                self.counted += len(burst) - len(rest)
                burst = rest
            if burst:
                on_burst(burst, now)

        super().start(loop, taken)

    def _answered(self, data: bytes, address: Address) -> bool:
        if data[:2] != _STUN_REQUEST:
            return False
        try:
            check = stun.authenticated_request(data, self._pwd)
        except RemoteError:
            return False
        return self.send(stun.success_response(check, address, self._pwd), address)


class Client:
    """One raw client of a node; also the handler of its transport."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: str = "127.0.0.1", profiles: Sequence[SrtpProfile] = PROFILES
    ) -> None:
        self.loop = loop
        self.socket = open_socket(host)
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(16)
        self.port = ClientPort(self.socket, self.pwd)
        self.endpoint = Endpoint(self.port, loop, DtlsIdentity(profiles))
        self.endpoint.start()
        self.connected: asyncio.Future[None] = loop.create_future()
        self.first_keyframe: asyncio.Future[float] = loop.create_future()
        self.packets = 0
        self.octets = 0
        self.ssrc = int.from_bytes(os.urandom(4), "big")
        self.keyframe_requests = 0
        self.transport: Transport | None = None
        self.media_ssrc: int | None = None
        self._first_sequence = 0
        self._refused_before: int | None = None

    def offer(self, direction: str, setup: str = "actpass") -> str:
        """What this client offers; with `setup` "active" it is the client of DTLS whoever answers."""
        ssrc = self.ssrc if direction == "sendonly" else None
        sdp = offer(direction, self.endpoint.fingerprint, self.ufrag, self.pwd, ssrc)
        ip, port = self.socket.getsockname()
        return sdp.replace("actpass", setup) + f"a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n"

    async def post(self, http: aiohttp.ClientSession, url: str, direction: str, setup: str = "actpass") -> Answer:
        async with http.post(
            url, data=self.offer(direction, setup), headers={"Content-Type": "application/sdp"}
        ) as response:
            body = await response.text()
            if response.status != 201:
                raise RemoteError(f"{response.status} from {response.url}: {body}")
            return read_answer(body, str(response.url.join(URL(response.headers["Location"]))))

    def dial(self, answer: Answer) -> None:
        self.transport = self.endpoint.dial(
            answer.address,
            local_ufrag=self.ufrag,
            remote_ufrag=answer.ufrag,
            password=answer.pwd,
            fingerprint=answer.fingerprint,
            handler=self,
            link=False,
        )

    def count_unread(self) -> None:
        """From now on RTP packets are taken from the socket and counted, and not decrypted."""
        self.port.count_only = True

    def count_in_kernel(self) -> None:
        """From now on RTP packets are counted where they arrive and not read: see `swarm.bench.kernel_count`."""
        refuse_rtp(self.socket)
        self._refused_before = refused(self.socket)

    def arrived(self) -> int:
        """RTP packets so far: decrypted, only taken, or counted in the kernel."""
        packets = self.packets + self.port.counted
        if self._refused_before is None:
            return packets
        return packets + ((refused(self.socket) - self._refused_before) & 0xFFFFFFFF)

    def send_report(self) -> None:
        """A receiver report (RFC 3550 section 6.4.2) that complains of nothing."""
        if self.transport is None or self.media_ssrc is None:
            return
        highest = self._first_sequence + self.arrived()
        block = struct.pack("!IIIIII", self.media_ssrc, 0, highest & 0xFFFFFFFF, 0, 0, 0)
        self.transport.send_rtcp(struct.pack("!BBHI", 0x81, 201, 7, self.ssrc) + block)

    # --- the transport's handler ---

    def transport_connected(self) -> None:
        if not self.connected.done():
            self.connected.set_result(None)

    def transport_closed(self, reason: str) -> None:
        if not self.connected.done():
            self.connected.set_exception(ConnectionError(reason))

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        if self.media_ssrc is None:
            _, self._first_sequence, _, self.media_ssrc = struct.unpack_from("!HHII", packets[0])
        self.packets += len(packets)
        for packet in packets:
            self.octets += len(packet)
            if not self.first_keyframe.done() and starts_vp8_keyframe(packet):
                self.first_keyframe.set_result(now)

    def rtcp_received(self, packet: bytes, now: float) -> None:
        if packet[1] == 206:
            self.keyframe_requests += 1

    def control_received(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        if not self.first_keyframe.done():
            self.first_keyframe.cancel()
        await self.endpoint.close()


def open_socket(host: str) -> socket.socket:
    """A non-blocking UDP socket with room for the frames that arrive while the load generator does something else."""
    udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp_socket.setblocking(False)
    try:
        udp_socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        udp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    udp_socket.bind((host, 0))
    return udp_socket


@asynccontextmanager
async def reporting(audience: Sequence[Client]) -> AsyncIterator[None]:
    """Meanwhile each viewer sends a receiver report once a second; they take turns."""
    scope = TaskScope("reports", 1)
    scope.spawn(_report(audience), "report")
    try:
        yield
    finally:
        await scope.close()


async def _report(audience: Sequence[Client]) -> None:
    while True:
        for step in range(REPORTING_STEPS):
            for viewer in audience[step::REPORTING_STEPS]:
                viewer.send_report()
            await asyncio.sleep(1 / REPORTS_PER_SECOND / REPORTING_STEPS)


def starts_vp8_keyframe(packet: bytes) -> bool:
    """Whether a VP8 packet begins a keyframe."""
    header = parse_header(packet)
    return starts_keyframe("VP8", packet[header.payload_start : header.payload_end])


class FrameSource:
    """Frames of equal packets, as a VP8 publisher that paces nothing: every frame is one burst.

    The number of packets in a frame, and of frames in a second, may be changed between frames.
    """

    def __init__(self, client: Client, packets_per_frame: int, packet_bytes: int, frames_per_second: float) -> None:
        self.client = client
        self.packets_per_frame = packets_per_frame
        self.packet_bytes = packet_bytes
        self.frames_per_second = frames_per_second
        self.sequence_number = 1000
        self.timestamp = 0
        self.frames = 0
        self._filler = os.urandom(packet_bytes)

    @property
    def packets_per_second(self) -> float:
        return self.packets_per_frame * self.frames_per_second

    def send_frame(self) -> None:
        transport = self.client.transport
        assert transport is not None
        assert transport.srtp is not None
        assert transport.sockaddr is not None
        srtp, buffer = transport.srtp, self.client.endpoint.send_buffer
        keyframe = self.frames % KEYFRAME_GAP_FRAMES == 0 or self.client.keyframe_requests > 0
        self.client.keyframe_requests = 0
        end = 0
        segment = 0
        for index in range(self.packets_per_frame):
            last = index == self.packets_per_frame - 1
            header = struct.pack(
                "!BBHII",
                0x80,
                PAYLOAD_TYPE | (0x80 if last else 0),
                self.sequence_number,
                self.timestamp,
                self.client.ssrc,
            )
            # With a picture id of two bytes, as browsers do (RFC 7741, 4.2): mediasoup finds no keyframe without it.
            descriptor = (b"\x90\x80" if index == 0 else b"\x80\x80") + (0x8000 | self.frames & 0x7FFF).to_bytes(
                2, "big"
            )
            payload = descriptor + (b"\x00" if keyframe and index == 0 else b"\x01")
            plain = header + payload + self._filler[: self.packet_bytes - len(header) - len(payload)]
            buffer.view[end : end + len(plain)] = plain
            segment = srtp.protect_at(buffer.cdata, end, len(plain))
            end += segment
            self.sequence_number = (self.sequence_number + 1) & 0xFFFF
        self.client.endpoint.port.send_segments(buffer.view[:end], segment, transport.sockaddr)
        self.frames += 1
        self.timestamp = (self.timestamp + int(90000 / self.frames_per_second)) & 0xFFFFFFFF

    async def run(self, seconds: float) -> None:
        """Sends frames by the clock: a late wake-up sends the frame late, never two at once."""
        loop = self.client.loop
        start = loop.time()
        due = start
        while due - start < seconds:
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.send_frame()
            due += 1 / self.frames_per_second
