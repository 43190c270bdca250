"""A player is sent elsewhere: pictures go on in the new session, and the old one is ended after it."""

import asyncio

import aioice
import pytest

from foundation import limits
from foundation.errors import RemoteError
from swarm.client.following import Following
from swarm.client.testpicture import TestPicture
from swarm.client.whep import WhepPlayer
from tests.unit.swarm.peers import Peer, peer_with


class Sent(WhepPlayer):
    """A player that is sent to `url` as soon as `now` is set."""

    def __init__(self, peer: Peer, url: str = "") -> None:
        super().__init__(peer.exchange, audio=False, end=peer.end)
        self.target = url
        self.now = asyncio.Event()

    async def wait_moved(self) -> str:
        await self.now.wait()
        self.now.clear()
        return self.target


class Refusing(Sent):
    async def connect(self) -> None:
        raise RemoteError("no room")


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


async def until_frames(following: Following, more: int) -> None:
    wanted = following.watched.frames + more
    async with asyncio.timeout(30):
        while following.watched.frames < wanted:
            await asyncio.sleep(0.02)


async def test_pictures_go_on_at_another_node_and_the_first_session_is_ended() -> None:
    async with peer_with(TestPicture(320, 180)) as here, peer_with(TestPicture(320, 180)) as there:
        first, second = Sent(here, "there"), Sent(there)
        asked: list[str] = []

        def make(url: str) -> WhepPlayer:
            asked.append(url)
            return second

        await first.connect()
        following = Following(first, make)
        await until_frames(following, 5)
        first.now.set()
        async with asyncio.timeout(30):
            await first.wait_closed()
        assert asked == ["there"]
        assert here.ended == ["session"]
        await until_frames(following, 5)
        assert following.moves == 1
        await following.close()
        assert there.ended == ["session"]


async def test_a_player_that_is_sent_where_nobody_takes_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "move_pause_seconds", 0.0)
    async with peer_with(TestPicture(320, 180)) as here:
        first = Sent(here, "there")
        attempts: list[str] = []

        def make(url: str) -> WhepPlayer:
            attempts.append(url)
            return Refusing(here)

        await first.connect()
        following = Following(first, make)
        first.now.set()
        async with asyncio.timeout(30):
            while len(attempts) < limits.moves_tried_max:
                await asyncio.sleep(0.02)
        await until_frames(following, 5)
        assert following.moves == 0
        assert here.ended == []
        await here.connection.close()
        async with asyncio.timeout(30):
            await following.wait_ended()
        await following.close()
        await first.close()
