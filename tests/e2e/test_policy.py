"""A policy from a file, replaced in a running node while somebody watches."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.nodes import NodeProcess, node
from foundation.errors import SwarmFull
from foundation.tasks import TaskScope
from swarm.client.api import NodeApi
from swarm.client.testpicture import TestPicture
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from tests.e2e.stage import Viewer
from tests.e2e.test_startup import assert_one_helpful_line, run

EXAMPLE = Path(__file__).parents[2] / "examples" / "policy_by_region.py"
WAIT_SECONDS = 20


async def room_for_relays(server: NodeProcess) -> int:
    load: dict[str, Any] = (await NodeApi(server.url).node())["load"]
    return int(load["room"]["relays"])


async def test_hangup_replaces_the_policy_and_nobody_notices(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE.read_text())
    picture = TestPicture(320, 180, 15)
    async with node("--policy", str(path), "--max-consumers", "10") as server:
        assert await room_for_relays(server) == 10
        publisher, signalling = WhipPublisher.to_url(f"{server.url}/whip", video=picture)
        async with (
            publisher,
            WhepPlayer.of_url(f"{server.url}/whep/{signalling.producer_id}", audio=False) as player,
        ):
            assert player.video is not None
            viewer, scope = Viewer(player.video), TaskScope("test", 1)
            scope.spawn(viewer.read(), "viewer")
            await viewer.goes_on()

            path.write_text("def policy(config)\n")
            server.process.send_signal(signal.SIGHUP)
            await viewer.goes_on()
            assert await room_for_relays(server) == 9

            path.write_text("from swarm.policy import DefaultPolicy\ndef policy(_): return DefaultPolicy(5)\n")
            server.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(WAIT_SECONDS):
                while await room_for_relays(server) != 4:
                    await viewer.goes_on(1)
            await viewer.goes_on()
            await scope.close()
    picture.stop()
    (complaint,) = capfd.readouterr().err.splitlines()
    assert "mine.py, line 1" in complaint
    assert "the old policy stays" in complaint


async def test_a_node_at_its_limit_refuses_viewers_and_serves_on_those_it_has() -> None:
    picture = TestPicture(320, 180, 15)
    async with node("--max-consumers", "100", "--max-packets-per-second", "10") as server:
        publisher, signalling = WhipPublisher.to_url(f"{server.url}/whip", video=picture)
        async with publisher, WhepPlayer.of_url(f"{server.url}/whep/{signalling.producer_id}", audio=False) as player:
            assert player.video is not None
            viewer, scope = Viewer(player.video), TaskScope("test", 1)
            scope.spawn(viewer.read(), "viewer")
            async with asyncio.timeout(WAIT_SECONDS):
                while (await NodeApi(server.url).node())["load"]["busy"] != ["packets"]:
                    await viewer.goes_on(1)
            assert await room_for_relays(server) == 0
            late = WhepPlayer.of_url(f"{server.url}/whep/{signalling.producer_id}", audio=False)
            with pytest.raises(SwarmFull):
                await late.connect()
            await late.close()
            await viewer.goes_on()
            await scope.close()
    picture.stop()


async def test_a_node_with_a_broken_policy_says_where_it_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("\n\nimport not_there\n")
    assert_one_helpful_line(await run("run", "--listen", "127.0.0.1:0", "--policy", str(path)), f"{path}, line 3")
    assert_one_helpful_line(await run("run", "--listen", "127.0.0.1:0", "--policy", str(tmp_path / "x.py")), "x.py")
