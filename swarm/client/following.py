"""A player that goes where its node sends it: the new session is there before the old one is given up."""

import asyncio
import logging
from collections.abc import Callable

from foundation import limits
from foundation.errors import LocalError, RemoteError
from foundation.tasks import TaskScope
from swarm.client.watch import OnAudio, OnVideo, Watched, Watcher
from swarm.client.whep import WhepPlayer

logger = logging.getLogger(__name__)


class Following:
    """Watches a connected player, and after each move the next one, all into one `watched`."""

    def __init__(
        self,
        player: WhepPlayer,
        make: Callable[[str], WhepPlayer],
        on_video: OnVideo | None = None,
        on_audio: OnAudio | None = None,
    ) -> None:
        """`make` makes a player of a WHEP URL. The player given stays its maker's to close, later ones are ours."""
        self.watched = Watched()
        self.moves = 0
        self._player = player
        self._make = make
        self._callbacks = on_video, on_audio
        self._watcher = Watcher(player, on_video, on_audio, self.watched)
        self._ended = asyncio.Event()
        self._scope = TaskScope("following", tasks_max=2)
        self._scope.spawn(self._follow(), "moves")

    async def wait_ended(self) -> None:
        """Returns when the stream has ended, and there is nowhere to go."""
        await self._ended.wait()

    async def close(self) -> None:
        """Ends what this began."""
        await self._scope.close()
        await self._watcher.close()
        if self.moves:
            await self._player.close()

    async def _follow(self) -> None:
        """Until a player ends without having been sent anywhere that takes it."""
        while (url := await self._next_url()) is not None:
            for attempt in range(limits.moves_tried_max):
                if attempt:
                    await asyncio.sleep(limits.move_pause_seconds)
                if await self._move(url):
                    break
        await self._player.wait_closed()
        self._ended.set()

    async def _next_url(self) -> str | None:
        """Where the present player is sent; None when it ends first."""
        told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        async def moved() -> None:
            url = await self._player.wait_moved()
            if not told.done():
                told.set_result(url)

        async def ended() -> None:
            await self._player.wait_closed()
            if not told.done():
                told.set_result(None)

        scope = TaskScope("next move", tasks_max=2)
        scope.spawn(moved(), "moved")
        scope.spawn(ended(), "ended")
        try:
            return await told
        finally:
            await scope.close()

    async def _move(self, url: str) -> bool:
        """Make before break: the old player is closed when the new one shows something, or has had its time to."""
        new: WhepPlayer | None = None
        try:
            new = self._make(url)
            await new.connect()
        except (RemoteError, LocalError) as exc:
            logger.info("sent to %s in vain: %s", url, exc)
            return False
        watcher = Watcher(new, *self._callbacks, self.watched)
        await watcher.wait_first(limits.client_connect_seconds_max)
        old, self._player = self._player, new
        before, self._watcher = self._watcher, watcher
        self.moves += 1
        await before.close()
        await old.close()
        return True
