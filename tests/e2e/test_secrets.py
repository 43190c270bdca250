"""Nothing that lets anybody in, and no producer's id, is to be found in what a node writes or shows to strangers."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest
from yarl import URL

from foundation.errors import RemoteError
from swarm.bench.nodes import end
from swarm.client.source import Source
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from swarm.process.child import start_child
from swarm.tokens import Access, Grant, make_token
from tests.e2e.test_workers import consecutive_ports
from tests.e2e.watching import counters

SECRET = secrets.token_hex(32)
SWARM_KEY = secrets.token_hex(32)


class Told:
    """What one node process has written, and its arguments."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    def everything(self) -> str:
        arguments = Path(f"/proc/{self.process.pid}/cmdline").read_text()
        return arguments + self._log.read_text()


@asynccontextmanager
async def told(folder: Path, name: str, *options: str) -> AsyncIterator[Told]:
    """A node that logs all it can."""
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = await start_child(
            "cli", "run", "--listen", "127.0.0.1:0", "--log-level", "debug", *options, stderr=file.fileno()
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
            while not (match := re.search(r"http://[\w.]+:\d+", line)):
                line = (await process.stdout.readline()).decode()
        yield Told(process, match.group(0), log)
    finally:
        await end(process)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _token(grant: Grant, subject: str) -> str:
    return make_token(SECRET.encode(), Access(frozenset({grant}), None, subject), int(time.time()) + 600)


async def _misuse(http: aiohttp.ClientSession, url: str, producer: UUID, session: str, wrong: str) -> list[str]:
    """Refused in every way there is; gives what the refusals said."""
    answers = []
    for method, path in (
        ("POST", f"/whep/{producer}"),
        ("POST", f"/whep/{producer}?ticket={wrong}"),
        ("PATCH", session),
        ("DELETE", session),
        ("POST", f"{session}/events"),
        ("GET", f"{session}/events/stream"),
        ("GET", f"/api/v1/producers/{producer}"),
        ("GET", "/api/v1/node"),
        ("GET", f"/nowhere/{producer}"),
    ):
        for headers in ({}, {"Authorization": f"Bearer {wrong}"}):
            async with http.request(method, url + path, headers=headers) as response:
                assert response.status in (401, 429)
                answers.append(await response.text())
    for path in ("/", "/publish", f"/watch/{producer}", "/livez", "/readyz", "/api/v1/openapi.json"):
        async with http.get(url + path) as response:
            assert response.status == 200
            answers.append(await response.text())
    return answers


async def _listen(http: aiohttp.ClientSession, session: str, token: str) -> None:
    """Opens a viewer's stream of events, and reads its beginning."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{session}/events", headers=headers) as response:
        assert response.status == 201
        stream = response.headers["Location"]
    async with http.get(stream, headers=headers) as response:
        assert response.status == 200
        assert await response.content.readline() == b":\n"


@pytest.mark.timeout(120)
async def test_no_secret_and_no_id_is_written_or_shown(tmp_path: Path) -> None:
    for name, text in (("secret", SECRET), ("swarm.key", SWARM_KEY)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    options = ("--token-key-file", str(tmp_path / "secret"), "--swarm-key-file", str(tmp_path / "swarm.key"))
    producer, source = uuid4(), Source.test()
    publishing, playing, wrong = (
        _token(Grant.PUBLISH, "ann"),
        _token(Grant.PLAY, "bob"),
        f"x{_token(Grant.PLAY, 'eve')}",
    )
    async with (
        told(tmp_path, "owner", "--data-dir", str(tmp_path / "data"), "--max-consumers", "1", *options) as owner,
        told(tmp_path, "relay", "--join", owner.url.removeprefix("http://"), *options) as relay,
        aiohttp.ClientSession() as http,
    ):
        publisher, _ = WhipPublisher.to_url(f"{owner.url}/whip/{producer}", video=source.video, token=publishing)
        players = [
            WhepPlayer.of_url(f"{entry.url}/whep/{producer}", audio=False, token=playing) for entry in (relay, owner)
        ]
        async with publisher:
            for player in players:
                await player.connect()
                assert player.video is not None
                await counters(player.video, 5)
            sessions = [str(peer.session) for peer in (publisher, *players)]
            await _listen(http, sessions[1], playing)
            shown = [
                text
                for node in (owner, relay)
                for text in await _misuse(http, node.url, producer, URL(sessions[0]).path, wrong)
            ]
            with pytest.raises(RemoteError):
                await WhepPlayer.of_url(f"{owner.url}/whep/{producer}", token=wrong).connect()
            for player in players:
                await player.close()
        written = owner.everything() + relay.everything()
    source.stop()
    node_key = (tmp_path / "data" / "node.key").read_text().split(":")[2]
    hidden = [SECRET, SWARM_KEY, node_key, publishing, playing, wrong, str(producer), producer.hex]
    hidden += [URL(session).name for session in sessions]
    for secret in hidden:
        assert secret not in written
        assert secret not in "".join(shown)
    assert "ticket=" not in written


@pytest.mark.timeout(120)
async def test_neither_supervisor_nor_workers_nor_clients_show_a_secret(tmp_path: Path) -> None:
    for name, text in (("secret", SECRET), ("swarm.key", SWARM_KEY), ("ann", _token(Grant.PUBLISH, "ann"))):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    port, log = consecutive_ports(2), tmp_path / "log"
    options = ("--token-key-file", str(tmp_path / "secret"), "--swarm-key-file", str(tmp_path / "swarm.key"))
    async with AsyncExitStack() as stack:
        file = stack.enter_context(log.open("wb"))

        async def started(*arguments: str) -> asyncio.subprocess.Process:
            process = await start_child("cli", *arguments, stderr=file.fileno())
            stack.push_async_callback(end, process)
            return process

        supervisor = await started(
            "run", "--workers", "2", "--listen", f"127.0.0.1:{port}", "--log-level", "debug", *options
        )
        assert supervisor.stdout is not None
        said = b""
        async with asyncio.timeout(60):
            while str(port + 1).encode() not in said:
                said += await supervisor.stdout.readline()
        publisher = await started(
            "publish", "--to", f"http://127.0.0.1:{port}", "--token-file", str(tmp_path / "ann"), "--seconds", "2"
        )
        workers = _children(supervisor.pid)
        assert len(workers) == 2
        arguments = [_arguments(pid) for pid in (supervisor.pid, publisher.pid, *workers)]
        said, _ = await publisher.communicate()
        assert publisher.returncode == 0, said
    for secret in (SECRET, SWARM_KEY, (tmp_path / "ann").read_text()):
        assert secret not in "".join(arguments)
        assert secret not in log.read_text()
