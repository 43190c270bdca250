"""aiortc publishes on one node; aiortc watches two hops away."""

import asyncio
from typing import Any

import aiohttp

from benchmarks.nodes import node
from swarm.client.whep import WhepPlayer
from tests.e2e.watching import counters, published


async def fetch(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_pictures_and_sound_arrive_whole_from_a_relay_of_a_relay() -> None:
    async with (
        node("--max-consumers", "1") as owner,
        node("--join", owner.authority, "--max-consumers", "2") as relay,
        node("--join", owner.authority) as last,
        published(owner.url) as producer,
        aiohttp.ClientSession() as http,
        WhepPlayer.of_url(f"{relay.url}/whep/{producer}") as near,
        WhepPlayer.of_url(f"{last.url}/whep/{producer}") as far,
    ):
        assert near.video is not None
        assert far.video is not None
        assert far.audio is not None
        _, seen, sound = await asyncio.gather(counters(near.video, 60), counters(far.video, 60), far.audio.recv())
        assert seen == list(range(seen[0], seen[0] + 60))
        assert sound.samples > 0

        tree = (await fetch(http, f"{last.url}/api/v1/producers/{producer}/tree"))["root"]
        nodes = [await fetch(http, f"{each.url}/api/v1/node") for each in (owner, relay, last)]
        chain = [tree, tree["children"][0], tree["children"][0]["children"][0]]
        assert [hop["node"] for hop in chain] == [each["id"] for each in nodes]
        assert [hop["viewers"] for hop in chain] == [0, 1, 1]
        assert [each["decoders"] for each in nodes] == [0, 0, 0]
        assert chain[2]["children"] == []


async def test_a_relay_lets_go_of_a_stream_which_nobody_watches_any_more() -> None:
    async with (
        node() as owner,
        node("--join", owner.authority) as relay,
        published(owner.url) as producer,
        aiohttp.ClientSession() as http,
    ):
        async with WhepPlayer.of_url(f"{relay.url}/whep/{producer}") as player:
            assert player.video is not None
            await counters(player.video, 5)
        async with asyncio.timeout(20):
            while (await fetch(http, f"{relay.url}/api/v1/producers"))["producers"]:
                await asyncio.sleep(0.1)
        (held,) = (await fetch(http, f"{owner.url}/api/v1/producers"))["producers"]
        assert (held["viewers"], held["relays"]) == (0, 0)


async def test_viewers_two_hops_away_learn_that_the_publisher_has_gone() -> None:
    async with (
        node() as owner,
        node("--join", owner.authority) as relay,
        aiohttp.ClientSession() as http,
    ):
        async with published(owner.url) as producer:
            player = WhepPlayer.of_url(f"{relay.url}/whep/{producer}")
            await player.connect()
        async with asyncio.timeout(20):
            await player.wait_closed()
        await player.close()
        async with http.post(
            f"{relay.url}/whep/{producer}", data="v=0", headers={"Content-Type": "application/sdp"}
        ) as gone:
            assert gone.status in (400, 409)
        for each in (owner, relay):
            assert (await fetch(http, f"{each.url}/api/v1/producers"))["producers"] == []
