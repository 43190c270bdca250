"""What `swarmd publish` sends: a media file, or the test picture and tone."""

import asyncio

import av
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaPlayer

from foundation.errors import LocalError
from swarm.client.testpicture import TestPicture, TestTone


class Source:
    """At most one audio and one video track, and when they have ended."""

    def __init__(self, audio: MediaStreamTrack | None, video: MediaStreamTrack | None) -> None:
        self.audio = audio
        self.video = video
        self._ended = asyncio.Event()
        for track in self.tracks:
            track.on("ended", self._track_ended)

    @classmethod
    def test(cls) -> "Source":
        """The test picture of 640x360 at 30 frames a second, and the tone: they never end by themselves."""
        return cls(TestTone(), TestPicture())

    @classmethod
    def file(cls, path: str) -> "Source":
        """A media file, or whatever else FFmpeg opens, played once. Raises `LocalError`."""
        try:
            player = MediaPlayer(path)
        except (OSError, ValueError, av.FFmpegError) as exc:
            reason = getattr(exc, "strerror", None) or exc
            raise LocalError(f"cannot play {path}: {reason}") from exc
        if player.audio is None and player.video is None:
            raise LocalError(f"cannot play {path}: it has neither audio nor video")
        return cls(player.audio, player.video)

    @property
    def tracks(self) -> list[MediaStreamTrack]:
        return [track for track in (self.audio, self.video) if track is not None]

    async def wait_ended(self) -> None:
        """Returns when every track has ended."""
        await self._ended.wait()

    def stop(self) -> None:
        """Ends every track; a publisher that was connected has done so already."""
        for track in self.tracks:
            track.stop()

    def _track_ended(self) -> None:
        if all(track.readyState == "ended" for track in self.tracks):
            self._ended.set()
