"""`swarmd run --workers`: clients enter by any worker; a killed one comes back; the end leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from swarm.client.whep import WhepPlayer
from tests.e2e.test_demo import descendants, running
from tests.e2e.watching import counters, published

START_SECONDS_MAX = 60


class Workers:
    """A running supervisor, the URLs of its workers, and what it has written."""

    def __init__(self, process: asyncio.subprocess.Process, urls: list[str], said: list[str]) -> None:
        self.process = process
        self.urls = urls
        self.said = said


@asynccontextmanager
async def workers(count: int, *options: str) -> AsyncIterator[Workers]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "run", "--workers", str(count), *options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while not said or not said[-1].startswith("workers"):
                line = (await process.stdout.readline()).decode()
                assert line, said
                said.append(line)
        yield Workers(process, said[-1].split()[1:], said)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def node(http: aiohttp.ClientSession, url: str) -> dict[str, object]:
    async with http.get(f"{url}/api/v1/node") as response:
        described: dict[str, object] = await response.json()
        return described


async def ready_again(http: aiohttp.ClientSession, url: str) -> None:
    """Until the node at `url` answers, and knows others of its swarm."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                async with http.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def process_with(swarm: Workers, word: str) -> int:
    """The worker that has `word` in its command line."""
    (pid,) = (child for child in descendants(swarm.process.pid) if word in Path(f"/proc/{child}/cmdline").read_text())
    return pid


def consecutive_ports(count: int) -> int:
    """The first of some ports that are free at this moment."""
    while True:
        with ExitStack() as stack:
            try:
                first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
                for port in range(first + 1, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except (OSError, OverflowError):
                continue
            return int(first)


async def test_clients_enter_by_any_worker_and_one_that_is_killed_comes_back(tmp_path: Path) -> None:
    async with (
        workers(3, "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)) as swarm,
        aiohttp.ClientSession() as http,
    ):
        first, second, third = swarm.urls
        assert first in swarm.said[0]
        assert sorted(os.listdir(tmp_path)) == ["worker-1", "worker-2", "worker-3"]
        async with published(second) as producer:
            for url in (third, first):
                async with WhepPlayer.of_url(f"{url}/whep/{producer}") as player:
                    assert player.video is not None
                    await counters(player.video, 10)

            before = await node(http, first)
            os.kill(process_with(swarm, "worker-1"), signal.SIGKILL)
            await ready_again(http, first)
            assert (await node(http, first))["id"] == before["id"]
            async with WhepPlayer.of_url(f"{first}/whep/{producer}") as player:
                assert player.video is not None
                await counters(player.video, 10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_worker_outlives_the_supervisor(how: signal.Signals) -> None:
    async with workers(2, "--listen", "127.0.0.1:0") as swarm:
        children = descendants(swarm.process.pid)
        assert len(children) == 2
        swarm.process.send_signal(how)
        async with asyncio.timeout(30):
            assert await swarm.process.wait() == (-how if how is signal.SIGKILL else 0)
            if how is not signal.SIGKILL:
                assert not children & running()
            while children & running():
                await asyncio.sleep(0.05)


async def test_ports_are_counted_up() -> None:
    port = consecutive_ports(3)
    async with workers(3, "--listen", f"127.0.0.1:{port}") as swarm:
        assert swarm.urls == [f"http://127.0.0.1:{port + index}" for index in range(3)]
        assert re.search(rf"--join 127.0.0.1:{port}$", swarm.said[2].strip())


async def test_a_port_that_one_worker_cannot_have_is_one_line_and_exit_code_2() -> None:
    port = consecutive_ports(2)
    with socket.create_server(("127.0.0.1", port + 1)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "run", "--workers", "2", "--listen", f"127.0.0.1:{port}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(START_SECONDS_MAX):
            out, err = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    (line,) = err.decode().splitlines()
    assert line.startswith("swarmd: worker 2: ")
    assert f"127.0.0.1:{port + 1} is in use" in line
