"""Publishing: RFC 9725 (WHIP) on aiortc."""

from typing import Literal

from aiortc import MediaStreamTrack, RTCRtpSender

from foundation.errors import LocalError
from swarm.client.peer import ClientPeer, End, Exchange
from swarm.client.signalling import HttpSignalling

VideoCodec = Literal["VP8", "H264"]


class WhipPublisher(ClientPeer):
    """Sends at most one audio and one video track; use as an async context manager, or `connect` and `close`.

    The tracks are aiortc's: frames are encoded here, in aiortc's executor threads. A track that ends is not replaced.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        audio: MediaStreamTrack | None = None,
        video: MediaStreamTrack | None = None,
        video_codec: VideoCodec | None = None,
        end: End | None = None,
    ) -> None:
        """`video_codec` restricts what is offered; None leaves the choice to the node. Raises `LocalError`."""
        super().__init__(exchange, end)
        if audio is None and video is None:
            raise LocalError("nothing to publish: give an audio or a video track")
        for kind, track in (("audio", audio), ("video", video)):
            if track is None:
                continue
            if track.kind != kind:
                raise LocalError(f"the {kind} track is one of {track.kind}")
            self._connection.addTransceiver(track, direction="sendonly")
        if video is not None and video_codec is not None:
            self._prefer(video_codec)

    @classmethod
    def to_url(
        cls,
        url: str,
        *,
        audio: MediaStreamTrack | None = None,
        video: MediaStreamTrack | None = None,
        video_codec: VideoCodec | None = None,
        token: str = "",
    ) -> "tuple[WhipPublisher, HttpSignalling]":
        """A publisher to a WHIP endpoint; its signalling knows the producer id once connected. Raises `LocalError`."""
        signalling = HttpSignalling(url, "WHIP", token)
        publisher = cls(signalling.exchange, audio=audio, video=video, video_codec=video_codec, end=signalling.end)
        return publisher, signalling

    def _prefer(self, codec: VideoCodec) -> None:
        wanted = {f"video/{codec}".lower(), "video/rtx"}
        codecs = [known for known in RTCRtpSender.getCapabilities("video").codecs if known.mimeType.lower() in wanted]
        for transceiver in self._connection.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences(codecs)
