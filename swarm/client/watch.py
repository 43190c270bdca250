"""Taking the frames of a player and saying what came: size, counters seen and missed, sound or silence."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from foundation.tasks import TaskScope
from swarm.client.testpicture import COUNTER_MODULUS, loudness, read_counter
from swarm.client.whep import WhepPlayer

logger = logging.getLogger(__name__)

OnVideo = Callable[[VideoFrame], None]
OnAudio = Callable[[AudioFrame], None]

_loudness_min = 0.01
"""Of sound, -40 dB of full scale: a coded silence stays far below, the test tone is at 0.18."""


@dataclass(slots=True)
class Watched:
    """What arrived so far. Counters are those of a test picture; other pictures have none."""

    frames: int = 0
    width: int = 0
    height: int = 0
    counters: int = 0
    """Frames whose counter could be read."""
    counter: int | None = None
    """The newest."""
    lost: int = 0
    """Counters that were skipped: frames which never came, or could not be decoded."""
    audio_frames: int = 0
    sounding: int = 0
    """Audio frames that were not silent."""

    def seen(self, width: int, height: int, counter: int | None) -> None:
        """Notes one picture. A counter that goes back is a publisher that began anew, and loses nothing."""
        self.frames += 1
        self.width, self.height = width, height
        if counter is None:
            return
        self.counters += 1
        if self.counter is not None:
            step = (counter - self.counter) % COUNTER_MODULUS
            if 1 < step < COUNTER_MODULUS // 2:
                self.lost += step - 1
        self.counter = counter

    def heard(self, level: float) -> None:
        """Notes one audio frame of this loudness (root mean square, 0 to 1)."""
        self.audio_frames += 1
        self.sounding += level >= _loudness_min

    def line(self) -> str:
        """The same in one line for people."""
        parts = [f"{self.frames} frames"]
        if self.frames:
            parts[0] += f" of {self.width}x{self.height}"
        if self.counters:
            parts.append(f"counter {self.counter}, {self.lost} lost")
        parts.append(f"{self.audio_frames} audio frames, {self.sounding} with sound")
        return ", ".join(parts)


class Watcher:
    """Reads both tracks of a connected player until they end or `close`."""

    def __init__(
        self,
        player: WhepPlayer,
        on_video: OnVideo | None = None,
        on_audio: OnAudio | None = None,
        watched: Watched | None = None,
    ) -> None:
        """The callbacks get every frame after it was counted, for a recorder; they must not block.

        It is counted in `watched`, which may have been begun by another watcher.
        """
        self.watched = watched or Watched()
        self._first = asyncio.Event()
        self._on_video = on_video
        self._on_audio = on_audio
        self._scope = TaskScope("watcher", tasks_max=2)
        if player.video is not None:
            self._scope.spawn(self._read_video(player.video), "video")
        if player.audio is not None:
            self._scope.spawn(self._read_audio(player.audio), "audio")

    async def wait_first(self, seconds_max: float) -> None:
        """Returns with the first frame of any kind, or when it has taken too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self._first.wait()

    async def close(self) -> None:
        await self._scope.close()

    async def _read_video(self, track: MediaStreamTrack) -> None:
        while (frame := await _next(track)) is not None:
            if isinstance(frame, VideoFrame):
                self._first.set()
                self.watched.seen(frame.width, frame.height, read_counter(frame))
                if self._on_video is not None:
                    self._on_video(frame)

    async def _read_audio(self, track: MediaStreamTrack) -> None:
        while (frame := await _next(track)) is not None:
            if isinstance(frame, AudioFrame):
                self._first.set()
                self.watched.heard(loudness(frame))
                if self._on_audio is not None:
                    self._on_audio(frame)


async def _next(track: MediaStreamTrack) -> object | None:
    try:
        return await track.recv()
    except MediaStreamError:
        return None
