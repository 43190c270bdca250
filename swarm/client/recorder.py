"""Writing what a player shows into a file, as H.264 and AAC; coding runs in a thread and never delays reception."""

import asyncio
import fractions
import queue
from pathlib import Path
from typing import Any

import av
from av import AudioFrame, VideoFrame

from foundation import limits
from foundation.errors import LocalError

_formats = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}

_clock_rates = {"video": 90_000, "audio": 48_000}

_Item = tuple[VideoFrame | AudioFrame, float]


class Recorder:
    """Takes decoded frames, of `audio`, `video` or both; use as an async context manager.

    The file begins when each expected kind has come (or one has come for `recorded_frames_max` frames without the
    other): from then on each kind is placed by the arrival of its first frame, and by its own timestamps after that.
    """

    def __init__(self, path: str, *, audio: bool, video: bool) -> None:
        """Raises `LocalError` for a file that cannot be written, or whose suffix is not known."""
        file_format = _formats.get(Path(path).suffix.lower())
        if file_format is None:
            raise LocalError(f"cannot record to {path}: give a file name that ends in {', '.join(_formats)}")
        try:
            # Opened here, because av opens a path only when the first frame has come, and fails only then.
            self._file = open(path, "wb")  # noqa: SIM115
        except OSError as exc:
            raise LocalError(f"cannot write {path}: {exc.strerror or exc}") from exc
        self._container = av.open(self._file, "w", format=file_format)
        self._awaited = {kind for kind, wanted in (("audio", audio), ("video", video)) if wanted}
        self._early: dict[str, VideoFrame | AudioFrame] = {}
        self._early_frames = 0
        self._tracks: dict[str, _Track] | None = None
        self._began = 0.0
        self._queue: queue.Queue[_Item | None] = queue.Queue(limits.recorded_frames_max)
        self._writer: asyncio.Future[None] | None = None
        self.dropped = 0
        """Frames that waited for the coder in vain."""

    async def __aenter__(self) -> "Recorder":
        self._writer = asyncio.get_running_loop().run_in_executor(None, self._write_all)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Writes what waits, and the end of the file. Raises `LocalError` when the file could not be written."""
        assert self._writer is not None
        await asyncio.to_thread(self._queue.put, None)
        try:
            await self._writer
        except (OSError, av.FFmpegError) as exc:
            raise LocalError(f"the recording broke off: {exc}") from exc

    def frame(self, frame: VideoFrame | AudioFrame) -> None:
        """Takes one frame, which is ours from now on; drops and counts it when too many wait."""
        try:
            self._queue.put_nowait((frame, asyncio.get_running_loop().time()))
        except queue.Full:
            self.dropped += 1

    def _write_all(self) -> None:
        with self._file, self._container:
            try:
                while (item := self._queue.get()) is not None:
                    self._write(*item)
                for kind in self._tracks or ():
                    self._mux(kind, None)
            finally:
                # After a failure the queue is still emptied to its end, so that nobody waits for room in it.
                while item is not None:
                    item = self._queue.get()

    def _write(self, frame: VideoFrame | AudioFrame, arrived: float) -> None:
        kind = "video" if isinstance(frame, VideoFrame) else "audio"
        if self._tracks is None and not self._begin(kind, frame, arrived):
            return
        if self._tracks is not None and (track := self._tracks.get(kind)) is not None:
            self._mux(kind, track.placed(frame, arrived - self._began))

    def _begin(self, kind: str, frame: VideoFrame | AudioFrame, arrived: float) -> bool:
        self._early[kind] = frame
        self._early_frames += 1
        if set(self._early) != self._awaited and self._early_frames < limits.recorded_frames_max:
            return False
        self._began = arrived
        self._tracks = {known: _Track(self._container, first) for known, first in self._early.items()}
        self._early.clear()
        return True

    def _mux(self, kind: str, frame: VideoFrame | AudioFrame | None) -> None:
        assert self._tracks is not None
        for packet in self._tracks[kind].stream.encode(frame):
            self._container.mux(packet)


class _Track:
    """One stream of the file."""

    def __init__(self, container: Any, first: VideoFrame | AudioFrame) -> None:
        self._rate = _clock_rates["video" if isinstance(first, VideoFrame) else "audio"]
        if isinstance(first, VideoFrame):
            self.stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast"})
            self.stream.pix_fmt = "yuv420p"
            self.stream.width, self.stream.height = first.width, first.height
            self.stream.codec_context.time_base = fractions.Fraction(1, self._rate)
        else:
            self.stream = container.add_stream("aac", rate=self._rate)
        self._origin: float | None = None
        self._last = -1

    def placed(self, frame: VideoFrame | AudioFrame, elapsed: float) -> VideoFrame | AudioFrame:
        """The frame with the file's size and a timestamp in the file's time, later than the one before."""
        seconds = frame.time or 0.0
        size = (getattr(self.stream, "width", 0), getattr(self.stream, "height", 0))
        if isinstance(frame, VideoFrame) and (frame.width, frame.height) != size:
            frame = frame.reformat(*size)
        if self._origin is None:
            self._origin = seconds - elapsed
        self._last = max(self._last + 1, round((seconds - self._origin) * self._rate))
        frame.pts = self._last
        frame.time_base = fractions.Fraction(1, self._rate)
        return frame
