"""A private swarm of real processes changes its key: nodes a step apart carry each other's streams."""

import shutil
from pathlib import Path

import aiohttp
import pytest

from benchmarks.nodes import node
from foundation.tasks import TaskScope
from swarm.client.testpicture import TestPicture
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from tests.e2e.stage import Viewer, until_found
from tests.e2e.test_startup import run


@pytest.mark.timeout(120)
async def test_nodes_with_the_old_and_with_the_new_key_carry_each_other_s_streams(tmp_path: Path) -> None:
    made, first, second = (str(tmp_path / name) for name in ("made", "first", "second"))
    assert (await run("keygen", made))[0] == 0
    for step in (first, second):
        code, told, _ = await run("keygen", "--rotate", made)
        assert (code, told[:4]) == (0, "Step")
        shutil.copy2(made, step)
    picture, scope = TestPicture(320, 180, 15), TaskScope("viewer", 1)
    async with (
        node("--swarm-key-file", first) as old,
        node("--swarm-key-file", second, "--join", old.authority) as new,
        aiohttp.ClientSession() as http,
    ):
        publisher, signalling = WhipPublisher.to_url(f"{old.url}/whip", video=picture)
        async with publisher:
            await until_found(http, f"{new.url}/api/v1/producers/{signalling.producer_id}")
            async with WhepPlayer.of_url(f"{new.url}/whep/{signalling.producer_id}", audio=False) as player:
                assert player.video is not None
                viewer = Viewer(player.video)
                scope.spawn(viewer.read(), "viewer")
                await viewer.goes_on()
                await scope.close()
    picture.stop()
