"""A peer connection of aiortc as the client, its answer written by hand."""

import asyncio
import struct
from collections.abc import Iterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from media.peer import RemotePeer
from media.srtp import AES_128_GCM, AES_256_GCM

pytestmark = pytest.mark.usefixtures("quiet")

SILENCE = b"\xf8\xff\xfe"
"""An Opus packet of 20 ms."""


@pytest.fixture(autouse=True)
def loopback_candidates(monkeypatch):
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


def attributes(sdp: str, name: str) -> Iterator[str]:
    return (line[len(name) + 3 :] for line in sdp.splitlines() if line.startswith(f"a={name}:"))


def peer_of(offer: str, setup: str) -> RemotePeer:
    algorithm, value = next(attributes(offer, "fingerprint")).split()
    return RemotePeer(
        next(attributes(offer, "ice-ufrag")), next(attributes(offer, "ice-pwd")), ((algorithm, value),), setup
    )


def answer_for(endpoint, transport, setup: str) -> RTCSessionDescription:
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 127.0.0.1",
        "a=sendrecv",
        "a=mid:0",
        "a=rtpmap:96 opus/48000/2",
        "a=rtcp-mux",
        f"a=ice-ufrag:{transport.local_ufrag}",
        f"a=ice-pwd:{transport.local_pwd}",
        f"a=fingerprint:sha-256 {endpoint.fingerprint}",
        f"a=setup:{setup}",
        f"a=candidate:1 1 udp 2130706431 127.0.0.1 {endpoint.port.local[1]} typ host",
        "a=end-of-candidates",
    ]
    return RTCSessionDescription("\r\n".join(lines) + "\r\n", "answer")


def opus(sequence: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence, 960 * sequence, 4242) + SILENCE


@pytest.mark.parametrize(
    ("offered", "answered", "profile"),
    [("actpass", "passive", AES_128_GCM), ("passive", "active", AES_256_GCM)],  # the DTLS server's choice, ours first
)
async def test_a_peer_connection_sends_and_receives(bench, offered, answered, profile):
    endpoint, recorder = bench.endpoint(), bench.recorder()
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    arriving: asyncio.Future = asyncio.get_running_loop().create_future()
    client.on("track", arriving.set_result)
    client.addTrack(AudioStreamTrack())
    await client.setLocalDescription(await client.createOffer())
    transport = endpoint.accept(peer_of(client.localDescription.sdp, offered), recorder)
    await client.setRemoteDescription(answer_for(endpoint, transport, answered))
    await recorder.until_connected()
    assert transport.srtp.profile is profile

    await recorder.until(lambda it: len(it.rtp) >= 3 and it.rtcp)
    assert all(packet[1] & 0x7F == 96 for packet in recorder.rtp)

    for sequence in range(10):
        send(endpoint, transport, opus(sequence))
    track = await arriving
    frame = await asyncio.wait_for(track.recv(), 20)
    assert frame.sample_rate == 48000

    await client.close()
    assert await recorder.until_closed() == "the peer closed the DTLS association"


def send(endpoint, transport, packet: bytes) -> None:
    buffer = endpoint.send_buffer
    buffer.view[: len(packet)] = packet
    length = transport.srtp.protect_at(buffer.cdata, 0, len(packet))
    assert endpoint.port.send(buffer.view[:length], transport.sockaddr)
