"""`Node.publish` and `Node.consume`: aiortc tracks in this process, and an end for every stream."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from aiortc import MediaStreamTrack

from foundation.errors import LocalError, NoSuchProducer, ProducerTaken
from swarm.client.testpicture import TestPicture, TestTone, read_counter
from swarm.node import Node
from tests.raw_client import WAIT_SECONDS
from tests.unit.swarm.nodes import config, consumers, publishing, shown, until, until_known, viewing


@pytest.fixture
def picture() -> Iterator[TestPicture]:
    picture = TestPicture(320, 180, 15)
    yield picture
    picture.stop()


async def first_counter(track: MediaStreamTrack) -> int:
    """The first counter that can be read in a picture."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (counter := read_counter(await track.recv())) is None:
            pass
    return counter


async def test_what_one_node_publishes_another_one_consumes(picture: TestPicture) -> None:
    tone = TestTone()
    async with Node(config()) as owner, Node(config(owner)) as other:
        producer = await owner.publish(audio=tone, video=picture)
        await until_known(other, producer.id)
        consumer = await other.consume(producer.id)
        assert consumer.video is not None
        assert consumer.audio is not None
        first = await first_counter(consumer.video)
        assert await first_counter(consumer.video) > first
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await consumer.audio.recv()).samples > 0
        await consumer.close()
        assert consumer.closed
        await producer.close()
        assert producer.closed
        await until(lambda: shown(owner, producer.id) is None)
    tone.stop()


async def test_a_stream_keeps_the_id_it_is_given_and_nobody_else_gets_it(picture: TestPicture) -> None:
    async with Node(config()) as node:
        producer = await node.publish(video=picture, producer_id=uuid4())
        with pytest.raises(ProducerTaken):
            await node.publish(video=picture, producer_id=producer.id)
        assert shown(node, producer.id) is not None


async def test_there_is_nothing_to_publish_without_a_track() -> None:
    async with Node(config()) as node:
        with pytest.raises(LocalError):
            await node.publish()
        assert node.producers() == []


async def test_what_nobody_publishes_cannot_be_consumed() -> None:
    async with Node(config()) as node:
        with pytest.raises(NoSuchProducer):
            await node.consume(uuid4())
        assert consumers(node) == 0


async def test_a_consumer_learns_that_its_stream_has_ended(picture: TestPicture) -> None:
    async with Node(config()) as node:
        producer = await node.publish(video=picture)
        consumer = await node.consume(producer.id)
        await producer.close()
        async with asyncio.timeout(WAIT_SECONDS):
            await consumer.wait_closed()
        assert consumers(node) == 0


async def test_streams_end_with_their_node(picture: TestPicture) -> None:
    async with Node(config()) as node:
        producer = await node.publish(video=picture)
        consumer = await node.consume(producer.id)
    assert producer.closed
    assert consumer.closed
    await producer.close()
    await consumer.close()


async def test_a_busy_node_s_consumer_is_served_by_the_owner(picture: TestPicture) -> None:
    async with Node(config()) as owner, Node(config(owner, max_consumers=1)) as small:
        producer = await owner.publish(video=picture)
        await until_known(small, producer.id)
        async with publishing(small) as (mine, _), viewing(small, mine):
            consumer = await small.consume(producer.id)
            assert consumer.video is not None
            await first_counter(consumer.video)
            assert (consumers(owner), consumers(small)) == (1, 1)
            await consumer.close()
            await until(lambda: consumers(owner) == 0)
