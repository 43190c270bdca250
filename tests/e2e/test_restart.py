"""A node that starts again while all the nodes it was told to join are gone."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from benchmarks.nodes import node
from foundation.tasks import TaskScope
from swarm.client.testpicture import TestPicture
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from tests.e2e.stage import Viewer, until_found

_poll_seconds = 0.05


async def until_acquainted(http: aiohttp.ClientSession, url: str, contacts: int) -> None:
    async with asyncio.timeout(20):
        while True:
            async with http.get(f"{url}/api/v1/node") as response:
                if (await response.json())["dht"]["contacts"] >= contacts:
                    return
            await asyncio.sleep(_poll_seconds)


@pytest.mark.timeout(120)
async def test_a_node_that_restarts_finds_its_swarm_with_all_its_bootstrap_nodes_gone(tmp_path: Path) -> None:
    picture, scope = TestPicture(320, 180, 15), TaskScope("viewer", 1)
    async with node() as bootstrap, aiohttp.ClientSession() as http:
        join = ("--join", bootstrap.authority)
        async with node(*join) as other:
            async with node(*join, "--data-dir", str(tmp_path)) as before:
                await until_acquainted(http, before.url, 2)
            bootstrap.process.kill()
            await bootstrap.process.wait()
            publisher, signalling = WhipPublisher.to_url(f"{other.url}/whip", video=picture)
            async with publisher, node(*join, "--data-dir", str(tmp_path)) as again:
                producer = signalling.producer_id
                async with asyncio.timeout(10):
                    await until_acquainted(http, again.url, 1)
                    await until_found(http, f"{again.url}/api/v1/producers/{producer}")
                async with WhepPlayer.of_url(f"{again.url}/whep/{producer}", audio=False) as player:
                    assert player.video is not None
                    viewer = Viewer(player.video)
                    scope.spawn(viewer.read(), "viewer")
                    await viewer.goes_on()
                    await scope.close()
    picture.stop()
