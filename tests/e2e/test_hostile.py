"""Strangers and clients send whatever they like by UDP: a running session goes on, and strangers get no answer."""

import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress

import aiohttp
import pytest

from benchmarks.nodes import NodeProcess
from foundation.errors import LocalError
from foundation.tasks import TaskScope
from swarm.client.whep import WhepPlayer
from tests.e2e import strange_datagrams as strange
from tests.e2e.stage import Stage, Viewer, running_session
from tests.raw_client import RawClient, attribute, raw_client

_batch = 100
"""Datagrams between two questions to the attacked node: its socket's buffer is not to overflow."""


class Stranger:
    """A socket that nobody knows."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    async def send(self, target: NodeProcess, datagrams: Iterable[bytes]) -> int:
        """Sends all; the node has looked at most of them when this returns. Gives their number."""
        host, _, port = target.authority.rpartition(":")
        count = 0
        for count, data in enumerate(datagrams, 1):
            self._socket.sendto(data, (host, int(port)))
            if not count % _batch:
                await self._stage.lives()
        return count

    def heard(self) -> list[bytes]:
        """What was answered."""
        answers = []
        while True:
            try:
                answers.append(self._socket.recv(2000))
            except BlockingIOError:
                return answers

    def close(self) -> None:
        self._socket.close()


async def node_id(stage: Stage, which: NodeProcess) -> bytes:
    async with stage.http.get(f"{which.url}/api/v1/node") as response:
        return bytes.fromhex((await response.json())["id"])


def credentials(stage: Stage) -> tuple[str, str]:
    """User name and password of the viewer's checks, as somebody on its path might have learnt the first of them."""
    connection = stage.player._connection
    theirs, ours = connection.remoteDescription.sdp, connection.localDescription.sdp
    return f"{attribute(theirs, 'ice-ufrag')}:{attribute(ours, 'ice-ufrag')}", attribute(theirs, "ice-pwd")


def grown(before: dict[str, int], after: dict[str, int], name: str) -> int:
    return after.get(name, 0) - before.get(name, 0)


