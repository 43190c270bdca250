"""A publisher and a viewer that account for every packet: each carries its number and the time when it was sent.

The publisher answers NACKs out of a bounded cache, as browsers do: by RTX where that was agreed, else with the packet
itself. The viewer asks for what it misses only if it is told to.
"""

import asyncio
import contextlib
import struct
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiortc.rtp import RtcpReceiverInfo, RtcpSrPacket
from yarl import URL

from benchmarks.load import Answer, Client, offer, read_answer
from foundation.errors import LocalError, RemoteError
from foundation.tasks import TaskScope
from media import rtcp
from media.nack import NackGenerator
from media.rtp import RtpHeader, parse_header, sequence_distance
from media.rtx import restored

Repair = Literal["rtx", "plain"]

PAYLOAD_TYPE = 96
RTX_PAYLOAD_TYPE = 97
CACHE_PACKETS_MAX = 2048
KEYFRAME_GAP_FRAMES = 60
NACK_POLL_SECONDS = 0.005
VIEWER_RTT_SECONDS = 0.05

_stamp = struct.Struct("!Qd")
_descriptor_bytes = 5
"""VP8's, with a picture id of two bytes, and the first byte of the frame (RFC 7741 sections 4.2 and 4.3)."""


class RepairedClient(Client):
    """A raw client that offers NACK, and RTX unless it is to do without; `Client.post` for such an offer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, repair: Repair = "rtx") -> None:
        super().__init__(loop)
        self.repair = repair
        self.rtx_ssrc = self.ssrc ^ 1
        self.answer_sdp = ""

    async def post(self, http: aiohttp.ClientSession, url: str, direction: str) -> Answer:
        publishes = direction == "sendonly"
        text = offer(direction, self.endpoint.fingerprint, self.ufrag, self.pwd, self.ssrc if publishes else None)
        text += f"a=rtcp-fb:{PAYLOAD_TYPE} nack\r\n"
        if self.repair == "rtx":
            text = text.replace(f"SAVPF {PAYLOAD_TYPE}", f"SAVPF {PAYLOAD_TYPE} {RTX_PAYLOAD_TYPE}")
            text += f"a=rtpmap:{RTX_PAYLOAD_TYPE} rtx/90000\r\na=fmtp:{RTX_PAYLOAD_TYPE} apt={PAYLOAD_TYPE}\r\n"
            if publishes:
                text += f"a=ssrc:{self.rtx_ssrc} cname:load\r\na=ssrc-group:FID {self.ssrc} {self.rtx_ssrc}\r\n"
        async with http.post(url, data=text, headers={"Content-Type": "application/sdp"}) as response:
            body = await response.text()
            if response.status != 201:
                raise RemoteError(f"{response.status} from {response.url}: {body}")
            self.answer_sdp = body
            return read_answer(body, str(response.url.join(URL(response.headers["Location"]))))

    @property
    def agreed_rtx(self) -> bool:
        return f"a=rtpmap:{RTX_PAYLOAD_TYPE} rtx/90000" in self.answer_sdp


class NumberedPublisher(RepairedClient):
    """Sends frames of equal, numbered packets, each frame as one burst."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        repair: Repair = "rtx",
        *,
        packets_per_frame: int = 12,
        packet_bytes: int = 1200,
        frames_per_second: float = 30,
    ) -> None:
        super().__init__(loop, repair)
        self.number = 0
        """Of the next packet; its sequence number is as much more than `sequence_base`, modulo 2^16."""
        self.sequence_base = 0
        self.retransmitted = 0
        self.nacked_unknown = 0
        self._packets_per_frame = packets_per_frame
        self._packet_bytes = packet_bytes
        self._frame_seconds = 1 / frames_per_second
        self._frames = 0
        self._rtx_number = 0
        self._cache: deque[bytes] = deque(maxlen=CACHE_PACKETS_MAX)

    async def run(self) -> None:
        """Sends frames by the clock until it is cancelled; a late wake-up sends the frame late, never two at once."""
        due = self.loop.time()
        while True:
            await asyncio.sleep(max(0.0, due - self.loop.time()))
            self._send_frame()
            due += self._frame_seconds

    def rtcp_received(self, packet: bytes, now: float) -> None:
        for part in rtcp.parse_compound(packet):
            match rtcp.feedback_message(part):
                case rtcp.Nack(media_ssrc, lost) if media_ssrc == self.ssrc:
                    self._retransmit(lost)
                case rtcp.Pli() | rtcp.Fir():
                    self.keyframe_requests += 1
                case _:
                    pass

    def _send_frame(self) -> None:
        keyframe = self._frames % KEYFRAME_GAP_FRAMES == 0 or self.keyframe_requests > 0
        self.keyframe_requests = 0
        packets = [self._packet(index, keyframe) for index in range(self._packets_per_frame)]
        self._cache.extend(packets)
        self._frames += 1
        self._send(packets)

    def _packet(self, index: int, keyframe: bool) -> bytes:
        kind = PAYLOAD_TYPE | (0x80 if index == self._packets_per_frame - 1 else 0)
        timestamp = int(self._frames * self._frame_seconds * 90000) & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, kind, self._sequence, timestamp, self.ssrc)
        descriptor = (b"\x90\x80" if index == 0 else b"\x80\x80") + (0x8000 | self._frames & 0x7FFF).to_bytes(2, "big")
        frame = b"\x00" if keyframe and index == 0 else b"\x01"
        packet = header + descriptor + frame + _stamp.pack(self.number, time.monotonic())
        self.number += 1
        return packet.ljust(self._packet_bytes, b"\xa5")

    @property
    def _sequence(self) -> int:
        return (self.sequence_base + self.number) & 0xFFFF

    def _retransmit(self, lost: tuple[int, ...]) -> None:
        packets = []
        for number in lost:
            behind = sequence_distance(self._sequence, number)
            if not 1 <= behind <= len(self._cache):
                self.nacked_unknown += 1
                continue
            packet = self._cache[-behind]
            packets.append(self._wrapped(packet) if self.agreed_rtx else packet)
        self.retransmitted += len(packets)
        for each in packets:
            self._send([each])

    def _wrapped(self, packet: bytes) -> bytes:
        """RFC 4588 section 4."""
        self._rtx_number = (self._rtx_number + 1) & 0xFFFF
        kind = packet[1] & 0x80 | RTX_PAYLOAD_TYPE
        head = struct.pack("!BBH4sI", packet[0], kind, self._rtx_number, packet[4:8], self.rtx_ssrc)
        return head + packet[2:4] + packet[12:]

    def _send(self, packets: list[bytes]) -> None:
        """Encrypts and sends packets of equal size."""
        transport = self.transport
        assert transport is not None
        if transport.srtp is None or transport.sockaddr is None:
            return
        buffer, end, segment = self.endpoint.send_buffer, 0, 0
        for packet in packets:
            buffer.view[end : end + len(packet)] = packet
            try:
                segment = transport.srtp.protect_at(buffer.cdata, end, len(packet))
            except LocalError:
                continue  # a plain packet too old to be sent again
            end += segment
        if end:
            self.endpoint.port.send_segments(buffer.view[:end], segment, transport.sockaddr)


