"""Janus as one of the servers that are compared: its VideoRoom on one event loop, over its HTTP API."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.peers.namespace import ADDRESS
from swarm.bench.load import Client, read_answer
from swarm.bench.nodes import cpu_seconds

HTTP_PORT = 8088
ROOM = 1234
START_SECONDS_MAX = 20.0
EVENT_SECONDS_MAX = 20.0
INSTALL_SECONDS_MAX = 300.0
_EVENTS_PER_POLL = 10
_LOG_SHOWN_CHARS = 2000

_CONFIGURATION = {
    "janus.jcfg": """general: {
  debug_level = 2
  session_timeout = 0
  event_loops = 1
  plugins_folder = "%(libraries)s/plugins"
  transports_folder = "%(libraries)s/transports"
  events_folder = "%(libraries)s/events"
  loggers_folder = "%(libraries)s/loggers"
}
nat: { ice_lite = true }
plugins: { disable = "%(other_plugins)s" }
transports: { disable = "%(other_transports)s" }
""",
    "janus.transport.http.jcfg": """general: { json = "plain" http = true port = %(port)d ip = "127.0.0.1" }
""",
    "janus.plugin.videoroom.jcfg": """room-%(room)d: {
  description = "benchmark"
  publishers = 1
  bitrate = 0
  videocodec = "vp8"
  notify_joining = false
}
""",
}


class Janus:
    """One Janus process with one room; every client has a handle of its own in one session."""

    name = "janus"
    host = ADDRESS

    def __init__(self, process: asyncio.subprocess.Process, http: aiohttp.ClientSession, log: Path) -> None:
        self._process = process
        self._log = log
        self._http = http
        self._url = f"http://127.0.0.1:{HTTP_PORT}/janus"
        self._session = 0
        self._feed = 0
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def publish(self, client: Client) -> None:
        handle = await self._attach()
        joined = await self._ask(handle, {"request": "join", "ptype": "publisher", "room": ROOM})
        self._feed = joined["plugindata"]["data"]["id"]
        jsep = {"type": "offer", "sdp": client.offer("sendonly", "active")}
        answer = await self._ask(handle, {"request": "publish", "bitrate": 0}, jsep)
        await _connect(client, answer["jsep"]["sdp"])

    async def view(self, client: Client) -> None:
        handle = await self._attach()
        join = {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": [{"feed": self._feed}]}
        offered = await self._ask(handle, join)
        jsep = {"type": "answer", "sdp": client.offer("recvonly", "active")}
        await self._ask(handle, {"request": "start"}, jsep)
        await _connect(client, offered["jsep"]["sdp"])

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    async def start(self) -> None:
        """Waits until the HTTP API answers, then begins the session."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                try:
                    self._session = (await self._post(self._url, {"janus": "create"}))["data"]["id"]
                    return
                except aiohttp.ClientConnectorError:
                    if self._process.returncode is not None:
                        raise RuntimeError(
                            f"Janus ended at once: {self._log.read_text()[-_LOG_SHOWN_CHARS:]}"
                        ) from None
                    await asyncio.sleep(0.1)

    async def poll(self) -> None:
        """Hands each event to who waits for it, for ever."""
        while True:
            async with self._http.get(f"{self._url}/{self._session}", params={"maxev": _EVENTS_PER_POLL}) as response:
                events = await response.json()
            for event in events if isinstance(events, list) else [events]:
                waiting = self._waiting.pop(event.get("transaction", ""), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)

    async def _attach(self) -> int:
        attached = await self._post(
            f"{self._url}/{self._session}", {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        )
        handle: int = attached["data"]["id"]
        return handle

    async def _ask(self, handle: int, body: Mapping[str, Any], jsep: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A request to the plugin, and the event that answers it."""
        transaction = secrets.token_hex(6)
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = waiting
        message = {"janus": "message", "transaction": transaction, "body": body, **({"jsep": jsep} if jsep else {})}
        await self._post(f"{self._url}/{self._session}/{handle}", message)
        event = await asyncio.wait_for(waiting, EVENT_SECONDS_MAX)
        data = event.get("plugindata", {}).get("data", {})
        if "error" in event or "error" in data:
            raise RuntimeError(f"Janus refused {body['request']}: {event.get('error') or data['error']}")
        return event

    async def _post(self, url: str, message: Mapping[str, Any]) -> dict[str, Any]:
        async with self._http.post(url, json={"transaction": secrets.token_hex(6), **message}) as response:
            answer: dict[str, Any] = await response.json()
        if answer["janus"] == "error":
            raise RuntimeError(f"Janus: {answer['error']}")
        return answer


async def missing() -> str:
    """Why Janus cannot run here, or nothing; installs Debian's where root can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "its libnice ignores loopback, and only root can make a network namespace for it"
    if shutil.which("janus") is None:
        if shutil.which("apt-get") is None:
            return "it is not installed"
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = await asyncio.create_subprocess_exec(
            *("apt-get", "-qq", "-y", "install", "--no-install-recommends", "janus"),
            stdout=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        if await asyncio.wait_for(apt.wait(), INSTALL_SECONDS_MAX) or shutil.which("janus") is None:
            return "apt-get could not install it"
    return ""


@asynccontextmanager
async def janus(_viewers: int) -> AsyncIterator[Janus]:
    """A running Janus with a configuration of its own; ended, and awaited, when the block is left."""
    with tempfile.TemporaryDirectory(prefix="swarmd-bench-janus-") as directory:
        _configure(Path(directory))
        log = Path(directory) / "janus.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *("janus", "--configs-folder", directory, "--disable-colors"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            async with aiohttp.ClientSession() as http:
                server = Janus(process, http, log)
                await server.start()
                polling = asyncio.get_running_loop().create_task(server.poll())
                try:
                    yield server
                finally:
                    polling.cancel()
                    await asyncio.wait([polling])
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


def _configure(directory: Path) -> None:
    libraries = next(Path("/usr/lib").glob("*/janus"))

    def others(kind: str, wanted: str) -> str:
        return ",".join(sorted(path.name for path in (libraries / kind).glob("*.so") if wanted not in path.name))

    values = {
        "libraries": libraries,
        "other_plugins": others("plugins", "videoroom"),
        "other_transports": others("transports", "http"),
        "port": HTTP_PORT,
        "room": ROOM,
    }
    for name, text in _CONFIGURATION.items():
        (directory / name).write_text(text % values)


async def _connect(client: Client, sdp: str) -> None:
    client.dial(read_answer(sdp, session=""))
    await client.connected