@pytest.mark.timeout(180)
async def test_nothing_that_a_stranger_sends_is_answered_or_disturbs_a_session(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(1)
    async with running_session(capfd) as stage:
        username, password = credentials(stage)
        for target in stage.nodes:
            before = await stage.counters(target)
            me = await node_id(stage, target)
            with closing(Stranger(stage)) as stranger:
                await stranger.send(target, strange.noise(rng))
                await stranger.send(target, strange.stun(username, password, me))
                await stranger.send(target, strange.dtls_and_srtp())
                pings = await stranger.send(target, strange.directory())
                minimum = {
                    "port_dropped_empty": 5,
                    "dropped_unknown_kind": 100,
                    "dropped_stun_malformed": 100,
                    "dropped_stun_unknown_user": 5,
                    "dropped_stun_unauthenticated": 2,
                    "dropped_stun_ignored": 10,
                    "dropped_dtls_unvalidated": 50,
                    "dropped_srtp_unvalidated": 100,
                    "dht_datagrams_dropped": pings - 2,
                }
                after = await stage.until_counted(
                    target,
                    lambda now, before=before, minimum=minimum: all(  # type: ignore[misc]
                        grown(before, now, name) >= least for name, least in minimum.items()
                    ),
                )
                assert grown(before, after, "dropped_handler_failures") == 0
                await stage.goes_on()
                assert stranger.heard() == []
                await assert_a_whole_ping_is_answered(stage, stranger, target)


async def assert_a_whole_ping_is_answered(stage: Stage, stranger: Stranger, target: NodeProcess) -> None:
    """By no more than it is long itself: what was spoiled before was spoiled from something good."""
    ping = strange.dht()
    await stranger.send(target, [ping])
    await stage.until_counted(target, lambda now: now.get("dht_requests_unproved"))
    (answer,) = stranger.heard()
    assert answer[0] == ping[0]
    assert len(answer) <= len(ping)


@pytest.mark.timeout(180)
async def test_a_check_copied_to_the_other_node_finds_nobody_there(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage:
        before = await stage.counters(stage.owner)
        with closing(Stranger(stage)) as stranger:
            await stranger.send(stage.owner, [strange.check(*credentials(stage))])
            await stage.until_counted(stage.owner, lambda now: grown(before, now, "dropped_stun_unknown_user") == 1)
            assert stranger.heard() == []


@pytest.mark.timeout(180)
async def test_forged_hellos_and_packets_during_the_set_up_of_sessions_hinder_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with running_session(capfd) as stage:
        strangers = [Stranger(stage) for _ in range(3)]
        scope = TaskScope("attack", 3)

        async def attack(stranger: Stranger, target: NodeProcess) -> None:
            while True:
                await stranger.send(target, [strange.client_hello(), strange.srtp(strange.RTP)] * 10)
                await stranger.send(target, strange.truncated(strange.client_hello()))
                await stage.lives()

        for stranger, target in zip(strangers, (*stage.nodes, stage.relay), strict=True):
            scope.spawn(attack(stranger, target), "attack")
        try:
            for _ in range(3):
                await set_up_and_watch(stage)
        finally:
            await scope.close()
            heard = [stranger.heard() for stranger in strangers]
            for stranger in strangers:
                stranger.close()
        assert heard == [[], [], []]


async def set_up_and_watch(stage: Stage) -> None:
    """One more viewer of the stream, from nothing to pictures."""
    async with WhepPlayer.of_url(f"{stage.relay.url}/whep/{stage.producer}", audio=False) as player:
        assert player.video is not None
        viewer, scope = Viewer(player.video), TaskScope("viewer", 1)
        scope.spawn(viewer.read(), "read")
        try:
            await viewer.goes_on(5)
        finally:
            await scope.close()


async def signed_in(client: RawClient, http: aiohttp.ClientSession, url: str, direction: str) -> None:
    """The client's session with a node, by WHIP or WHEP."""
    headers = {"Content-Type": "application/sdp"}
    async with http.post(url, data=client.offer(direction), headers=headers) as response:
        assert response.status == 201, await response.text()
        await client.connect(await response.text())


def hostile_rtp(client: RawClient, rng: random.Random) -> Iterator[bytes]:
    """Packets of a publisher's own track, cut at every length that can be encrypted, and with a random head."""
    for length in range(12, len(strange.RTP)):
        cut = client.rtp() + bytes(len(strange.RTP))
        yield bytes([strange.RTP[0]]) + cut[1:12] + strange.RTP[12:length]
    for _ in range(200):
        whole = client.rtp(rng.randbytes(rng.randrange(40)))
        yield bytes([0x80 | rng.randrange(64)]) + whole[1:]


def hostile_rtcp(rng: random.Random) -> Iterator[bytes]:
    """Every packet type there is and is not, cut, too long, and full of random reports."""
    for kind in range(192, 224):
        for words in (0, 1, 6, 7, 100, 65535):
            yield bytes([0x80 | rng.randrange(32), kind]) + words.to_bytes(2, "big") + rng.randbytes(28)
    whole = strange.RTCP + bytes([0x81, 206, 0, 2]) + rng.randbytes(8)
    yield from (whole[:length] for length in range(8, len(whole)))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("role", ["publisher", "viewer"])
async def test_a_client_that_sends_broken_rtp_and_rtcp_harms_nobody_but_itself(
    role: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(2)
    async with running_session(capfd) as stage, raw_client() as client:
        direction, path = ("sendonly", "whip") if role == "publisher" else ("recvonly", f"whep/{stage.producer}")
        before = await stage.counters(stage.relay)
        await signed_in(client, stage.http, f"{stage.relay.url}/{path}", direction)
        for count, packet in enumerate(hostile_rtp(client, rng)):
            with suppress(LocalError):  # libsrtp does not encrypt what says that it is longer than it is
                client.send(packet)
            if not count % _batch:
                await stage.lives()
        for count, packet in enumerate(hostile_rtcp(rng)):
            client.send(packet, rtcp=True)
            if not count % _batch:
                await stage.lives()
        assert client.transport is not None
        for count, data in enumerate((*strange.dtls_and_srtp(), *strange.noise(rng))):
            client.endpoint.port.send(data, client.transport.sockaddr)
            if not count % _batch:
                await stage.lives()
        names = ["rtcp_malformed", "rtcp_received", "dropped_srtp_refused", "rtp_malformed"]
        after = await stage.until_counted(stage.relay, lambda now: all(grown(before, now, name) > 0 for name in names))
        assert grown(before, after, "dropped_handler_failures") == 0


@pytest.mark.timeout(180)
async def test_a_publisher_that_sends_rubbish_in_place_of_pictures_harms_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(3)
    async with running_session(capfd) as stage, raw_client() as client, raw_client() as watcher:
        headers = {"Content-Type": "application/sdp"}
        async with stage.http.post(f"{stage.owner.url}/whip", data=client.offer("sendonly"), headers=headers) as made:
            producer = made.headers["Swarm-Producer-Id"]
            await client.connect(await made.text())
        await signed_in(watcher, stage.http, f"{stage.owner.url}/whep/{producer}", "recvonly")
        client.send(client.rtp())
        await watcher.until_packets(1)
        for count in range(300):
            client.send(client.rtp(rng.randbytes(rng.randrange(1200))))
            if not count % _batch:
                await stage.lives()
        client.send(client.rtp())
        await watcher.until_packets(250)


def test_the_valid_datagrams_are_what_they_should_be() -> None:
    """Or the attacks above would be none: the first bytes are those of STUN, DTLS, SRTP and the DHT."""
    assert strange.check("a:b", "c")[:2] == b"\0\1"
    assert strange.client_hello()[0] == 22
    assert strange.srtp(strange.RTP)[0] == 0x90
    assert strange.srtp(strange.RTCP, rtcp=True)[:2] == strange.RTCP[:2]
    assert strange.dht()[0] == 0xD5
