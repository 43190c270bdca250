"""What the end-to-end tests share: the published test picture, and reading its frame counter at a player."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from aiortc import MediaStreamTrack

from swarm.client.testpicture import TestPicture, TestTone, read_counter
from swarm.client.whip import WhipPublisher

FRAMES_SECONDS_MAX = 20


@asynccontextmanager
async def published(url: str) -> AsyncIterator[UUID]:
    """The test picture and tone, published at a node until the block is left."""
    publisher, signalling = WhipPublisher.to_url(f"{url}/whip", audio=TestTone(), video=TestPicture())
    async with publisher:
        assert signalling.producer_id is not None
        yield UUID(str(signalling.producer_id))


async def counters(track: MediaStreamTrack, count: int) -> list[int]:
    """The frame counters of the next `count` pictures in which one can be read."""
    seen: list[int] = []
    async with asyncio.timeout(FRAMES_SECONDS_MAX):
        while len(seen) < count:
            counter = read_counter(await track.recv())
            if counter is not None:
                seen.append(counter)
    return seen
