"""Whole nodes that leave: who is sent where, who stays, and when the node may go."""

import asyncio
from uuid import uuid4

import pytest

from foundation.errors import SwarmFull
from swarm.events import NAMES, RECONNECT, SessionEvent
from swarm.node import Node
from swarm.service import SentOn
from tests.raw_client import raw_client
from tests.unit.swarm.nodes import (
    assert_flows,
    config,
    offer_published,
    offer_viewed,
    publishing,
    until_known,
    viewing,
)


async def over(node: Node) -> None:
    async with asyncio.timeout(30):
        await node.wait_drained()


async def test_a_node_that_leaves_is_not_ready_and_says_so() -> None:
    async with Node(config()) as node, publishing(node):
        assert node.ready() is None
        state = node.drain(60)
        assert state["draining"] is True
        assert state["sessions"] == 1
        assert 0 < state["seconds_left"] <= 60
        assert (node.ready() or "").startswith("draining")
        node.undrain()
        assert node.ready() is None
        assert node.drain_state()["draining"] is False


async def test_a_node_that_nobody_uses_may_go_at_once() -> None:
    async with Node(config()) as node:
        node.drain(60)
        await over(node)


async def test_a_node_may_go_when_its_last_client_has_left() -> None:
    async with Node(config()) as node:
        async with publishing(node) as (producer, publisher), viewing(node, producer) as viewer:
            node.drain(60)
            await assert_flows(publisher, viewer)
            assert node.drain_state()["draining"] is True
        await over(node)


async def test_a_node_may_go_at_its_deadline_whoever_is_left() -> None:
    async with Node(config()) as node, publishing(node):
        node.drain(1)
        await over(node)


async def test_who_comes_to_a_node_that_leaves_is_sent_to_another_one() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner) as (producer, publisher),
    ):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer, raw_client() as late:
            relay.drain(60)
            assert await relay.view_offer(late.offer("recvonly"), producer) == SentOn(owner.url)
            assert await relay.publish_offer(late.offer("sendonly"), uuid4()) == SentOn(owner.url)
            await assert_flows(publisher, viewer)
            relay.undrain()
            async with viewing(relay, producer) as another:
                await assert_flows(publisher, another)


async def test_who_comes_to_a_lonely_node_that_leaves_is_turned_away() -> None:
    async with Node(config()) as node, publishing(node) as (producer, _), raw_client() as late:
        node.drain(60)
        with pytest.raises(SwarmFull, match="about to leave"):
            await node.view_offer(late.offer("recvonly"), producer)
        with pytest.raises(SwarmFull, match="about to leave"):
            await node.publish_offer(late.offer("sendonly"), None)


async def test_the_first_signal_drains_and_the_second_has_no_patience() -> None:
    async with Node(config()) as node, publishing(node):
        assert node.drain_by_signal()
        assert not node.drain_by_signal()
        node.undrain()
        assert node.drain_by_signal()


async def test_a_signal_after_a_drain_by_hand_still_drains_within_the_configured_time() -> None:
    async with Node(config(drain_seconds=5)) as node, publishing(node):
        node.drain(600)
        assert node.drain_by_signal()
        assert node.drain_state()["seconds_left"] <= 5


async def test_without_time_to_drain_a_signal_is_the_end() -> None:
    async with Node(config(drain_seconds=0)) as node, publishing(node):
        assert not node.drain_by_signal()
        assert node.drain_state()["draining"] is False


async def told(node: Node, session_id: str) -> SessionEvent | None:
    stream = node.events(session_id)
    assert stream is not None
    async with asyncio.timeout(30):
        numbered = await stream.next(stream.reader())
    return numbered[1] if numbered else None


async def test_viewers_who_listen_are_told_where_their_stream_is() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner) as (producer, _),
        raw_client() as early,
        raw_client() as late,
    ):
        await until_known(relay, producer)
        answers = [await offer_viewed(client, relay, producer) for client in (early, late)]
        for client, answered in zip((early, late), answers, strict=True):
            await client.connect(answered.answer)
        moved = SessionEvent(RECONNECT, {"url": f"{owner.url}/whep/{producer}"})
        assert relay.open_events(answers[0].session_id, NAMES)
        relay.drain(60)
        assert await told(relay, answers[0].session_id) == moved
        assert relay.open_events(answers[1].session_id, NAMES)
        assert await told(relay, answers[1].session_id) == moved
        await relay.end_session(answers[0].session_id)
        assert relay.events(answers[0].session_id) is None


async def test_publishers_and_strangers_have_no_events() -> None:
    async with Node(config()) as node, raw_client() as client:
        answered = await offer_published(client, node)
        assert not node.open_events(answered.session_id, NAMES)
        assert not node.open_events("unknown", NAMES)
