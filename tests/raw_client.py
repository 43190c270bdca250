"""A client of one node made by hand: an offer written here, ICE, DTLS and SRTP by UDP, nothing encoded or decoded."""

import asyncio
import os
import re
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foundation.address import Address
from media.endpoint import Endpoint
from media.transport import Transport

WAIT_SECONDS = 30
PAYLOAD_TYPE = 96


class RawClient:
    """Publishes or views one VP8 track; also the handler of its transport."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        loop = asyncio.get_running_loop()
        self.endpoint = Endpoint.open(host, 0, loop)
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(16)
        self.ssrc = int.from_bytes(os.urandom(4), "big")
        self.transport: Transport | None = None
        self.connected = asyncio.Event()
        self.gone = asyncio.Event()
        self.packets: list[bytes] = []
        self.sequence_number = 1000
        self._arrived = asyncio.Event()

    def offer(self, direction: str, codec: str = "VP8/90000") -> str:
        """What a WHIP (`sendonly`) or WHEP (`recvonly`) client says, cut down to what matters."""
        lines = [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            f"m=video 9 UDP/TLS/RTP/SAVPF {PAYLOAD_TYPE}",
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            f"a={direction}",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.pwd}",
            f"a=fingerprint:sha-256 {self.endpoint.fingerprint}",
            "a=setup:actpass",
            f"a=rtpmap:{PAYLOAD_TYPE} {codec}",
            f"a=rtcp-fb:{PAYLOAD_TYPE} nack pli",
        ]
        if direction == "sendonly":
            lines.append(f"a=ssrc:{self.ssrc} cname:raw")
        return "\r\n".join(lines) + "\r\n"

    def dial(self, answer: str) -> None:
        """Begins ICE and DTLS with the credentials and the candidate of an SDP answer that this socket can reach."""
        self.transport = self.endpoint.dial(
            self._candidate(answer),
            local_ufrag=self.ufrag,
            remote_ufrag=attribute(answer, "ice-ufrag"),
            password=attribute(answer, "ice-pwd"),
            fingerprint=attribute(answer, "fingerprint").split()[1],
            handler=self,
            link=False,
        )

    async def connect(self, answer: str) -> None:
        """Returns when packets may flow."""
        self.dial(answer)
        async with asyncio.timeout(WAIT_SECONDS):
            await self.connected.wait()

    async def until_gone(self) -> None:
        """Returns when the other end has closed the connection."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.gone.wait()

    async def until_packets(self, count: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.packets) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def rtp(self, payload: bytes = b"\x10\x00keyframe") -> bytes:
        """The next packet of the track: one picture each."""
        self.sequence_number += 1
        kind, number = 0x80 | PAYLOAD_TYPE, self.sequence_number & 0xFFFF
        return struct.pack("!BBHII", 0x80, kind, number, self.sequence_number * 3000 & 0xFFFFFFFF, self.ssrc) + payload

    def send(self, packet: bytes, *, rtcp: bool = False) -> None:
        """Encrypts and sends what is an RTP or RTCP packet, or is not."""
        assert self.transport is not None
        assert self.transport.srtp is not None
        if rtcp:
            data = self.transport.srtp.protect_rtcp(packet)
        else:
            buffer = self.endpoint.send_buffer
            buffer.view[: len(packet)] = packet
            data = bytes(buffer.view[: self.transport.srtp.protect_at(buffer.cdata, 0, len(packet))])
        self.endpoint.port.send(data, self.transport.sockaddr)

    async def close(self) -> None:
        await self.endpoint.close()

    def _candidate(self, answer: str) -> Address:
        """The last one of this socket's family: loopback, where the node is bound to a wildcard."""
        found = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer, re.MULTILINE | re.IGNORECASE)
        ipv6 = ":" in self.endpoint.port.local[0]
        return [(ip, int(port)) for ip, port in found if (":" in ip) == ipv6][-1]

    # --- the transport's handler ---

    def transport_connected(self) -> None:
        self.connected.set()

    def transport_closed(self, reason: str) -> None:
        self.gone.set()

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        self.packets += packets
        self._arrived.set()

    def rtcp_received(self, packet: bytes, now: float) -> None: ...

    def control_received(self, data: bytes) -> None: ...


def attribute(sdp: str, name: str) -> str:
    """The value of the first `a=name:` line."""
    match = re.search(rf"^a={name}:(.*?)\r?$", sdp, re.MULTILINE)
    assert match, f"no {name} in {sdp}"
    return match.group(1)


@asynccontextmanager
async def raw_client(host: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """A client that is closed in the end."""
    client = RawClient(host)
    try:
        yield client
    finally:
        await client.close()
