"""A relay loses the node that fed it: it finds another carrier, and its viewers keep their sessions."""

import asyncio
import signal

import aiohttp
import pytest

from benchmarks.nodes import node
from swarm.client.whep import WhepPlayer
from tests.e2e.watching import counters, published


@pytest.mark.timeout(120)
async def test_viewers_behind_a_killed_relay_go_on_in_the_same_session() -> None:
    """The owner has room for two relays, so the third node hangs below one of them; that one is killed."""
    async with (
        node("--max-consumers", "2") as owner,
        node("--join", owner.authority, "--max-consumers", "3") as one,
        node("--join", owner.authority, "--max-consumers", "3") as two,
        node("--join", owner.authority) as last,
        published(owner.url) as producer,
        aiohttp.ClientSession() as http,
    ):
        players = [WhepPlayer.of_url(f"{each.url}/whep/{producer}", audio=False) for each in (one, two, last)]
        for player in players:
            await player.connect()
        far = players[-1]
        assert far.video is not None
        before = await counters(far.video, 5)
        async with http.get(f"{owner.url}/api/v1/producers/{producer}/tree") as response:
            relays = (await response.json())["root"]["children"]
        (parent,) = [relay["url"] for relay in relays if relay["children"]]
        (one if parent == one.url else two).process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(60):
            after = [await far.video.recv() for _ in range(90)]
        assert len(after) == 90
        assert (await counters(far.video, 5))[-1] > before[-1]
        assert far.connected
        for player in players:
            await player.close()
