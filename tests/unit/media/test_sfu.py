"""The face of the media package, on real loopback sockets: sessions that come about, and those that do not."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from foundation import limits
from foundation.errors import LocalError, NoCommonCodec, SwarmFull
from media.endpoint import Endpoint
from media.sdp import parse_offer
from media.sfu import Sfu
from tests.raw_client import WAIT_SECONDS, RawClient, raw_client


@pytest.fixture
async def sfu() -> AsyncIterator[Sfu]:
    """It is closed in the end, and leaves no task."""
    loop = asyncio.get_running_loop()
    sfu = Sfu(Endpoint.open("127.0.0.1", 0, loop), loop, random.Random(1))
    yield sfu
    await sfu.close()
    assert sfu.router.producers == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def client() -> AsyncIterator[RawClient]:
    async with raw_client() as client:
        yield client


async def until_packets(publisher: RawClient, viewer: RawClient) -> None:
    """Pictures are sent until one arrives."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not viewer.packets:
            publisher.send(publisher.rtp())
            await asyncio.sleep(0.01)


async def test_what_is_published_is_viewed(sfu: Sfu, client: RawClient) -> None:
    published = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    connected: list[bool] = []
    published.on_connect.append(lambda: connected.append(True))
    assert published.producer is not None
    assert sfu.router.get(published.producer.id) is published.producer
    async with raw_client() as viewer:
        viewed = sfu.view(parse_offer(viewer.offer("recvonly")), published.producer)
        await client.connect(published.answer)
        await viewer.connect(viewed.answer)
        await until_packets(client, viewer)
    assert connected == [True]
    assert sfu.counters()["packets_forwarded"] > 0
    assert sfu.counters()["dropped_handler_failures"] == 0


async def test_an_id_is_carried_once(sfu: Sfu, client: RawClient) -> None:
    offer, producer = parse_offer(client.offer("sendonly")), uuid4()
    first = sfu.publish(offer, producer)
    with pytest.raises(LocalError):
        sfu.publish(offer, producer)
    assert sfu.router.get(producer) is first.producer
    assert sfu.endpoint.transports == 1


@pytest.mark.parametrize("direction", ["sendonly", "recvonly"])
async def test_an_offer_without_a_common_codec_leaves_nothing(sfu: Sfu, client: RawClient, direction: str) -> None:
    session = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    assert session.producer is not None
    offer = parse_offer(client.offer(direction, codec="X-NONE/90000"))
    with pytest.raises(NoCommonCodec):
        sfu.publish(offer, uuid4()) if direction == "sendonly" else sfu.view(offer, session.producer)
    assert sfu.endpoint.transports == 1
    assert len(sfu.router.producers) == 1
    assert session.producer.viewers == 0


async def test_a_session_ends_once_with_its_producer_and_all_who_watch_it(sfu: Sfu, client: RawClient) -> None:
    published = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    assert published.producer is not None
    viewed = sfu.view(parse_offer(client.offer("recvonly")), published.producer)
    reasons: list[str] = []
    published.on_close.append(reasons.append)
    viewed.on_close.append(reasons.append)
    published.close("its client ended it")
    published.close("again")
    assert (published.closed, viewed.closed, len(reasons)) == (True, True, 2)
    assert sfu.router.producers == {}
    assert sfu.endpoint.transports == 0


async def test_a_viewer_s_end_leaves_the_publisher_alone(sfu: Sfu, client: RawClient) -> None:
    published = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    assert published.producer is not None
    viewed = sfu.view(parse_offer(client.offer("recvonly")), published.producer)
    assert published.producer.viewers == 1
    viewed.close()
    assert published.producer.viewers == 0
    assert not published.closed


async def test_a_closed_producer_cannot_be_viewed(sfu: Sfu, client: RawClient) -> None:
    published = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    producer = published.producer
    assert producer is not None
    published.close()
    with pytest.raises(LocalError):
        sfu.view(parse_offer(client.offer("recvonly")), producer)
    assert sfu.endpoint.transports == 0


async def test_a_full_node_takes_nobody(sfu: Sfu, client: RawClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "transports_max", 1)
    published = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    assert published.producer is not None
    with pytest.raises(SwarmFull):
        sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    with pytest.raises(SwarmFull):
        sfu.view(parse_offer(client.offer("recvonly")), published.producer)
    assert len(sfu.router.producers) == 1


async def test_a_client_that_does_not_connect_in_time_is_let_go(
    sfu: Sfu, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "handshake_seconds_max", 0.05)
    session = sfu.publish(parse_offer(client.offer("sendonly")), uuid4())
    gone = asyncio.Event()
    session.on_close.append(lambda _reason: gone.set())
    async with asyncio.timeout(WAIT_SECONDS):
        await gone.wait()
    assert sfu.router.producers == {}
