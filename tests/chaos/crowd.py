"""Publishers and viewers who come and go all along, each in the way that it likes."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import aiohttp

from benchmarks.load import Client, FrameSource
from foundation.errors import RemoteError
from foundation.tasks import TaskScope

JOIN_SECONDS_MAX = 30.0
PACKETS_PER_FRAME, PACKET_BYTES, FRAMES_PER_SECOND = 2, 900, 10
_retry_seconds = 1.0
_pause_seconds = 0.2


class Guest(Client):
    """A raw client that knows when it was shown out."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.gone = asyncio.Event()

    def transport_closed(self, reason: str) -> None:
        super().transport_closed(reason)
        self.gone.set()

    async def enter(self, http: aiohttp.ClientSession, url: str, direction: str) -> str:
        """The session's URL, once media can flow."""
        answer = await self.post(http, url, direction)
        self.dial(answer)
        await self.connected
        return answer.session

    async def leave(self, http: aiohttp.ClientSession, session: str, how: str) -> None:
        """By DELETE, by the alert of DTLS, or without a word."""
        if how == "delete":
            async with http.delete(session):
                pass
        if how == "vanish":
            self.port.close()
        await self.close()


class Crowd:
    """`urls` gives the base URLs of the nodes that may be asked now."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        urls: Callable[[], Sequence[str]],
        rng: random.Random,
        publishers: int,
        viewers: int,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.streams: set[UUID] = set()
        self._http = http
        self._urls = urls
        self._rng = rng
        self._places = (self._publish,) * publishers + (self._view,) * viewers
        self._scope = TaskScope("crowd", len(self._places))

    def start(self) -> None:
        for live in self._places:
            self._scope.spawn(self._again_and_again(live), "guest")

    async def close(self) -> None:
        """Everybody vanishes at once."""
        await self._scope.close()

    async def _again_and_again(self, live: Callable[[Guest], object]) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(0, 2 * _pause_seconds))
            guest = Guest(asyncio.get_running_loop())
            try:
                await live(guest)  # type: ignore[misc]
            except (RemoteError, aiohttp.ClientError, OSError, TimeoutError) as exc:
                self.counts[f"{live.__name__.lstrip('_')} failed"] += 1
                self.counts[f"because {type(exc).__name__} {str(exc)[:3]}"] += 1
                await asyncio.sleep(_retry_seconds)
            finally:
                await guest.close()

    def _way_out(self) -> str:
        return self._rng.choices(("delete", "alert", "vanish"), (6, 3, 1))[0]

    async def _publish(self, guest: Guest) -> None:
        producer = uuid4()
        async with asyncio.timeout(JOIN_SECONDS_MAX):
            session = await guest.enter(self._http, f"{self._rng.choice(self._urls())}/whip/{producer}", "sendonly")
        self.counts["published"] += 1
        self.streams.add(producer)
        try:
            await self._send(guest, self._rng.uniform(10, 40))
        finally:
            self.streams.discard(producer)
        await guest.leave(self._http, session, self._way_out())

    async def _send(self, guest: Guest, seconds: float) -> None:
        source = FrameSource(guest, PACKETS_PER_FRAME, PACKET_BYTES, FRAMES_PER_SECOND)
        until = guest.loop.time() + seconds
        while guest.loop.time() < until and not guest.gone.is_set():
            if (
                guest.transport is not None
                and guest.transport.srtp is not None
                and guest.transport.sockaddr is not None
            ):
                source.send_frame()
            await asyncio.sleep(1 / FRAMES_PER_SECOND)

    async def _view(self, guest: Guest) -> None:
        if not self.streams:
            return
        producer = self._rng.choice(sorted(self.streams))
        async with asyncio.timeout(JOIN_SECONDS_MAX):
            session = await self._let_in(guest, producer)
            if session is None or not await _either(guest.first_keyframe, guest.gone):
                self.counts["too late"] += 1
                return
        self.counts["saw"] += 1
        until = guest.loop.time() + self._rng.uniform(1, 10)
        while guest.loop.time() < until and not guest.gone.is_set():
            guest.send_report()
            await asyncio.sleep(1)
        await guest.leave(self._http, session, self._way_out())

    async def _let_in(self, guest: Guest, producer: UUID) -> str | None:
        """Asks until it is let in, as players do, and None when the stream ended before."""
        while producer in self.streams:
            try:
                return await guest.enter(self._http, f"{self._rng.choice(self._urls())}/whep/{producer}", "recvonly")
            except (RemoteError, aiohttp.ClientError) as exc:
                self.counts["asked again"] += 1
                self.counts[f"because {type(exc).__name__} {str(exc)[:3]}"] += 1
                await asyncio.sleep(_retry_seconds)
        return None


async def _either(future: asyncio.Future[float], event: asyncio.Event) -> bool:
    """Whether the future came before the event."""
    while not future.done() and not event.is_set():
        await asyncio.sleep(_pause_seconds)
    return future.done()
