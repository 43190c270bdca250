"""A node is told to leave, by signal and by command: who is on it, who comes, and how it ends."""

import asyncio
import json
import signal
import sys
from typing import Any

import aiohttp
import pytest

from benchmarks.nodes import NodeProcess, node
from swarm.client.following import Following
from swarm.client.whep import WhepPlayer
from tests.e2e.test_workers import workers
from tests.e2e.watching import counters, published

EXIT_SECONDS_MAX = 30


async def exit_code(which: NodeProcess) -> int:
    async with asyncio.timeout(EXIT_SECONDS_MAX):
        return await which.process.wait()


async def swarmd(*arguments: str) -> Any:
    """What a command of the console script prints as JSON."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments, "--json"), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


async def ready(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(f"{url}/readyz") as response:
        return response.status


async def until_draining(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(EXIT_SECONDS_MAX):
        while await ready(http, url) != 503:
            await asyncio.sleep(0.05)


async def test_a_viewer_that_stays_is_served_until_the_deadline_and_those_who_come_are_sent_on() -> None:
    async with (
        node() as owner,
        node("--join", owner.authority, "--drain-seconds", "6") as relay,
        published(owner.url) as producer,
        aiohttp.ClientSession() as http,
        WhepPlayer.of_url(f"{relay.url}/whep/{producer}", audio=False) as stays,
    ):
        assert stays.video is not None
        await counters(stays.video, 5)
        relay.process.send_signal(signal.SIGTERM)
        await until_draining(http, relay.url)
        seen = await counters(stays.video, 30)
        assert seen == list(range(seen[0], seen[0] + 30))
        late = WhepPlayer.of_url(f"{relay.url}/whep/{producer}", audio=False)
        await late.connect()
        assert late.session is not None
        assert late.session.startswith(owner.url)
        await late.close()
        assert await exit_code(relay) == 0
        async with asyncio.timeout(EXIT_SECONDS_MAX):
            await stays.wait_closed()


async def test_a_second_signal_does_not_wait_for_anybody() -> None:
    async with node("--drain-seconds", "600") as only, published(only.url), aiohttp.ClientSession() as http:
        only.process.send_signal(signal.SIGTERM)
        await until_draining(http, only.url)
        only.process.send_signal(signal.SIGTERM)
        assert await exit_code(only) == 0


async def test_a_drain_by_command_can_be_taken_back_and_else_ends_the_node() -> None:
    async with node() as only, aiohttp.ClientSession() as http:
        async with published(only.url):
            assert (await swarmd("drain", only.url, "--seconds", "600"))["draining"] is True
            assert await ready(http, only.url) == 503
            assert (await swarmd("drain", only.url, "--undo"))["draining"] is False
            assert await ready(http, only.url) == 200
            await swarmd("drain", only.url, "--seconds", "600")
        assert await exit_code(only) == 0


@pytest.mark.timeout(180)
async def test_all_workers_of_a_machine_drain_together() -> None:
    async with (
        workers(2, "--listen", "127.0.0.1:0", "--drain-seconds", "600") as swarm,
        aiohttp.ClientSession() as http,
    ):
        first = swarm.urls[0]
        async with published(first):
            swarm.process.send_signal(signal.SIGTERM)
            await until_draining(http, first)
        async with asyncio.timeout(EXIT_SECONDS_MAX):
            assert await swarm.process.wait() == 0


async def test_a_player_that_listens_goes_elsewhere_before_its_node_ends_and_misses_no_picture() -> None:
    async with (
        node() as owner,
        node("--join", owner.authority, "--drain-seconds", "600") as relay,
        published(owner.url) as producer,
    ):
        player = WhepPlayer.of_url(f"{relay.url}/whep/{producer}")
        await player.connect()
        following = Following(player, WhepPlayer.of_url)
        try:
            async with asyncio.timeout(60):
                while following.watched.counters < 10:
                    await asyncio.sleep(0.05)
                relay.process.send_signal(signal.SIGTERM)
                assert await relay.process.wait() == 0
                assert following.moves == 1
                more = following.watched.counters + 30
                while following.watched.counters < more:
                    await asyncio.sleep(0.05)
            assert following.watched.lost == 0
        finally:
            await following.close()
            await player.close()
