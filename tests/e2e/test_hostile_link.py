"""A node of the same open swarm turns rogue on its links: it loses them, and everybody else goes on."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from benchmarks.nodes import NodeProcess
from foundation import limits
from foundation.identity import NodeKey, swarm_id
from foundation.packing import pack
from swarm.config import Config
from swarm.greeting import Greeter
from swarm.link import Link
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Claim,
    Consume,
    Delegated,
    Ended,
    EndReason,
    Error,
    ErrorCode,
    Find,
    Handover,
    Leave,
    Lineage,
    Message,
    Offer,
    Probe,
    Recruit,
    RefusalReason,
    Refused,
    Release,
    Renew,
    Report,
    Tree,
    TreeReply,
)
from swarm.node import Node
from swarm.record import Contact, NodeRecord
from swarm.wire import encode
from tests.e2e.stage import WAIT_SECONDS, Stage, running_session
from tests.e2e.test_hostile import grown


class Rogue:
    """A node of this process, with a valid identity, whose links to others are used by hand."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def contact(self, stage: Stage, which: NodeProcess) -> Contact:
        """How to reach a victim: from the lease of a producer that it owns, or of one it is made to own."""
        lease = await self.node._directory.find(stage.producer)
        assert lease is not None
        assert which is stage.owner
        return Contact(lease.owner_id, lease.addresses, lease.fingerprint, lease.url)

    async def link(self, contact: Contact) -> Link:
        """The link to the victim, up."""
        async with asyncio.timeout(WAIT_SECONDS):
            while await self.node._links.connect(contact) is None:
                await asyncio.sleep(0)
        link = self.node._links.get(contact.node)
        assert link is not None
        return link

    async def until_closed(self, link: Link) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not link.closed:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def rogue_in(stage: Stage) -> AsyncIterator[Rogue]:
    join = tuple(each.authority for each in stage.nodes)
    async with Node(Config(listen="127.0.0.1:0", join=join)) as node:
        yield Rogue(node)


def every_message(rogue: Rogue, producer: UUID) -> list[Message]:
    """One of each type, about a stream that the rogue has nothing to do with; HELLO has a test of its own."""
    me, record = rogue.node.id, rogue.node.record.encoded
    return [
        Consume(1, producer, (me,), 5, 7),
        Accepted(1, producer, 2, (me,), ()),
        Delegated(1, producer, (record,)),
        Refused(1, producer, RefusalReason.BUSY),
        Leave(1, producer),
        Release(1, producer),
        Ended(1, producer, EndReason.LOST),
        Report(1, producer, 3, 2, 17, ()),
        Lineage(1, producer, 1, (me,)),
        Tree(1, producer, 16, 2000),
        TreeReply(1, producer, (), 9),
        Backups(1, producer, (Backup(record, 1, 0),)),
        Handover(1, producer, (record,)),
        *every_ask(rogue, producer),
        Error(ErrorCode.UNKNOWN_TYPE, "dance"),
    ]


def every_ask(rogue: Rogue, producer: UUID) -> list[Message]:
    """What nodes ask by datagram; on a link it is out of place."""
    record = rogue.node.record.encoded
    return [
        Find(producer, 4_000_000_000),
        Probe(producer),
        Recruit(producer, record, b"x" * 64),
        Offer(record, 4_000_000_000, 4_000_000_000, 4_000_000_000),
        Renew(producer),
        Claim(producer, bytes(32)),
    ]


async def send_all(rogue: Rogue, contact: Contact, messages: list[bytes]) -> int:
    """Sends every message, on a new link whenever the victim has closed the last one; gives the number of links."""
    links = 0
    while messages:
        link = await rogue.link(contact)
        links += 1
        batch, messages = messages[: limits.control_errors_burst + 1], messages[limits.control_errors_burst + 1 :]
        for data in batch:
            link.pipe.send_control(data)
        if len(batch) > limits.control_errors_burst:
            await rogue.until_closed(link)
    return links


