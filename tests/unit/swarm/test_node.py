"""A whole node in this process: it begins, joins, is found by others, and ends without a trace."""

import asyncio
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dht.directory import Directory
from foundation.errors import ConfigError, NoSuchProducer
from swarm import node as node_module
from swarm.http.server import HttpServer
from swarm.kept_peers import PEERS_FILE_NAME
from swarm.node import Node
from swarm.swarm_key import SwarmKey
from tests.raw_client import raw_client
from tests.unit.swarm.nodes import assert_flows, config, leaving_nothing, publishing, shown, until, until_known, viewing
from tests.unit.swarm.process.test_binding import needs_ipv6


def free_number() -> int:
    """A port that was free a moment ago, for TCP and UDP."""
    listener, udp = node_module.bind("127.0.0.1", 0)
    listener.close()
    udp.close()
    return udp.local[1]


async def test_a_node_with_sessions_and_links_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        leaving_nothing(caplog),
        Node(config()) as owner,
        Node(config(owner)) as relay,
        publishing(owner) as (producer, publisher),
    ):
        await until_known(relay, producer)
        async with viewing(relay, producer) as viewer, viewing(owner, producer) as near:
            await assert_flows(publisher, viewer, near)
            await relay.close()
            await owner.close()
            await asyncio.gather(viewer.until_gone(), near.until_gone(), publisher.until_gone())


async def test_a_node_that_was_closed_or_never_started_may_be_closed() -> None:
    node = Node(config())
    await node.close()
    async with Node(config()) as node:
        await node.close()


async def test_a_node_that_cannot_start_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no more descriptors")

    number = free_number()
    async with leaving_nothing(caplog):
        with monkeypatch.context() as patched:
            patched.setattr(HttpServer, "start", fail)
            with pytest.raises(OSError, match="descriptors"):
                await Node(config(listen=f"127.0.0.1:{number}")).start()
        async with Node(config(listen=f"127.0.0.1:{number}")) as node:
            assert node.address == f"127.0.0.1:{number}"


async def test_a_node_that_is_stopped_while_it_joins_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.setblocking(False)
        silent.bind(("127.0.0.1", 0))
        async with leaving_nothing(caplog):
            seed = f"127.0.0.1:{silent.getsockname()[1]}"
            starting = asyncio.get_running_loop().create_task(Node(config(join=(seed,))).start())
            await asyncio.get_running_loop().sock_recv(silent, 2000)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting


async def test_a_node_joins_by_an_address_that_answers_later() -> None:
    number = free_number()
    async with Node(config(join=(f"127.0.0.1:{number}",))) as early:
        assert early.ready() is not None
        async with Node(config(listen=f"127.0.0.1:{number}")):
            await until(lambda: early.ready() is None)


async def test_a_node_joins_by_host_name() -> None:
    async with Node(config()) as seed, Node(config(join=(f"localhost:{seed.address.split(':')[1]}",))) as node:
        await until(lambda: node.ready() is None and seed.describe()["dht"]["contacts"])


async def test_a_name_that_is_not_known_yet_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node(config()) as seed:
        asked = []

        async def resolve(text: str) -> list[tuple[str, int]]:
            asked.append(text)
            return [("127.0.0.1", int(seed.address.split(":")[1]))] if len(asked) > 1 else []

        monkeypatch.setattr(node_module, "_resolve", resolve)
        async with Node(config(join=("later.example:7400",))) as node:
            await until(lambda: node.ready() is None)
        assert asked == ["later.example:7400"] * 2


async def test_an_unknown_name_does_not_keep_a_node_from_starting() -> None:
    async with Node(config(join=("nobody.invalid:7400",))) as node:
        assert node.ready() is not None


async def test_the_advertised_addresses_stand_in_record_answers_and_leases() -> None:
    advertised = ("192.0.2.7:7400", "[2001:db8::7]:7401")
    async with Node(config(advertise=advertised)) as node:
        told = node.describe()
        assert (told["addresses"], told["url"]) == (list(advertised), "http://192.0.2.7:7400")
        assert node.address == "192.0.2.7:7400"
        async with raw_client() as client:
            answered = await node.publish_offer(client.offer("sendonly"), None)
            assert " 192.0.2.7 7400 typ host" in answered.answer
            assert " 2001:db8::7 7401 typ host" in answered.answer
            assert "127.0.0.1" not in answered.answer.split("m=", 1)[1].split("a=candidate", 1)[1]


@pytest.mark.parametrize("address", ["host.example:7400", "192.0.2.1:0", "0.0.0.0:7400", "224.0.0.1:1"])
async def test_what_nobody_could_reach_is_not_advertised(address: str, caplog: pytest.LogCaptureFixture) -> None:
    async with leaving_nothing(caplog):
        with pytest.raises(ConfigError, match="--advertise"):
            await Node(config(advertise=(address,))).start()


