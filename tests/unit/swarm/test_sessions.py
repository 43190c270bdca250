"""WHIP and WHEP sessions of whole nodes: who may own an id, and slots that come back whatever a client does."""

import asyncio
from uuid import uuid4

import pytest

from dht import announcements
from dht.producer_ids import certified
from foundation import limits
from foundation.errors import BadOffer, LocalError, NoCommonCodec, NoSuchProducer, ProducerTaken, SwarmFull
from swarm.node import Node
from swarm.service import SentOn
from tests.raw_client import raw_client
from tests.unit.swarm.nodes import (
    assert_flows,
    config,
    consumers,
    offer_published,
    offer_viewed,
    publishing,
    shown,
    until,
    until_known,
    viewing,
)

# --- publishing under an id ---


async def test_an_id_that_the_node_picks_is_certified_by_its_own_key() -> None:
    async with Node(config()) as node, raw_client() as client:
        answered = await offer_published(client, node)
        assert certified(node.record.swarm, answered.producer_id, node.record.public)


async def test_an_id_can_be_taken_once_even_before_its_publisher_is_connected() -> None:
    async with Node(config()) as node, raw_client() as first, raw_client() as second:
        answered = await offer_published(first, node, uuid4())
        with pytest.raises(ProducerTaken):
            await offer_published(second, node, answered.producer_id)
        await first.connect(answered.answer)
        with pytest.raises(ProducerTaken):
            await offer_published(second, node, answered.producer_id)


async def test_two_offers_for_one_id_at_the_same_moment_get_one_session() -> None:
    producer = uuid4()
    async with Node(config()) as node, raw_client() as first, raw_client() as second:
        outcomes = await asyncio.gather(
            *(offer_published(client, node, producer) for client in (first, second)), return_exceptions=True
        )
        assert sorted(isinstance(outcome, ProducerTaken) for outcome in outcomes) == [False, True]


async def test_an_id_is_free_again_when_its_publisher_has_gone() -> None:
    async with Node(config()) as node:
        async with publishing(node, uuid4()) as (producer, _):
            pass
        await until(lambda: shown(node, producer) is None)
        async with publishing(node, producer) as (again, publisher), viewing(node, producer) as viewer:
            assert again == producer
            await assert_flows(publisher, viewer)


async def test_an_id_is_free_again_when_its_publisher_never_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "handshake_seconds_max", 0.1)
    async with Node(config()) as node, raw_client() as absent:
        answered = await offer_published(absent, node, uuid4())
        await until(lambda: node.session_etag(answered.session_id) is None)
        monkeypatch.setattr(limits, "handshake_seconds_max", 30.0)
        async with publishing(node, answered.producer_id):
            pass


async def test_an_id_that_is_live_on_another_node_cannot_be_taken() -> None:
    async with Node(config()) as owner, Node(config(owner)) as other, publishing(owner, uuid4()) as (producer, _):
        await until_known(other, producer)
        async with raw_client() as client:
            with pytest.raises(ProducerTaken):
                await offer_published(client, other, producer)
        assert other.describe()["consumers"] == 0


async def test_the_id_of_a_dead_owner_can_be_taken_with_a_higher_epoch() -> None:
    async with (
        Node(config()) as seed,
        Node(config(seed)) as owner,
        Node(config(seed)) as other,
        publishing(owner, uuid4()) as (producer, _),
    ):
        before = await until_known(other, producer)
        owner._sfu.endpoint.port.close()  # as when its machine lost power: nothing is withdrawn
        async with publishing(other, producer), asyncio.timeout(30):
            while (after := await until_known(seed, producer)).owner_id != other.id:
                await asyncio.sleep(0.02)
            assert after.epoch > before.epoch


async def test_of_two_publishers_that_were_quick_on_two_nodes_one_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "ANNOUNCE_SECONDS", 0.2)
    producer = uuid4()
    async with Node(config()) as one, Node(config(one)) as two, raw_client() as first, raw_client() as second:
        clients = {one.id: first, two.id: second}
        answers = [await offer_published(client, node, producer) for node, client in ((one, first), (two, second))]
        await first.connect(answers[0].answer)
        await second.connect(answers[1].answer)
        await until(lambda: (shown(one, producer) is None) != (shown(two, producer) is None))
        winner, loser = (one, two) if shown(one, producer) else (two, one)
        await clients[loser.id].until_gone()
        assert (await until_known(loser, producer)).owner_id == winner.id
        async with viewing(loser, producer) as viewer:
            await assert_flows(clients[winner.id], viewer)