@pytest.mark.timeout(180)
async def test_messages_cut_at_every_length_cost_a_node_its_link_alone(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        before = await stage.counters(stage.owner)
        contact = await rogue.contact(stage, stage.owner)
        wholes = [encode(message) for message in every_message(rogue, stage.producer)[:4]]
        cut = [data[:length] for data in wholes for length in range(len(data))]
        links = await send_all(rogue, contact, cut)
        after = await stage.until_counted(stage.owner, lambda now: grown(before, now, "link_up") >= links)
        assert grown(before, after, "link_down") >= links - 1
        assert grown(before, after, "dropped_handler_failures") == 0
        await stage.goes_on()


@pytest.mark.timeout(180)
async def test_unknown_types_and_random_bytes_are_answered_with_errors_and_then_with_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(4)
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        contact = await rogue.contact(stage, stage.owner)
        link = await rogue.link(contact)
        answers: list[bytes] = []
        receive = link.pipe.on_control
        link.pipe.on_control = lambda data: (answers.append(data), receive(data))[1]  # type: ignore[func-returns-value]
        for _ in range(limits.control_errors_burst // 2):
            link.pipe.send_control(pack({"v": 1, "t": "dance"}))
        async with asyncio.timeout(WAIT_SECONDS):
            while answers.count(encode(Error(ErrorCode.UNKNOWN_TYPE, "dance"))) < limits.control_errors_burst // 2:
                await asyncio.sleep(0.01)
        assert not link.closed
        await send_all(rogue, contact, [rng.randbytes(rng.randrange(300)) for _ in range(100)])
        await stage.goes_on()


@pytest.mark.timeout(180)
async def test_messages_out_of_place_change_nothing_for_others(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        before = await stage.counters(stage.owner)
        contact = await rogue.contact(stage, stage.owner)
        for producer in (stage.producer, uuid4()):
            link = await rogue.link(contact)
            for message in every_message(rogue, producer):
                link.send(message)
                link.send(message)
            link.send(Leave(1, producer))
        after = await stage.until_counted(stage.owner, lambda now: grown(before, now, "link_up") >= 1)
        assert grown(before, after, "dropped_handler_failures") == 0
        await stage.goes_on()
        async with stage.http.get(f"{stage.owner.url}/api/v1/producers/{stage.producer}/tree") as response:
            children = (await response.json())["root"]["children"]
        assert [child["url"] for child in children if child["url"] == stage.relay.url] == [stage.relay.url]


@pytest.mark.timeout(180)
async def test_a_flood_of_messages_ends_the_link(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        before = await stage.counters(stage.owner)
        contact = await rogue.contact(stage, stage.owner)
        link = await rogue.link(contact)
        async with asyncio.timeout(WAIT_SECONDS):
            while not link.closed:
                for _ in range(100):
                    link.send(Tree(1, uuid4(), 1, 1))
                await asyncio.sleep(0.001)
        await stage.until_counted(stage.owner, lambda now: grown(before, now, "link_down") >= 1)
        await stage.goes_on()


@pytest.mark.timeout(180)
async def test_a_message_that_is_too_large_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        link = await rogue.link(await rogue.contact(stage, stage.owner))
        link.pipe.send_control(b"\xc6" + bytes(limits.control_message_bytes_max - 1))
        link.send(Tree(1, stage.producer, 1, 100))
        await stage.goes_on()


def forged_records(rogue: Rogue) -> dict[str, NodeRecord]:
    """Records of the rogue's own key that name what is not its own, or were good once."""
    node = rogue.node
    good = replace(node.record, encoded=b"")
    wrong = {
        "another certificate": replace(good, fingerprint=bytes(32)),
        "another swarm": replace(good, swarm=swarm_id("another")),
        "expired": replace(good, expires=1_000_000.0),
    }
    signed = {name: replace(record, encoded=record.encode(node._key)) for name, record in wrong.items()}
    other = NodeKey.from_seed(b"o" * 32)
    theirs = replace(good, public=other.public)
    signed["another node"] = replace(theirs, encoded=theirs.encode(other))
    encoded = node.record.encoded
    signed["forged signature"] = replace(good, encoded=encoded[:-1] + bytes([encoded[-1] ^ 1]))
    signed["nothing"] = replace(good, encoded=b"")
    return signed


@pytest.mark.timeout(180)
async def test_a_forged_greeting_brings_no_link_up(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        contact = await rogue.contact(stage, stage.owner)
        for name, record in forged_records(rogue).items():
            before = await stage.counters(stage.owner)
            rogue.node._links._greeter = Forger(rogue.node.record, None, record.encoded)
            await rogue.node._links.connect(contact)
            after = await stage.until_counted(
                stage.owner,
                lambda now, before=before: grown(before, now, "link_greeting_failed") >= 1,  # type: ignore[misc]
            )
            assert grown(before, after, "link_up") == 0, name
            if (link := rogue.node._links.get(contact.node)) is not None:
                await rogue.until_closed(link)
        await stage.goes_on()


class Forger(Greeter):
    """Says the forged record, and believes what it is told."""

    def __init__(self, me: NodeRecord, swarm_key: bytes | None, forged: bytes) -> None:
        super().__init__(me, swarm_key)
        self.forged = forged

    def hello(self, peer_fingerprint: bytes):  # type: ignore[no-untyped-def]
        return replace(super().hello(peer_fingerprint), record=self.forged)


@pytest.mark.timeout(180)
async def test_a_flood_of_asks_good_and_spoiled_costs_its_sender_the_answers(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(6)
    async with running_session(capfd) as stage, rogue_in(stage) as rogue:
        before = await stage.counters(stage.owner)
        contact = await rogue.contact(stage, stage.owner)
        directory, peer = rogue.node._directory, contact.addresses[0]
        whole = [encode(ask) for ask in every_ask(rogue, stage.producer)]
        whole += [encode(ask) for ask in every_ask(rogue, uuid4())]
        spoiled = [data[: rng.randrange(len(data))] + rng.randbytes(rng.randrange(8)) for data in whole * 20]
        await asyncio.gather(*(directory.ask(contact.node, peer, data) for data in rng.sample(spoiled, 60)))
        for _ in range(4 * int(limits.asks_burst) // 100):
            asked = [directory.ask(contact.node, peer, data) for data in rng.choices(whole, k=100)]
            await asyncio.gather(*asked)
        after = await stage.counters(stage.owner)
        assert sum(after[name] - before.get(name, 0) for name in after if name.endswith("asks_flooded")) > 0
        assert grown(before, after, "dropped_handler_failures") == 0
        await stage.goes_on()
