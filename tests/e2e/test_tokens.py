"""Nodes that want tokens: who has one gets in, at the node it asked and at the one it is sent on to."""

import secrets
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from benchmarks.nodes import node
from foundation.errors import RemoteError
from swarm.client.api import NodeApi
from swarm.client.source import Source
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from swarm.tokens import Access, Grant, make_token
from tests.e2e.test_redirect import standard_whep
from tests.e2e.watching import counters

SECRET = b"a secret of at least 32 characters"


def token(*grants: Grant, subject: str = "") -> str:
    return make_token(SECRET, Access(frozenset(grants), None, subject), int(time.time()) + 600)


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Of every node of a private swarm with tokens."""
    files = {"secret": SECRET, "swarm.key": secrets.token_hex(32).encode()}
    for name, data in files.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(data)
    return ("--token-key-file", str(tmp_path / "secret"), "--swarm-key-file", str(tmp_path / "swarm.key"))


async def test_who_has_a_token_publishes_and_watches_also_at_a_node_it_is_sent_on_to(options: tuple[str, ...]) -> None:
    source, producer = Source.test(), uuid4()
    publishing, playing = token(Grant.PUBLISH, subject="ann"), token(Grant.PLAY)
    async with (
        node("--max-consumers", "2", *options) as owner,
        node("--join", owner.authority, *options) as relay,
        aiohttp.ClientSession() as http,
    ):
        publisher, _ = WhipPublisher.to_url(f"{owner.url}/whip/{producer}", video=source.video, token=publishing)
        async with publisher:
            with pytest.raises(RemoteError, match="access token"):
                await WhepPlayer.of_url(f"{owner.url}/whep/{producer}").connect()
            with pytest.raises(RemoteError, match="grants this"):
                await WhepPlayer.of_url(f"{owner.url}/whep/{producer}", token=publishing).connect()
            players = []
            for entry in (relay, owner, owner):
                player = WhepPlayer.of_url(f"{entry.url}/whep/{producer}", audio=False, token=playing)
                players.append(player)
                await player.connect()
                assert player.video is not None
                await counters(player.video, 5)
            http.headers["Authorization"] = f"Bearer {playing}"
            connection, response = await standard_whep(http, f"{owner.url}/whep/{producer}")
            assert str(response.url).startswith(relay.url), "aiohttp left the token out, and the ticket opened"
            await counters(connection.getReceivers()[0].track, 5)
            await connection.close()
            for player in players:
                await player.close()
            with pytest.raises(RemoteError):
                await NodeApi(owner.url, playing).node()
            described = await NodeApi(owner.url, token(Grant.ADMIN)).node()
            assert described["consumers"] <= 2
    source.stop()
