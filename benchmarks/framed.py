"""Viewers that account for every frame: which came whole, when, and what was between them. Nothing is decoded."""

import asyncio
import contextlib
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp

from benchmarks.load import Answer
from benchmarks.numbered import NumberedPublisher, NumberedViewer
from foundation.errors import RemoteError
from foundation.tasks import TaskScope
from media.rtp import RtpHeader

PACKETS_PER_FRAME = 9
PACKET_BYTES = 1160
FRAMES_PER_SECOND = 30
"""2.5 Mbit/s: 30 frames a second of 9 packets of 1160 bytes."""

JOIN_SECONDS_MAX = 30
RETRY_SECONDS = 0.2
_poll_seconds = 0.02


class FramedPublisher(NumberedPublisher):
    """Sends numbered frames; one that continues another's numbers is the same publisher, back with a new session."""

    def __init__(self, loop: asyncio.AbstractEventLoop, frames_before: int = 0) -> None:
        super().__init__(
            loop, packets_per_frame=PACKETS_PER_FRAME, packet_bytes=PACKET_BYTES, frames_per_second=FRAMES_PER_SECOND
        )
        self.number = frames_before * PACKETS_PER_FRAME
        self.sequence_base = int.from_bytes(os.urandom(2), "big")
        self.keyframe_requests = 1  # As every encoder, it begins with a keyframe.

    @property
    def frames(self) -> int:
        """The number of the next frame."""
        return self.number // PACKETS_PER_FRAME


class FramedViewer(NumberedViewer):
    """Notes when each frame was whole. It asks for nothing that is missing: what is lost stays lost, and is seen."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, "plain")
        self.completed: dict[int, float] = {}
        """When the last packet of each frame came, by its number; in the order in which they were whole."""
        self.session = ""
        self.served_by = ""
        self.lost_because: str | None = None
        self.ssrcs: set[int] = set()
        self._pieces: dict[int, int] = {}
        self._sequences: dict[int, float] = {}

    async def join(self, http: aiohttp.ClientSession, url: str, seconds_max: float = JOIN_SECONDS_MAX) -> None:
        """Offers until somebody answers, wherever 307 leads, and waits for the first keyframe."""
        async with asyncio.timeout(seconds_max):
            answer = await self._answered(http, url)
            self.session = answer.session
            self.served_by = answer.session.partition("/session/")[0]
            self.dial(answer)
            await self.first_keyframe

    async def _answered(self, http: aiohttp.ClientSession, url: str) -> Answer:
        while True:
            try:
                return await self.post(http, url, "recvonly")
            except RemoteError:
                await asyncio.sleep(RETRY_SECONDS)

    async def alive(self, http: aiohttp.ClientSession) -> bool:
        """Whether the one session it was given is still there, at both ends."""
        if self.lost_because is not None:
            return False
        try:
            async with http.get(self.session) as response:
                return response.status == 204
        except aiohttp.ClientError:
            return False

    # --- what came ---

    def missing(self, since: float) -> list[int]:
        """Frames that are not whole, from the first whole one after `since` to the newest."""
        whole = [frame for frame, at in self.completed.items() if at >= since]
        return [frame for frame in range(min(whole), max(whole)) if frame not in self.completed] if whole else []

    def gap(self, begin: float, end: float) -> float:
        """The longest time in which no frame became whole, in seconds; one that lasts at `end` counts that far."""
        times = [begin, *sorted(at for at in self.completed.values() if begin <= at <= end), end]
        return max(after - before for before, after in itertools.pairwise(times))

    def delay(self, begin: float, end: float) -> float:
        """The longest that a frame which became whole then was on its way, in seconds: without what its publisher was
        late by itself."""
        frames = [frame for frame, at in self.completed.items() if begin <= at <= end]
        numbers = (frame * PACKETS_PER_FRAME + index for frame in frames for index in range(PACKETS_PER_FRAME))
        return max((self.received.latencies[number] for number in numbers), default=float("inf"))

    def first_after(self, frame: int) -> float | None:
        """When the first frame from this number on was whole."""
        times = [at for number, at in self.completed.items() if number >= frame]
        return min(times) if times else None

    def sequence_numbers_missing(self, since: float) -> int:
        """Numbers between the first packet after `since` and the newest that none had: decoders wait for them."""
        came = [number for number, at in self._sequences.items() if at >= since]
        return max(came) - min(came) + 1 - len(came) if came else 0

    def transport_closed(self, reason: str) -> None:
        super().transport_closed(reason)
        self.lost_because = reason

    def _note(self, packet: bytes, header: RtpHeader, arrived: float, repaired: bool) -> None:
        before = len(self.received.latencies)
        super()._note(packet, header, arrived, repaired)
        self.ssrcs.add(header.ssrc)
        self._sequences[self._extended(header.sequence_number)] = arrived
        if len(self.received.latencies) == before:
            return
        frame = next(reversed(self.received.latencies)) // PACKETS_PER_FRAME
        self._pieces[frame] = self._pieces.get(frame, 0) + 1
        if self._pieces[frame] == PACKETS_PER_FRAME:
            del self._pieces[frame]
            self.completed[frame] = arrived


@contextlib.asynccontextmanager
async def publishing(
    http: aiohttp.ClientSession, url: str, frames_before: int = 0, retry: bool = False
) -> AsyncIterator[FramedPublisher]:
    """A publisher that is connected and sends; with `retry` it offers until it is taken, as publishers do."""
    publisher = FramedPublisher(asyncio.get_running_loop(), frames_before)
    scope = TaskScope("publisher", 1)
    try:
        async with asyncio.timeout(JOIN_SECONDS_MAX):
            publisher.dial(await _taken(publisher, http, url, retry))
            await publisher.connected
        scope.spawn(publisher.run(), "frames")
        yield publisher
    finally:
        await scope.close()
        await publisher.close()


async def _taken(publisher: FramedPublisher, http: aiohttp.ClientSession, url: str, retry: bool) -> Answer:
    while True:
        try:
            return await publisher.post(http, url, "sendonly")
        except RemoteError:
            if not retry:
                raise
            await asyncio.sleep(RETRY_SECONDS)


@contextlib.asynccontextmanager
async def watching(
    http: aiohttp.ClientSession, urls: Sequence[str], *, at_once: bool = True
) -> AsyncIterator[list[FramedViewer]]:
    """One viewer for each WHEP URL, joined and reporting."""
    loop = asyncio.get_running_loop()
    viewers = [FramedViewer(loop) for _ in urls]
    scope = TaskScope("viewers", len(urls))
    try:
        if at_once:
            await asyncio.gather(*(viewer.join(http, url) for viewer, url in zip(viewers, urls, strict=True)))
        else:
            for viewer, url in zip(viewers, urls, strict=True):
                await viewer.join(http, url)
        for viewer in viewers:
            scope.spawn(viewer.run(), "reports")
        yield viewers
    finally:
        await scope.close()
        for viewer in viewers:
            await viewer.close()


async def until_frame(viewers: Sequence[FramedViewer], frame: int, seconds_max: float) -> float:
    """Waits until each viewer has a whole frame from this number on; when the last one had, monotonic seconds.

    Raises `TimeoutError` when some have not in time.
    """
    async with asyncio.timeout(seconds_max):
        while any(viewer.first_after(frame) is None for viewer in viewers):
            await asyncio.sleep(_poll_seconds)
    return max(viewer.first_after(frame) or 0.0 for viewer in viewers)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank; nan of nothing."""
    if not values:
        return float("nan")
    if percent == 50:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def now() -> float:
    """The clock of `FramedViewer.completed`."""
    return time.monotonic()
