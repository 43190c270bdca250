"""Playing: WHEP (draft-ietf-wish-whep) on aiortc."""

import asyncio
import logging

from aiortc import MediaStreamTrack

from foundation import limits
from foundation.errors import RemoteError
from swarm.client.moving import events_url, next_move
from swarm.client.peer import ClientPeer, End, Exchange
from swarm.client.signalling import HttpSignalling

logger = logging.getLogger(__name__)


class WhepPlayer(ClientPeer):
    """Receives at most one audio and one video track; use as an async context manager, or `connect` and `close`.

    Once connected `audio` and `video` give decoded frames by `recv()`, which raises aiortc's `MediaStreamError` when
    the stream has ended. Frames which nobody takes pile up in aiortc: read both, or ask for one kind.
    """

    def __init__(self, exchange: Exchange, *, audio: bool = True, video: bool = True, end: End | None = None) -> None:
        super().__init__(exchange, end)
        self.audio: MediaStreamTrack | None = None
        """None before `connect`, and when the producer has no audio."""
        self.video: MediaStreamTrack | None = None
        """None before `connect`, and when the producer has no video."""
        self._signalling: HttpSignalling | None = None
        for kind, wanted in (("audio", audio), ("video", video)):
            if wanted:
                self._connection.addTransceiver(kind, direction="recvonly")
        self._connection.on("track", self._track_added)

    @classmethod
    def of_url(cls, url: str, *, audio: bool = True, video: bool = True, token: str = "") -> "WhepPlayer":
        """A player of a WHEP endpoint. Raises `LocalError` for a URL that is none."""
        signalling = HttpSignalling(url, "WHEP", token)
        player = cls(signalling.exchange, audio=audio, video=video, end=signalling.end)
        player._signalling = signalling
        return player

    async def wait_moved(self) -> str:
        """Returns the WHEP URL at which the node wants this session to go on, once it wants that.

        For ever, with a node that never says so. This session goes on until it is closed, or the node has gone.
        """
        signalling = self._signalling
        while signalling is not None and not self.closed:
            try:
                events = events_url(signalling.link, signalling.answered) if signalling.answered else None
                if events is None:
                    break
                url = await next_move(events, signalling.headers)
                if url is not None:
                    return url or signalling.url
            except RemoteError as exc:
                logger.info("no events of this session: %s", exc)
            await asyncio.sleep(limits.listen_again_seconds)
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    def _track_added(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self.audio = track
        else:
            self.video = track
