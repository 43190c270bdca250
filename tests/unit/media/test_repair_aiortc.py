"""An aiortc publisher behind a network that loses: it is asked, it answers, and everything arrives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from av import VideoFrame

from foundation.address import Address
from media.burst import Burst
from media.demux import is_rtcp
from media.endpoint import Endpoint
from media.producer import ProducerTrack
from media.sdp import parse_offer
from media.sfu import Sfu, WebRtcSession

pytestmark = pytest.mark.usefixtures("quiet")

WAIT_SECONDS = 30.0
PACKETS_WANTED = 150
_noise_bytes = 1500


class LossyEndpoint(Endpoint):
    """Drops a tenth of the RTP in front of everything, retransmissions too, and lets some packets be overtaken."""

    rng = Random(11)
    dropped = 0
    _held: tuple[tuple[bytes, Address], ...] = ()

    def _on_burst(self, burst: list[tuple[bytes, Address]], now: float) -> None:
        passed, overtaken = [], []
        for datagram in burst:
            chance = self.rng.random() if 128 <= datagram[0][0] <= 191 and not is_rtcp(datagram[0]) else 1.0
            if chance < 0.1:
                self.dropped += 1
            elif chance < 0.15:
                overtaken.append(datagram)
            else:
                passed.append(datagram)
        passed.extend(self._held)
        self._held = tuple(overtaken)
        super()._on_burst(passed, now)


class Noise(VideoStreamTrack):
    """Pictures that need a few packets each: aiortc remembers no more than 128."""

    def __init__(self) -> None:
        super().__init__()
        self._rng = Random(1)

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(320, 240, "yuv420p")
        for plane in frame.planes:
            plane.update(self._rng.randbytes(_noise_bytes) + bytes(plane.buffer_size - _noise_bytes))
        frame.pts, frame.time_base = pts, time_base
        return frame


class Arrivals:
    """The extended sequence numbers that a track passes on."""

    def __init__(self, track: ProducerTrack) -> None:
        self.numbers: list[int] = []
        self._forward = track.fanout.forward
        self._changed = asyncio.Event()
        track.fanout.forward = self._note  # type: ignore[method-assign]

    async def until_whole(self) -> None:
        """Until a long stretch has come without a gap, from the very first packet on."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not self._whole():
                self._changed.clear()
                await self._changed.wait()

    def _whole(self) -> bool:
        first = min(self.numbers, default=0)
        return {*range(first, first + PACKETS_WANTED)} <= {*self.numbers}

    def _note(self, burst: Burst) -> Any:
        self.numbers += burst.sequences
        self._changed.set()
        return self._forward(burst)


@asynccontextmanager
async def published(sfu: Sfu, *, rtx: bool) -> AsyncIterator[WebRtcSession]:
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = client.addTransceiver(Noise(), direction="sendonly")
    wanted = {"video/VP8", "video/rtx"} if rtx else {"video/VP8"}
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in wanted])
    await client.setLocalDescription(await client.createOffer())
    session = sfu.publish(parse_offer(client.localDescription.sdp), uuid4())
    await client.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    try:
        yield session
    finally:
        await client.close()


@pytest.mark.parametrize("rtx", [True, False])
async def test_everything_a_publisher_sends_arrives_once(monkeypatch: pytest.MonkeyPatch, rtx: bool) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    loop = asyncio.get_running_loop()
    endpoint = LossyEndpoint.open("127.0.0.1", 0, loop)
    sfu = Sfu(endpoint, loop, Random(2))
    async with published(sfu, rtx=rtx) as session:
        assert session.producer is not None
        track = session.producer.tracks["video"]
        assert (track.parameters.rtx_payload_type is not None) == rtx
        arrivals = Arrivals(track)
        await arrivals.until_whole()
        assert len(arrivals.numbers) == len({*arrivals.numbers})
    counters = sfu.router.counters
    assert isinstance(endpoint, LossyEndpoint)
    assert endpoint.dropped > 0
    assert counters.nacks_sent > 0
    assert (counters.packets_repaired > 0) == rtx
    assert counters.rtp_malformed == 0
    await sfu.close()
