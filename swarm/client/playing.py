"""`swarmd play`: watches one stream, tells once a second what came, and records it if wanted."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from foundation.errors import RemoteError
from swarm.client.following import Following
from swarm.client.recorder import Recorder
from swarm.client.signalling import whep_url
from swarm.client.watch import Watched
from swarm.client.whep import WhepPlayer
from swarm.process.stopping import first_of

_report_gap_seconds = 1.0


async def play(
    url: str,
    stopping: asyncio.Event,
    *,
    seconds: float | None,
    output: str | None,
    report: Callable[[str], object],
    token: str = "",
) -> None:
    """Plays `url` (WHEP, or a node's watch page) for `seconds`, until it ends, or until `stopping` is set.

    `report` gets one line each second and one at the end. Raises `LocalError` for a URL or file that cannot be, and
    `RemoteError` when the stream is refused, or nothing of it arrives.
    """
    player = WhepPlayer.of_url(whep_url(url), token=token)
    try:
        await first_of(player.connect(), stopping.wait())
        if player.connected:
            watched = await _watch(player, stopping, seconds, output, report, token)
            if not watched.frames and not watched.audio_frames and not stopping.is_set():
                raise RemoteError("neither picture nor sound arrived: does its publisher still send?")
    finally:
        await player.close()


async def _watch(
    player: WhepPlayer,
    stopping: asyncio.Event,
    seconds: float | None,
    output: str | None,
    report: Callable[[str], object],
    token: str,
) -> Watched:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with AsyncExitStack() as stack:
        record = None
        if output is not None:
            recorder = Recorder(output, audio=player.audio is not None, video=player.video is not None)
            record = (await stack.enter_async_context(recorder)).frame
        following = Following(player, lambda url: WhepPlayer.of_url(url, token=token), record, record)
        stack.push_async_callback(following.close)
        ended = False
        while not ended and (seconds is None or loop.time() - began < seconds):
            left = _report_gap_seconds if seconds is None else min(_report_gap_seconds, began + seconds - loop.time())
            ended = await first_of(stopping.wait(), following.wait_ended(), seconds=max(0.0, left))
            report(f"{loop.time() - began:4.0f} s  {following.watched.line()}")
    if output is not None:
        late = f", {recorder.dropped} frames left out: the machine is too slow" if recorder.dropped else ""
        report(f"recorded {output}{late}")
    return following.watched
