"""`swarmd play`, against a plain aiortc peer in place of a node."""

import asyncio
import re
from pathlib import Path

import aioice
import av
import pytest
from aiortc import MediaStreamTrack

from foundation.errors import LocalError, RemoteError
from swarm.client.playing import play
from swarm.client.testpicture import TestPicture, TestTone
from swarm.client.whep import WhepPlayer
from tests.unit.swarm.peers import Peer, peer_with

URL = "http://127.0.0.1:7400/watch/123e4567-e89b-42d3-a456-426614174000"


@pytest.fixture
def played_from(monkeypatch: pytest.MonkeyPatch) -> dict[str, Peer]:
    """The peer that answers in place of the node, under the key `peer`."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    chosen: dict[str, Peer] = {}
    monkeypatch.setattr(
        WhepPlayer, "of_url", lambda url, token: WhepPlayer(chosen["peer"].exchange, end=chosen["peer"].end)
    )
    return chosen


async def test_playing_tells_what_came_and_says_goodbye(played_from: dict[str, Peer]) -> None:
    lines: list[str] = []
    async with peer_with(TestTone(), TestPicture(320, 180)) as peer:
        played_from["peer"] = peer
        await play(URL, asyncio.Event(), seconds=1.5, output=None, report=lines.append)
        assert peer.ended == ["session"]
    assert len(lines) == 2
    assert re.search(r"\d+ frames of 320x180, counter \d+, 0 lost, \d+ audio frames, \d+ with sound", lines[-1])


async def test_playing_ends_when_it_is_stopped(played_from: dict[str, Peer]) -> None:
    stopping = asyncio.Event()
    async with peer_with(TestTone()) as peer:
        played_from["peer"] = peer
        await play(URL, stopping, seconds=None, output=None, report=lambda line: stopping.set())
        assert peer.ended == ["session"]


async def test_playing_ends_with_the_stream(played_from: dict[str, Peer]) -> None:
    seen = asyncio.Event()

    async def leave(peer: Peer) -> None:
        await seen.wait()
        await peer.connection.close()

    async with peer_with(TestPicture(320, 180)) as peer:
        played_from["peer"] = peer
        playing = play(URL, asyncio.Event(), seconds=None, output=None, report=lambda line: seen.set())
        await asyncio.gather(playing, leave(peer))


async def test_what_is_played_is_recorded(played_from: dict[str, Peer], tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    lines: list[str] = []
    async with peer_with(TestTone(), TestPicture(320, 180)) as peer:
        played_from["peer"] = peer
        await play(URL, asyncio.Event(), seconds=1, output=str(path), report=lines.append)
    assert lines[-1] == f"recorded {path}"
    with av.open(str(path)) as container:
        assert {stream.type for stream in container.streams} == {"audio", "video"}
        assert len(list(container.decode(video=0))) > 5


async def test_a_stream_of_which_nothing_comes_is_a_remote_error(played_from: dict[str, Peer]) -> None:
    class Mute(MediaStreamTrack):
        kind = "audio"

        async def recv(self) -> av.AudioFrame:
            await asyncio.Event().wait()
            raise AssertionError

    async with peer_with(Mute()) as peer:
        played_from["peer"] = peer
        with pytest.raises(RemoteError, match="neither picture nor sound"):
            await play(URL, asyncio.Event(), seconds=0.1, output=None, report=lambda line: None)


async def test_a_recording_that_cannot_be_is_refused_and_the_session_ended(played_from: dict[str, Peer]) -> None:
    async with peer_with(TestTone()) as peer:
        played_from["peer"] = peer
        with pytest.raises(LocalError, match="cannot record"):
            await play(URL, asyncio.Event(), seconds=1, output="talk.txt", report=lambda line: None)
        assert peer.ended == ["session"]
