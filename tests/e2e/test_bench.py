"""`swarmd bench` gives figures; how good they are is not for a test to say."""

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from foundation.errors import RemoteError
from swarm.bench.crew import crew
from swarm.bench.nodes import node
from tests.e2e.test_demo import descendants, running

BENCH_SECONDS_MAX = 100


async def bench(*options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "bench", "--viewers", "10", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_every_figure_is_there_and_positive() -> None:
    process = await bench("--seconds", "0.5", "--json")
    async with asyncio.timeout(BENCH_SECONDS_MAX):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    for name in ("packets_per_second", "mbit_per_second", "joins_per_second"):
        assert found[f"{name}_per_core"] > 0
    assert found["kilobytes_per_viewer"] >= 0
    assert set(found["viewers_per_core"]) == {"600 kbit/s", "2.5 Mbit/s"}
    assert all(count > 0 for count in found["viewers_per_core"].values())
    assert len(found["loads"]) == 3
    assert all(load["packets_per_second"] > 0 for load in found["loads"])
    assert isinstance(found["saturated"], bool)
    assert found["machine"]["cores"] >= 1
    assert "10 viewers watch 2.5 Mbit/s" in err.decode()


async def test_a_node_that_refuses_viewers_is_told_and_the_load_process_goes_on() -> None:
    async with node("--max-consumers", "3") as server, crew() as load, aiohttp.ClientSession() as http:
        await load.call("publish", url=f"{server.url}/whip")
        async with http.get(f"{server.url}/api/v1/producers") as response:
            (producer,) = (await response.json())["producers"]
        url = f"{server.url}/whep/{producer['id']}"
        with pytest.raises(RemoteError, match="503"):
            await load.call("join", url=url, viewers=6)
        with pytest.raises(RemoteError, match="did not connect"):
            await load.call("join", url="http://127.0.0.1:9/whep/x", viewers=1)
        sent = await load.call("send", packets_per_frame=2, packet_bytes=500, frames_per_second=50, seconds=0.1)
        assert sent["packets"] in (10, 12)


async def test_ctrl_c_ends_the_bench_with_all_its_processes() -> None:
    process = await bench("--seconds", "60")
    assert process.stderr is not None
    async with asyncio.timeout(BENCH_SECONDS_MAX):
        async for line in process.stderr:
            if b"watch" in line:
                break
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    assert len(children) >= 3
    assert not children & running()
