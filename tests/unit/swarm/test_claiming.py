"""A publisher comes back after its node has died: by a node that relays its stream, or by any other one."""

import asyncio
from uuid import uuid4

import pytest

from foundation.errors import ProducerTaken
from swarm.node import Node
from tests.raw_client import raw_client
from tests.unit.swarm.nodes import assert_flows, config, offer_published, publishing, shown, until, until_known, viewing


def die(node: Node) -> None:
    """As when its machine lost power: nothing is withdrawn, and nobody is told."""
    node._sfu.endpoint.port.close()


async def test_an_id_that_this_node_relays_cannot_be_taken_while_its_owner_lives() -> None:
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner, uuid4()) as (producer, first):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer, raw_client() as second:
            with pytest.raises(ProducerTaken, match="another node"):
                await offer_published(second, relay, producer)
            await assert_flows(first, viewer)


async def test_a_relay_of_a_dead_owner_becomes_the_owner_and_its_viewers_stay() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner, uuid4()) as (producer, first),
        raw_client() as second,
    ):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            await assert_flows(first, viewer)
            die(owner)
            relay._links._up[owner.id].close("silent")
            await until(lambda: relay._relaying.owner_lost(producer))
            answered = await offer_published(second, relay, producer)
            await second.connect(answered.answer)
            await assert_flows(second, viewer)
            assert shown(relay, producer)["role"] == "owner"
            assert not viewer.gone.is_set()


async def test_a_publisher_that_comes_back_but_never_connects_costs_the_viewers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner, uuid4()) as (producer, _),
        raw_client() as absent,
        raw_client() as second,
    ):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            die(owner)
            relay._links._up[owner.id].close("silent")
            await until(lambda: relay._relaying.owner_lost(producer))
            given_up = await offer_published(absent, relay, producer)
            await relay.end_session(given_up.session_id)
            answered = await offer_published(second, relay, producer)
            await second.connect(answered.answer)
            await assert_flows(second, viewer)


async def test_of_two_publishers_that_come_back_at_once_one_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner, uuid4()) as (producer, _),
        raw_client() as one,
        raw_client() as two,
    ):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            die(owner)
            relay._links._up[owner.id].close("silent")
            await until(lambda: relay._relaying.owner_lost(producer))
            answers = [await offer_published(client, relay, producer) for client in (one, two)]
            await one.connect(answers[0].answer)
            two.dial(answers[1].answer)
            await two.until_gone()
            await assert_flows(one, viewer)


async def test_a_dead_owner_is_known_to_be_dead_in_a_moment() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as other,
        publishing(owner, uuid4()) as (producer, _),
        raw_client() as second,
    ):
        await until_known(other, producer)
        die(owner)
        async with asyncio.timeout(
            5
        ):  # Its links would be given up after 15 s, a dial would take 2 s for each address.
            await offer_published(second, other, producer)


async def test_viewers_wait_for_a_publisher_whose_node_was_ended() -> None:
    owner = Node(config())
    await owner.start()
    async with Node(config(owner)) as relay, publishing(owner, uuid4()) as (producer, _), raw_client() as second:
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer:
            await owner.close()
            await until(lambda: relay._relaying.owner_lost(producer))
            answered = await offer_published(second, relay, producer)
            await second.connect(answered.answer)
            await assert_flows(second, viewer)
            assert not viewer.gone.is_set()


async def test_an_id_that_its_owner_picked_itself_cannot_be_taken_while_that_lives() -> None:
    async with Node(config()) as owner, Node(config(owner)) as other, publishing(owner) as (producer, _):
        await until_known(other, producer)
        async with raw_client() as second:
            with pytest.raises(ProducerTaken, match="another node"):
                await offer_published(second, other, producer)


async def test_an_id_that_a_dead_owner_picked_itself_is_found_at_the_next_owner_at_once() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as other,
        Node(config(owner, other)) as third,
        publishing(owner) as (producer, _),
        raw_client() as second,
    ):
        assert (await until_known(third, producer)).owner_id == owner.id
        die(owner)
        answered = await offer_published(second, other, producer)
        await second.connect(answered.answer)
        async with asyncio.timeout(20):  # The dead one has a lease for longer.
            while (await until_known(third, producer)).owner_id != other.id:
                await asyncio.sleep(0.02)
        assert shown(other, producer)["role"] == "owner"
