"""Relaying between whole nodes: pulls, refusals, pipes that fail, and the end of waits."""

import asyncio
from uuid import uuid4

import pytest

from foundation import limits
from foundation.errors import LocalError, NoSuchProducer, SwarmFull
from media.pipe import PipeTransport
from swarm.node import Node
from swarm.service import SentOn
from tests.unit.swarm.nodes import (
    assert_flows,
    config,
    consumers,
    publishing,
    shown,
    until,
    until_known,
    viewing,
)


async def test_a_viewer_elsewhere_makes_its_node_a_relay_and_its_end_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "relay_linger_seconds", 0.1)
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, publisher):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            await assert_flows(publisher, viewer)
            entry = shown(relay, producer)
            assert entry is not None
            assert (entry["role"], entry["parent"], entry["viewers"]) == ("relay", owner.id.hex(), 1)
            root = (await relay.tree(producer))["root"]
            assert [child["node"] for child in root["children"]] == [relay.id.hex()]
            assert consumers(owner) == 1
        await until(lambda: shown(relay, producer) is None and consumers(owner) == 0)


async def test_any_number_of_viewers_of_one_stream_need_one_pull() -> None:
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, publisher):
        await until_known(relay, producer)
        async with viewing(relay, producer) as one, viewing(relay, producer) as two, viewing(relay, producer) as three:
            await assert_flows(publisher, one, two, three)
            assert (consumers(owner), consumers(relay)) == (1, 3)


async def test_what_nobody_owns_has_no_tree_and_is_not_waited_for() -> None:
    async with Node(config()) as one, Node(config(one)) as other:
        for node in (one, other):
            with pytest.raises(NoSuchProducer):
                await node.tree(uuid4())
            assert node._relaying.tree.pending() == 0


async def test_a_pipe_that_cannot_be_opened_at_the_owner_leaves_no_slot_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise LocalError("too many consumers")

    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, _):
        await until_known(relay, producer)
        with monkeypatch.context() as patched:
            patched.setattr(PipeTransport, "pipe_out", refuse)
            assert await relay._sessions.view(_offer, producer) == SentOn(owner.url, 1)
        await until(lambda: consumers(owner) == 0 and consumers(relay) == 0)


async def test_a_pipe_that_cannot_be_taken_in_leaves_no_slot_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise LocalError("it is carried here already")

    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, _):
        await until_known(relay, producer)
        with monkeypatch.context() as patched:
            patched.setattr(PipeTransport, "pipe_in", refuse)
            with pytest.raises((NoSuchProducer, SwarmFull)):
                await relay._sessions.view(_offer, producer)
        await until(lambda: consumers(owner) == 0 and consumers(relay) == 0)
    assert caplog.messages == []


async def test_a_tree_that_is_asked_for_on_a_node_that_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node(config()) as one, Node(config(one)) as other:
        asked, never = asyncio.Event(), asyncio.Event()

        async def find(*_: object, **__: object) -> None:
            asked.set()
            await never.wait()

        monkeypatch.setattr(other._directory, "find", find)
        waiting = asyncio.get_running_loop().create_task(other.tree(uuid4()))
        await asked.wait()
        await other.close()
        with pytest.raises(SwarmFull):
            await waiting
        with pytest.raises(SwarmFull):
            await other.tree(uuid4())


async def test_viewers_of_a_relay_learn_that_the_publisher_has_gone() -> None:
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, publisher):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            await assert_flows(publisher, viewer)
            await publisher.close()
            await viewer.until_gone()
        await until(lambda: shown(relay, producer) is None and shown(owner, producer) is None)


_offer = (
    """v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
m=video 9 UDP/TLS/RTP/SAVPF 96\r
c=IN IP4 0.0.0.0\r
a=mid:0\r
a=recvonly\r
a=rtcp-mux\r
a=ice-ufrag:abcd\r
a=ice-pwd:0123456789abcdef01234567\r
a=fingerprint:sha-256 """
    + ":".join(["AB"] * 32)
    + """\r
a=setup:actpass\r
a=rtpmap:96 VP8/90000\r
"""
)
"""Of a viewer that will not come."""
