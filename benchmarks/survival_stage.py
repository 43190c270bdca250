"""Swarms of real processes in which something is about to happen: who feeds whom is made so, and checked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from benchmarks.framed import FramedPublisher, FramedViewer, publishing, watching
from benchmarks.nodes import NodeProcess, node
from foundation.errors import RemoteError

WAIT_SECONDS_MAX = 40
_poll_seconds = 0.05


@dataclass(slots=True)
class Stage:
    """A running swarm with one stream; `viewers` are those that are measured."""

    http: aiohttp.ClientSession
    producer: UUID
    publisher: FramedPublisher
    owner: NodeProcess
    relays: list[NodeProcess]
    viewers: list[FramedViewer]

    def whep(self, which: NodeProcess) -> str:
        return f"{which.url}/whep/{self.producer}"


@asynccontextmanager
async def relay_of_relays(viewers: int) -> AsyncIterator[Stage]:
    """The owner feeds two relays; the first one feeds two more, and these have all the viewers.

    `relays` are in that order. The owner has two slots: while a viewer holds one of them, the only carrier with room
    is the first relay, so that those who come then hang below it; the second relay comes when that viewer has gone.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        producer = uuid4()
        owner = await stack.enter_async_context(node("--max-consumers", "2"))
        publisher = await stack.enter_async_context(publishing(http, f"{owner.url}/whip/{producer}"))
        first, third, fourth = [await stack.enter_async_context(node("--join", owner.authority)) for _ in range(3)]
        stage = Stage(http, producer, publisher, owner, [], [])
        async with watching(http, [stage.whep(owner), stage.whep(first)], at_once=False):
            half = viewers // 2
            urls = [stage.whep(third)] * half + [stage.whep(fourth)] * (viewers - half)
            stage.viewers = await stack.enter_async_context(watching(http, urls))
        second = await stack.enter_async_context(node("--join", owner.authority))
        await stack.enter_async_context(watching(http, [stage.whep(second)]))
        stage.relays = [first, second, third, fourth]
        await until_tree(stage, _two_below_the_first)
        yield stage


def _two_below_the_first(stage: Stage, root: dict[str, Any]) -> bool:
    first, second, third, fourth = (relay.url for relay in stage.relays)
    below = {child["url"]: {each["url"] for each in child["children"]} for child in root["children"]}
    return below == {first: {third, fourth}, second: set()}


@asynccontextmanager
async def two_relays(viewers: int) -> AsyncIterator[Stage]:
    """The owner feeds two relays, which have all the viewers; a third node (the last of `relays`) carries nothing."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        producer = uuid4()
        owner = await stack.enter_async_context(node())
        relays = [await stack.enter_async_context(node("--join", owner.authority)) for _ in range(3)]
        publisher = await stack.enter_async_context(publishing(http, f"{owner.url}/whip/{producer}"))
        stage = Stage(http, producer, publisher, owner, relays, [])
        urls = [stage.whep(relays[at % 2]) for at in range(viewers)]
        stage.viewers = await stack.enter_async_context(watching(http, urls))
        await until_tree(stage, lambda stage, root: len(root["children"]) == 2)
        yield stage


@asynccontextmanager
async def saturated(max_consumers: int) -> AsyncIterator[Stage]:
    """Three nodes that carry the stream and turn away viewers."""
    options = ("--max-consumers", str(max_consumers))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        producer = uuid4()
        owner = await stack.enter_async_context(node(*options))
        relays = [await stack.enter_async_context(node("--join", owner.authority, *options)) for _ in range(2)]
        publisher = await stack.enter_async_context(publishing(http, f"{owner.url}/whip/{producer}"))
        stage = Stage(http, producer, publisher, owner, relays, [])
        for which in (*relays, owner):
            # As many as will fit; whoever is sent on or turned away tells that this node is full.
            while (served := await _joined(stack, stage, which)) is not None and served == which.url:
                pass
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while any([await _joined(stack, stage, which) for which in (owner, *relays)]):
                pass
        yield stage


async def _joined(stack: AsyncExitStack, stage: Stage, which: NodeProcess) -> str | None:
    """Who served one more viewer that asked at this node; None when nobody did."""
    viewer = FramedViewer(asyncio.get_running_loop())
    stack.push_async_callback(viewer.close)
    try:
        answer = await viewer.post(stage.http, stage.whep(which), "recvonly")
    except RemoteError:
        return None
    viewer.session = answer.session
    viewer.served_by = answer.session.partition("/session/")[0]
    viewer.dial(answer)
    await viewer.connected
    stage.viewers.append(viewer)
    return viewer.served_by


async def until_tree(stage: Stage, condition: Callable[[Stage, dict[str, Any]], bool]) -> None:
    """Until the relay tree is as it should be. Raises `RemoteError` with what it is instead."""
    shown: dict[str, Any] = {}
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                async with stage.http.get(f"{stage.owner.url}/api/v1/producers/{stage.producer}/tree") as response:
                    shown = await response.json()
                if response.status == 200 and condition(stage, shown["root"]):
                    return
                await asyncio.sleep(_poll_seconds)
    except TimeoutError:
        raise RemoteError(f"the tree is not as it should be: {shown}") from None