@needs_ipv6
async def test_a_swarm_may_be_all_ipv6() -> None:
    async with (
        Node(config(listen="[::1]:0")) as owner,
        Node(config(owner, listen="[::1]:0")) as relay,
        publishing(owner, host="::1") as (producer, publisher),
    ):
        assert owner.url.startswith("http://[::1]:")
        await until_known(relay, producer)
        async with viewing(relay, producer, host="::1") as viewer, aiohttp.ClientSession() as http:
            await assert_flows(publisher, viewer)
            async with http.get(f"{relay.url}/api/v1/producers/{producer}/tree") as response:
                assert (await response.json())["root"]["children"][0]["address"] == relay.address


@needs_ipv6
async def test_a_dual_stack_node_serves_clients_and_nodes_of_both_families() -> None:
    async with Node(config(listen="[::]:0", open_swarm=True)) as owner:
        number = owner.address.rpartition(":")[2]
        async with (
            Node(config(listen="[::]:0", open_swarm=True, join=(f"127.0.0.1:{number}",))) as four,
            Node(config(listen="[::]:0", open_swarm=True, join=(f"[::1]:{number}",))) as six,
            publishing(owner, host="::1") as (producer, publisher),
        ):
            await until_known(four, producer)
            await until_known(six, producer)
            async with (
                viewing(four, producer, host="::1") as one,
                viewing(six, producer) as other,
                aiohttp.ClientSession() as http,
            ):
                await assert_flows(publisher, one, other)
                for host in ("127.0.0.1", "[::1]"):
                    async with http.get(f"http://{host}:{number}/livez") as response:
                        assert response.status == 200


async def test_a_producer_is_found_from_every_node_until_it_ends() -> None:
    async with Node(config()) as owner, Node(config(owner)) as other:
        async with publishing(owner) as (producer, _):
            await until_known(other, producer)
            found = await other.find(producer)
            assert (found["owner"], found["url"], found["carried_here"]) == (owner.id.hex(), owner.url, False)
            assert (await owner.find(producer))["carried_here"] is True
            assert other.describe()["dht"]["lookup_seconds"]["count"] >= 1
            assert (await other.tree(producer))["root"]["node"] == owner.id.hex()
        await until(lambda: shown(owner, producer) is None)
        await until(lambda: not owner.describe()["counters"]["dht_announced"])
        for node in (owner, other):
            with pytest.raises(NoSuchProducer):
                await node.find(producer)


async def test_a_node_that_starts_again_finds_its_swarm_by_its_contacts_of_before(tmp_path: Path) -> None:
    async with Node(config()) as seed, Node(config(seed)) as other:
        async with Node(config(seed, data_dir=str(tmp_path))) as node:
            own = node.id
            await until(lambda: node.describe()["dht"]["contacts"] == 2)
        await seed.close()
        async with Node(config(data_dir=str(tmp_path))) as again, publishing(other) as (producer, _):
            assert again.id == own
            await until_known(again, producer)


async def test_a_damaged_file_of_contacts_keeps_no_node_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / PEERS_FILE_NAME).write_bytes(b"half")
    async with Node(config(data_dir=str(tmp_path))) as node:
        assert node.ready() is None
    assert [PEERS_FILE_NAME in record.getMessage() for record in caplog.records] == [True]


async def test_a_read_only_node_finds_and_becomes_nobody_s_contact() -> None:
    async with Node(config()) as owner, Node(config(owner, read_only=True)) as reader, publishing(owner) as (stream, _):
        await until_known(reader, stream)
        assert owner.describe()["dht"]["contacts"] == 0


@pytest.mark.parametrize(
    ("seen", "options", "told"),
    [
        (("192.0.2.9", 40000), {}, True),
        (("192.0.2.9", 40000), {"advertise": ("192.0.2.9:7400",)}, False),
        (("192.0.2.9", 40000), {"read_only": True}, False),
        (("127.0.0.1", 40000), {}, False),
        (None, {}, False),
    ],
)
async def test_a_node_behind_a_nat_is_told_so(
    seen: Any, options: Any, told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Directory, "observed", seen)
    async with Node(config(**options)):
        assert ("--read-only" in caplog.text) is told


async def test_a_swarm_changes_its_key_while_it_runs(tmp_path: Path) -> None:
    """One node after the other starts with the key a step further: neighbours find each other and carry streams."""
    keys = [tmp_path / str(step) for step in range(4)]
    key = SwarmKey.first(b"k" * 32)
    for path in keys:
        path.touch(0o600)
        path.write_text(key.text())
        key = key.step(lambda: b"n" * 32)
    for one, other in pairwise(keys):
        async with (
            Node(config(swarm_key_file=str(one))) as owner,
            Node(config(owner, swarm_key_file=str(other))) as relay,
            publishing(owner) as (producer, publisher),
        ):
            assert owner.record.swarm == relay.record.swarm
            await until_known(relay, producer)
            async with viewing(relay, producer) as viewer:
                await assert_flows(publisher, viewer)
    async with Node(config(swarm_key_file=str(keys[0]))) as old, Node(config(old, swarm_key_file=str(keys[3]))) as new:
        assert new.ready() is not None


async def test_nodes_of_other_swarms_do_not_meet() -> None:
    async with Node(config(swarm="one")) as one, Node(config(one, swarm="other")) as other:
        assert other.ready() is not None
        assert one.describe()["dht"]["contacts"] == 0
