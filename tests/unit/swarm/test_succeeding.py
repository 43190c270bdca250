"""A publisher comes back while its former session is still there: by its token's subject the stream goes on."""

import secrets
from pathlib import Path
from uuid import uuid4

import pytest

from foundation.errors import ProducerTaken
from swarm.config import Config
from swarm.node import Node
from tests.raw_client import raw_client
from tests.unit.swarm.nodes import assert_flows, config, offer_published, publishing, shown, until, until_known, viewing


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "swarm.key"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return str(path)


def private(key: str, *join: Node) -> Config:
    return config(*join, swarm_key_file=key)


async def test_at_the_same_node_its_viewers_stay() -> None:
    async with Node(config()) as node, raw_client() as first, raw_client() as second:
        producer = uuid4()
        await first.connect((await offer_published(first, node, producer, "ann")).answer)
        await until(lambda: shown(node, producer))
        async with viewing(node, producer) as viewer:
            await assert_flows(first, viewer)
            await second.connect((await offer_published(second, node, producer, "ann")).answer)
            await first.gone.wait()
            await assert_flows(second, viewer)
            assert not viewer.gone.is_set()
            assert len(node._sessions) == 2


async def test_the_former_session_goes_on_until_the_new_one_is_connected() -> None:
    async with Node(config()) as node, raw_client() as first, raw_client() as absent:
        producer = uuid4()
        await first.connect((await offer_published(first, node, producer, "ann")).answer)
        await until(lambda: shown(node, producer))
        async with viewing(node, producer) as viewer:
            await offer_published(absent, node, producer, "ann")
            await assert_flows(first, viewer)
            assert not first.gone.is_set()


@pytest.mark.parametrize(("owner", "other"), [("ann", "bob"), ("ann", ""), ("", "ann"), ("", "")])
async def test_another_subject_or_none_gets_nobodys_stream(owner: str, other: str) -> None:
    async with Node(config()) as node, raw_client() as first, raw_client() as second:
        producer = uuid4()
        await first.connect((await offer_published(first, node, producer, owner)).answer)
        await until(lambda: shown(node, producer))
        with pytest.raises(ProducerTaken):
            await offer_published(second, node, producer, other)


async def test_at_another_node_of_a_private_swarm_its_viewers_stay_too(key: str) -> None:
    async with (
        Node(private(key)) as owner,
        Node(private(key, owner)) as other,
        raw_client() as first,
        raw_client() as second,
        raw_client() as stranger,
    ):
        producer = uuid4()
        await first.connect((await offer_published(first, owner, producer, "ann")).answer)
        await until_known(other, producer)
        async with viewing(owner, producer) as at_owner, viewing(other, producer) as at_other:
            await assert_flows(first, at_owner, at_other)
            with pytest.raises(ProducerTaken):
                await offer_published(stranger, other, producer, "bob")
            await second.connect((await offer_published(second, other, producer, "ann")).answer)
            await first.gone.wait()
            await assert_flows(second, at_owner, at_other)
            assert not at_owner.gone.is_set()
            assert not at_other.gone.is_set()


async def test_at_another_node_of_a_swarm_without_a_key_nobody_is_believed() -> None:
    async with (
        Node(config()) as owner,
        Node(config(owner)) as other,
        raw_client() as first,
        raw_client() as second,
    ):
        producer = uuid4()
        await first.connect((await offer_published(first, owner, producer, "ann")).answer)
        await until_known(other, producer)
        with pytest.raises(ProducerTaken):
            await offer_published(second, other, producer, "ann")


async def test_publishers_without_a_subject_are_not_the_same() -> None:
    async with Node(config()) as node, publishing(node, uuid4()) as (producer, _), raw_client() as second:
        with pytest.raises(ProducerTaken):
            await offer_published(second, node, producer)
