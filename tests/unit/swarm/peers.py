"""The other end of a client, in the same process: a plain aiortc peer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription


class Peer:
    """The other end: answers one offer, with candidates on loopback only."""

    def __init__(self, *tracks: MediaStreamTrack) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks = tracks
        self.received: list[MediaStreamTrack] = []
        self.connection.on("track", self.received.append)
        self.offer = ""
        self.ended: list[str] = []
        self.rewrite: Callable[[str], str] = lambda answer: answer

    async def exchange(self, offer: str) -> tuple[str, str]:
        self.offer = offer
        connection = self.connection
        await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        for track in self.tracks:
            connection.addTrack(track)
        answer = await connection.createAnswer()
        await connection.setLocalDescription(answer)
        return self.rewrite(connection.localDescription.sdp), "session"

    async def end(self, session: str) -> None:
        self.ended.append(session)


@asynccontextmanager
async def peer_with(*tracks: MediaStreamTrack) -> AsyncIterator[Peer]:
    peer = Peer(*tracks)
    try:
        yield peer
    finally:
        await peer.connection.close()
        for track in tracks:
            track.stop()
