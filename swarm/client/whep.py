"""Playing: WHEP (draft-ietf-wish-whep) on aiortc."""

from aiortc import MediaStreamTrack

from swarm.client.peer import ClientPeer, End, Exchange
from swarm.client.signalling import HttpSignalling


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
        for kind, wanted in (("audio", audio), ("video", video)):
            if wanted:
                self._connection.addTransceiver(kind, direction="recvonly")
        self._connection.on("track", self._track_added)

    @classmethod
    def of_url(cls, url: str, *, audio: bool = True, video: bool = True, token: str = "") -> "WhepPlayer":
        """A player of a WHEP endpoint. Raises `LocalError` for a URL that is none."""
        signalling = HttpSignalling(url, "WHEP", token)
        return cls(signalling.exchange, audio=audio, video=video, end=signalling.end)

    def _track_added(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self.audio = track
        else:
            self.video = track
