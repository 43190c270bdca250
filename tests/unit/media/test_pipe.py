"""Pipes on a real link between two endpoints on loopback: streams one way, control messages both ways."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from foundation.address import Address
from foundation.errors import LocalError, RemoteError
from media.endpoint import Endpoint
from media.pipe import PipeTransport
from media.producer import Producer
from media.sdp import parse_offer
from media.sfu import Sfu
from media.transport import Transport
from tests.raw_client import WAIT_SECONDS, RawClient, raw_client


@dataclass
class End:
    """One node's media, and its end of the link."""

    sfu: Sfu
    pipe: PipeTransport
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    messages: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.pipe.on_connected = self.connected.set
        self.pipe.on_closed = lambda _reason: self.closed.set()
        self.pipe.on_control = self.messages.put_nowait


def _sfu(seed: int) -> Sfu:
    loop = asyncio.get_running_loop()
    return Sfu(Endpoint.open("127.0.0.1", 0, loop), loop, random.Random(seed))


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    """The dialing end first; closed in the end, without a task left."""
    one, two = _sfu(1), _sfu(2)
    dialing, taking = End(one, one.pipe()), End(two, two.pipe())

    def dialed(ufrag: str, address: Address, transport: Transport) -> PipeTransport:
        taking.pipe.bind(transport)
        return taking.pipe

    two.endpoint.listen("listener", lambda ufrag: "the password of this link", dialed)
    dialing.pipe.bind(
        one.endpoint.dial(
            two.endpoint.port.local,
            local_ufrag="dialer",
            remote_ufrag="listener",
            password="the password of this link",
            fingerprint=two.fingerprint,
            handler=dialing.pipe,
        )
    )
    async with asyncio.timeout(WAIT_SECONDS):
        await dialing.connected.wait()
        await taking.connected.wait()
    yield dialing, taking
    await one.close()
    await two.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def published(end: End, client: RawClient, producer_id: UUID) -> tuple[Producer, str]:
    session = end.sfu.publish(parse_offer(client.offer("sendonly")), producer_id)
    assert session.producer is not None
    return session.producer, session.answer


async def test_each_end_knows_the_certificate_of_the_other(ends: tuple[End, End]) -> None:
    one, two = ends
    assert one.pipe.remote_fingerprint == two.sfu.fingerprint
    assert two.pipe.remote_fingerprint == one.sfu.fingerprint
    assert one.pipe.rtt_seconds is not None
    async with asyncio.timeout(WAIT_SECONDS):
        while two.pipe.rtt_seconds is None:
            await asyncio.sleep(0.001)


async def test_messages_go_both_ways(ends: tuple[End, End]) -> None:
    one, two = ends
    one.pipe.send_control(b"there")
    two.pipe.send_control(b"and back")
    async with asyncio.timeout(WAIT_SECONDS):
        assert (await two.messages.get(), await one.messages.get()) == (b"there", b"and back")


async def test_a_piped_stream_is_viewed_under_the_same_id(ends: tuple[End, End]) -> None:
    one, two = ends
    async with raw_client() as client, raw_client() as viewer:
        producer, answer = published(one, client, uuid4())
        piped = two.pipe.pipe_in(producer.id, one.pipe.pipe_out(producer))
        assert (piped.id, piped.piped) == (producer.id, True)
        viewed = two.sfu.view(parse_offer(viewer.offer("recvonly")), piped)
        await client.connect(answer)
        await viewer.connect(viewed.answer)
        async with asyncio.timeout(WAIT_SECONDS):
            while not viewer.packets:
                client.send(client.rtp())
                await asyncio.sleep(0.01)


async def test_a_pipe_that_is_opened_again_uses_no_ssrc_twice(ends: tuple[End, End]) -> None:
    one, _ = ends
    async with raw_client() as client:
        producer, _ = published(one, client, uuid4())
        opened = [track for _ in range(3) for track in one.pipe.pipe_out(producer)]
        ssrcs = [ssrc for track in opened for ssrc in (track.ssrc, track.rtx_ssrc) if ssrc is not None]
        assert len(set(ssrcs)) == len(ssrcs) >= 3
        assert len({track.mid for track in opened}) == 3
        assert len(producer.consumers) == 1
        one.pipe.stop_pipe(producer.id, "ended")
        one.pipe.stop_pipe(producer.id, "ended again")
        assert len(producer.consumers) == 0


async def test_an_id_that_is_carried_already_is_not_taken_in(ends: tuple[End, End]) -> None:
    one, two = ends
    async with raw_client() as client:
        producer, _ = published(one, client, uuid4())
        tracks = one.pipe.pipe_out(producer)
        with pytest.raises(LocalError):
            one.pipe.pipe_in(producer.id, tracks)
        assert one.sfu.router.get(producer.id) is producer
        assert two.sfu.router.producers == {}


async def test_a_closed_producer_cannot_be_piped(ends: tuple[End, End]) -> None:
    one, _ = ends
    async with raw_client() as client:
        producer, _ = published(one, client, uuid4())
        producer.close("ended")
        with pytest.raises(LocalError):
            one.pipe.pipe_out(producer)


async def test_everything_on_a_link_ends_with_it_at_both_ends(ends: tuple[End, End]) -> None:
    one, two = ends
    async with raw_client() as client:
        producer, _ = published(one, client, uuid4())
        two.pipe.pipe_in(producer.id, one.pipe.pipe_out(producer))
        one.pipe.close("nobody needs it")
        one.pipe.close("again")
        async with asyncio.timeout(WAIT_SECONDS):
            await one.closed.wait()
            await two.closed.wait()
        assert len(producer.consumers) == 0
        assert not producer.closed
        with pytest.raises(LocalError):
            one.pipe.send_control(b"too late")


async def test_a_message_that_its_reader_refuses_closes_that_link(ends: tuple[End, End]) -> None:
    one, two = ends

    def refuse(data: bytes) -> None:
        raise RemoteError("nonsense")

    two.pipe.on_control = refuse
    one.pipe.send_control(b"nonsense")
    async with asyncio.timeout(WAIT_SECONDS):
        await two.closed.wait()
        await one.closed.wait()