@dataclass(slots=True)
class Received:
    """What came, by packet number."""

    latencies: dict[int, float] = field(default_factory=dict)
    """Seconds from sending to the first arrival."""
    duplicates: int = 0
    """Packets under the media's SSRC which had come before."""
    rtx_unneeded: int = 0
    garbled: int = 0


class NumberedViewer(RepairedClient):
    """Notes each packet; `nacking` asks for what is missing, as a browser does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, repair: Repair = "rtx", *, nacking: bool = False) -> None:
        super().__init__(loop, repair)
        self.received = Received()
        self._nacks = NackGenerator("video") if nacking else None
        self._highest: int | None = None
        self._reported: tuple[int, float] | None = None
        """The NTP time in the last sender report, and when it came."""

    async def run(self) -> None:
        """Sends receiver reports, and NACKs, until it is cancelled."""
        report_at = self.loop.time()
        while True:
            await asyncio.sleep(NACK_POLL_SECONDS)
            now = self.loop.time()
            if now >= report_at:
                self.send_report()
                report_at += 1
            if self._nacks is not None and self.transport is not None and self.media_ssrc is not None:
                if lost := self._nacks.poll(VIEWER_RTT_SECONDS, now):
                    self.transport.send_rtcp(rtcp.generic_nack(self.ssrc, self.media_ssrc, lost))
                if self._nacks.take_broken():
                    self.transport.send_rtcp(rtcp.picture_loss_indication(self.ssrc, self.media_ssrc))

    def send_report(self) -> None:
        """With what the node needs to know its round trip to us (RFC 3550 section 6.4.1)."""
        if self.transport is None or self.media_ssrc is None or self._reported is None:
            return
        ntp, at = self._reported
        delay = int((self.loop.time() - at) * 65536)
        block = RtcpReceiverInfo(
            self.media_ssrc, 0, 0, (self._highest or 0) & 0xFFFFFFFF, 0, ntp >> 16 & 0xFFFFFFFF, delay
        )
        self.transport.send_rtcp(rtcp.receiver_report(self.ssrc, [block]))

    def rtcp_received(self, packet: bytes, now: float) -> None:
        for part in rtcp.parse_compound(packet):
            if isinstance(part, RtcpSrPacket) and part.ssrc == self.media_ssrc:
                self._reported = part.sender_info.ntp_timestamp, now

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        super().rtp_received(packets, now)
        arrived = time.monotonic()
        sequences = []
        for packet in packets:
            header = parse_header(packet)
            if repaired := header.payload_type == RTX_PAYLOAD_TYPE:
                assert self.media_ssrc is not None
                original = restored(packet, header, PAYLOAD_TYPE, self.media_ssrc)
                if original is None:
                    continue
                packet, header = original, parse_header(original)
            self._note(packet, header, arrived, repaired)
            sequences.append(self._extended(header.sequence_number))
        if self._nacks is not None and sequences:
            self._nacks.received(sequences, (), now)

    def _note(self, packet: bytes, header: RtpHeader, arrived: float, repaired: bool) -> None:
        try:
            number, sent = _stamp.unpack_from(packet, header.payload_start + _descriptor_bytes)
        except struct.error:
            self.received.garbled += 1
            return
        if number not in self.received.latencies:
            self.received.latencies[number] = arrived - sent
        elif repaired:
            self.received.rtx_unneeded += 1
        else:
            self.received.duplicates += 1

    def _extended(self, sequence: int) -> int:
        highest = self._highest if self._highest is not None else sequence
        extended = highest + sequence_distance(sequence, highest & 0xFFFF)
        self._highest = max(highest, extended)
        return extended


@contextlib.asynccontextmanager
async def running(*clients: NumberedPublisher | NumberedViewer) -> AsyncIterator[None]:
    """Meanwhile these clients send what is theirs to send."""
    scope = TaskScope("clients", len(clients))
    for client in clients:
        scope.spawn(client.run(), "client")
    try:
        yield
    finally:
        await scope.close()