async def test_a_publisher_whose_stream_this_node_relays_meanwhile_is_let_go_without_a_complaint(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(producer: object, epoch: int) -> None:
        raise LocalError("this node relays that producer: it is live elsewhere")

    async with Node(config()) as node, raw_client() as client:
        answered = await offer_published(client, node)
        monkeypatch.setattr(node._relaying, "produced", refuse)
        client.dial(answered.answer)
        await client.until_gone()
        assert node.session_etag(answered.session_id) is None
        assert node.producers() == []
    assert caplog.messages == []


@pytest.mark.parametrize("offer", ["", "v=0", "hello", "v=0\r\n" * 5000, "v=0\r\nm=video 9 X 96\r\n"])
async def test_an_offer_that_cannot_be_read_costs_nothing(offer: str) -> None:
    async with Node(config()) as node, publishing(node) as (producer, _):
        with pytest.raises(BadOffer):
            await node.publish_offer(offer, None)
        with pytest.raises(BadOffer):
            await node.view_offer(offer, producer)
        assert consumers(node) == 0
        assert len(node._sessions) == 1


# --- viewers' slots ---


async def test_a_slot_comes_back_when_its_client_never_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node(config(max_consumers=2)) as node, publishing(node) as (producer, _), raw_client() as absent:
        monkeypatch.setattr(limits, "handshake_seconds_max", 0.1)
        await offer_viewed(absent, node, producer)
        assert consumers(node) == 1
        await until(lambda: consumers(node) == 0)


async def test_a_slot_comes_back_when_there_is_no_common_codec() -> None:
    async with Node(config()) as node, publishing(node) as (producer, _), raw_client() as client:
        with pytest.raises(NoCommonCodec):
            await node.view_offer(client.offer("recvonly", codec="H264/90000"), producer)
        assert consumers(node) == 0
        assert len(node._sessions) == 1


async def test_a_slot_comes_back_when_its_client_leaves() -> None:
    async with Node(config()) as node, publishing(node) as (producer, _), viewing(node, producer):
        assert consumers(node) == 1
        (session_id,) = (key for key, client in node._sessions._clients.items() if client.session.consumer)
        assert await node.end_session(session_id)
        assert consumers(node) == 0
        assert not await node.end_session(session_id)


async def test_a_slot_comes_back_when_nobody_waits_for_the_stream_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, _):
        asked, never = asyncio.Event(), asyncio.Event()

        async def find(*_: object, **__: object) -> None:
            asked.set()
            await never.wait()

        monkeypatch.setattr(relay._directory, "find", find)
        async with raw_client() as client:
            waiting = asyncio.get_running_loop().create_task(offer_viewed(client, relay, producer))
            await asked.wait()
            assert consumers(relay) == 1
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert consumers(relay) == 0


async def test_a_slot_comes_back_when_there_is_no_such_producer() -> None:
    async with Node(config()) as node, raw_client() as client:
        with pytest.raises(NoSuchProducer):
            await offer_viewed(client, node, uuid4())
        assert consumers(node) == 0


async def test_who_waits_for_a_stream_on_a_node_that_ends_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node(config()) as owner, Node(config(owner)) as relay, publishing(owner) as (producer, _):
        asked, never = asyncio.Event(), asyncio.Event()

        async def find(*_: object, **__: object) -> None:
            asked.set()
            await never.wait()

        monkeypatch.setattr(relay._directory, "find", find)
        async with raw_client() as client:
            waiting = asyncio.get_running_loop().create_task(offer_viewed(client, relay, producer))
            await asked.wait()
            await relay.close()
            with pytest.raises(SwarmFull):
                await waiting
            with pytest.raises(SwarmFull):
                await offer_viewed(client, relay, producer)


# --- a node without room ---


async def test_a_busy_node_sends_viewers_to_the_owner_and_refuses_what_nobody_owns() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner, max_consumers=1)) as small,
        publishing(owner) as (producer, _),
        publishing(small) as (mine, _),
        viewing(small, mine),
        raw_client() as client,
    ):
        await until_known(small, producer)
        outcome = await small.view_offer(client.offer("recvonly"), producer)
        assert outcome == SentOn(owner.url, 1)
        with pytest.raises(NoSuchProducer):
            await small.view_offer(client.offer("recvonly"), uuid4())


async def test_a_full_owner_without_relays_refuses() -> None:
    async with (
        Node(config(max_consumers=1)) as node,
        publishing(node) as (producer, _),
        viewing(node, producer),
        raw_client() as client,
    ):
        with pytest.raises(SwarmFull):
            await node.view_offer(client.offer("recvonly"), producer)
