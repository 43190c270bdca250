"""mediasoup as one of the servers that are compared: its worker under Node, a WebRtcTransport for each client."""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.cache import cache_directory
from swarm.bench.load import Answer, Client
from swarm.bench.nodes import cpu_seconds

PACKAGE = "@mafalda-sfu/mediasoup@3.11.24"
"""Carries a Linux worker, so that no compiler is needed."""

SCRIPT = Path(__file__).with_name("mediasoup.mjs")
INSTALL_SECONDS_MAX = 300.0
START_SECONDS_MAX = 20.0
REQUEST_SECONDS_MAX = 20.0


class Mediasoup:
    """One worker process; the Node process beside it is not measured."""

    name = "mediasoup"
    host = "127.0.0.1"

    def __init__(self, process: asyncio.subprocess.Process, worker_pid: int) -> None:
        self._process = process
        self._worker_pid = worker_pid
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def publish(self, client: Client) -> None:
        await self._connect(client, "publish", ssrc=client.ssrc)

    async def view(self, client: Client) -> None:
        await self._connect(client, "view")

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._worker_pid)

    async def read(self) -> None:
        """Hands each answer to who waits for it, until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            waiting = self._waiting.pop(answer["id"])
            if "error" in answer:
                waiting.set_exception(RuntimeError(f"mediasoup: {answer['error']}"))
            else:
                waiting.set_result(answer["result"])

    async def _connect(self, client: Client, method: str, **parameters: Any) -> None:
        said = await self._request(method, fingerprint=client.endpoint.fingerprint, **parameters)
        address = (said["ip"], said["port"])
        client.dial(Answer(said["ufrag"], said["pwd"], said["fingerprint"], address, session=""))
        await client.connected

    async def _request(self, method: str, **parameters: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "method": method, **parameters}).encode() + b"\n")
        return await asyncio.wait_for(waiting, REQUEST_SECONDS_MAX)


def missing() -> str:
    """Why mediasoup cannot run here, or nothing."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"it needs {' and '.join(lacking)}" if lacking else ""


@asynccontextmanager
async def mediasoup(_viewers: int) -> AsyncIterator[Mediasoup]:
    """A running worker, installed first where it is not; ended, and awaited, when the block is left."""
    directory = await _installed()
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), str(directory), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    reading = None
    try:
        greeting = json.loads(await asyncio.wait_for(process.stdout.readline(), START_SECONDS_MAX))
        server = Mediasoup(process, greeting["pid"])
        reading = asyncio.get_running_loop().create_task(server.read())
        yield server
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        if reading is not None:
            await reading


async def _installed() -> Path:
    directory = cache_directory("mediasoup")
    if not (directory / "node_modules" / "@mafalda-sfu" / "mediasoup").is_dir():
        # npm takes the nearest package.json above for its project, unless there is one here.
        (directory / "package.json").write_text('{"private": true}\n')
        npm = await asyncio.create_subprocess_exec(
            *("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", PACKAGE), cwd=directory
        )
        try:
            status = await asyncio.wait_for(npm.wait(), INSTALL_SECONDS_MAX)
        except TimeoutError:
            npm.kill()
            status = await npm.wait()
        if status:
            raise RuntimeError(f"npm could not install {PACKAGE}")
    return directory
