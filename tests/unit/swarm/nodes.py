"""Nodes in the test's own process, on free loopback ports, and raw clients of them."""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from dht.lease import Lease
from swarm.config import Config
from swarm.node import Node
from swarm.service import SessionAnswer
from tests.raw_client import WAIT_SECONDS, RawClient, raw_client

_poll_seconds = 0.02


def config(*join: Node, **options: Any) -> Config:
    """A node of a test on any free port, that joins by these."""
    return Config(**{"listen": "127.0.0.1:0", "join": tuple(node.address for node in join)} | options)


async def until(condition: Callable[[], Any]) -> Any:
    """The first true value of `condition`, polled: what a node shows changes without an event."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (value := condition()):
            await asyncio.sleep(_poll_seconds)
    return value


async def until_known(node: Node, producer_id: UUID) -> Lease:
    """The producer's lease, once this node can find it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (lease := await node._directory.find(producer_id, fresh=True)) is None:
            await asyncio.sleep(_poll_seconds)
    return lease


async def offer_published(
    client: RawClient, node: Node, producer_id: UUID | None = None, subject: str = ""
) -> SessionAnswer:
    """A WHIP session whose client does not connect yet."""
    answered = await node.publish_offer(client.offer("sendonly"), producer_id, subject)
    assert isinstance(answered, SessionAnswer)
    return answered


async def offer_viewed(client: RawClient, node: Node, producer_id: UUID) -> SessionAnswer:
    """A WHEP session whose client does not connect yet."""
    answered = await node.view_offer(client.offer("recvonly"), producer_id)
    assert isinstance(answered, SessionAnswer)
    return answered


@asynccontextmanager
async def publishing(
    node: Node, producer_id: UUID | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[UUID, RawClient]]:
    """A connected publisher, whose stream the node carries."""
    async with raw_client(host) as client:
        answered = await offer_published(client, node, producer_id)
        await client.connect(answered.answer)
        await until(lambda: shown(node, answered.producer_id))
        yield answered.producer_id, client


@asynccontextmanager
async def viewing(node: Node, producer_id: UUID, host: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """A connected viewer."""
    async with raw_client(host) as client:
        await client.connect((await offer_viewed(client, node, producer_id)).answer)
        yield client


async def assert_flows(publisher: RawClient, *viewers: RawClient) -> None:
    """A picture from the publisher arrives at all viewers; keyframes are sent until it does."""
    before = [len(viewer.packets) for viewer in viewers]
    async with asyncio.timeout(WAIT_SECONDS):
        while any(len(viewer.packets) <= count for viewer, count in zip(viewers, before, strict=True)):
            publisher.send(publisher.rtp())
            await asyncio.sleep(_poll_seconds)


def shown(node: Node, producer_id: UUID) -> dict[str, Any] | None:
    """What the node tells of a producer that it carries."""
    return next((entry for entry in node.producers() if entry["id"] == str(producer_id)), None)


def consumers(node: Node) -> int:
    """Slots taken on this node."""
    return int(node.describe()["consumers"])


@asynccontextmanager
async def leaving_nothing(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Afterwards there is no task, timer, socket, thread or complaint that was not there before."""
    threads, sockets = set(threading.enumerate()), _sockets()
    yield
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert _timers() == []
    assert _sockets() == sockets
    assert {thread for thread in threading.enumerate() if not _pool(thread)} <= threads
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def _sockets() -> int:
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).startswith("socket:") for link in links if os.path.lexists(link))


def _timers() -> list[str]:
    """Our own callbacks that a loop of asyncio would still call later."""
    waiting = (handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled())  # type: ignore[attr-defined]
    owners = (type(getattr(handle._callback, "__self__", None)).__module__ for handle in waiting)
    return [owner for owner in owners if owner.partition(".")[0] in ("swarm", "dht", "media")]


def _pool(thread: threading.Thread) -> bool:
    """The loop's own executor, for name lookups, ends with the loop."""
    return thread.name.startswith("asyncio_")
