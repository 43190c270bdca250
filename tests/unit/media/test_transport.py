"""Timers in virtual time, and what happens when a handler fails; the network is in the tests of the endpoint."""

import random

import pytest
from aioice.stun import Class, Message, Method, parse_message

from foundation import limits
from foundation.errors import LocalError, RemoteError
from foundation.tasks import TaskScope
from media import stun
from media.drops import Drops
from media.ice import IceDialer, IceLite
from media.srtp import AES_128_GCM, SendBuffer, Srtp, SrtpKeys
from media.transport import Transport, TransportSurroundings

HERE = ("192.0.2.1", 7400)
ELSEWHERE = ("192.0.2.2", 7400)


class Timer:
    def __init__(self, when, callback) -> None:
        self.when, self.callback, self.live = when, callback, True

    def cancel(self) -> None:
        self.live = False


class VirtualLoop:
    """A clock and timers, and nothing else of a loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    @property
    def live(self) -> list[Timer]:
        return [timer for timer in self.timers if timer.live]

    def run_until(self, end: float) -> None:
        while (due := min(self.live, key=lambda timer: timer.when, default=None)) and due.when <= end:
            self.now, due.live = max(self.now, due.when), False
            due.callback()
        self.now = end


class Port:
    def __init__(self) -> None:
        self.sent: list[tuple[bytes, object]] = []

    def sockaddr(self, address):
        return address

    def send(self, data, sockaddr) -> bool:
        self.sent.append((bytes(data), sockaddr))
        return True


class World:
    def __init__(self) -> None:
        self.loop, self.port, self.drops = VirtualLoop(), Port(), Drops()
        self.removed: list[Transport] = []
        self.around = TransportSurroundings(
            loop=self.loop,
            port=self.port,
            identity=None,
            tasks=TaskScope("test", 0),
            drops=self.drops,
            on_connected=lambda transport: None,
            on_closed=self.removed.append,
        )

    def lite(self, handler, link=False) -> Transport:
        seconds = limits.link_consent_seconds_max if link else limits.ice_consent_seconds_max
        return self._transport(IceLite("p" * 32, seconds, self.loop.now), handler, link)

    def dialer(self, handler) -> Transport:
        return self._transport(IceDialer("r:l", "p" * 32, HERE, random.Random(1), self.loop.now), handler, True)

    def _transport(self, ice, handler, link) -> Transport:
        role = "client" if isinstance(ice, IceDialer) else "server"
        transport = Transport(
            self.around,
            ice,
            local_ufrag="l",
            remote_ufrag="r",
            role=role,
            fingerprints=None,
            link=link,
            handler=handler,
        )
        transport._shake_hands = lambda: None
        transport.start()
        return transport

    def connect(self, transport, address=HERE) -> Srtp:
        """Validates an address and hands over keys; returns the peer's end of them."""
        self.check(transport, address, nominate=True)
        one, other = bytes(28), bytes(range(28))
        transport._connected(SrtpKeys(AES_128_GCM, one, other), "AA:BB")
        return Srtp(SrtpKeys(AES_128_GCM, other, one))

    def check(self, transport, address=HERE, nominate=False) -> None:
        request = Message(Method.BINDING, Class.REQUEST)
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        transport.ice.accept(request, address, self.loop.now)
        transport.validated()

    def answer(self, transport) -> None:
        data = self.port.sent[-1][0]
        transport.ice.answer(stun.success_response(parse_message(data), HERE, "p" * 32), HERE, self.loop.now)
        transport.validated()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def recorder(bench):
    return bench.recorder()


def rtp(sequence: int, ssrc: int = 7) -> bytes:
    return bytes([0x80, 96]) + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"payload"


def protected(srtp: Srtp, packet: bytes) -> bytes:
    buffer = SendBuffer()
    buffer.view[: len(packet)] = packet
    return bytes(buffer.view[: srtp.protect_at(buffer.cdata, 0, len(packet))])


RTCP = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])


async def test_a_client_that_never_comes_is_given_up(world, recorder):
    transport = world.lite(recorder)
    world.loop.run_until(100 + limits.handshake_seconds_max - 0.1)
    assert transport.state == "new"
    world.loop.run_until(100 + limits.handshake_seconds_max)
    assert transport.state == "closed"
    assert len(recorder.closed) == 1


async def test_a_client_that_checks_but_never_shakes_hands_is_given_up(world, recorder):
    transport = world.lite(recorder)
    for second in range(1, 40):
        world.loop.run_until(100 + second)
        if transport.state != "closed":
            world.check(transport)
    assert recorder.closed == ["the handshake took too long"]
    assert world.loop.now > 100 + limits.handshake_seconds_max


async def test_a_connected_client_that_falls_silent_is_closed_after_its_consent(world, recorder):
    transport = world.lite(recorder)
    world.connect(transport)
    world.loop.run_until(110.0)
    world.check(transport)
    world.loop.run_until(110.0 + limits.ice_consent_seconds_max - 0.1)
    assert transport.state == "connected"
    world.loop.run_until(110.0 + limits.ice_consent_seconds_max)
    assert recorder.closed == ["the peer is silent"]


async def test_media_keeps_a_client_alive_that_sends_no_checks(world, recorder):
    transport = world.lite(recorder)
    peer = world.connect(transport)
    for step in range(12):
        world.loop.run_until(100.0 + 10 * step)
        transport.srtp_received(protected(peer, rtp(step)), world.loop.now)
    assert transport.state == "connected"


async def test_refused_packets_do_not_keep_a_client_alive(world, recorder):
    transport = world.lite(recorder)
    world.connect(transport)
    for step in range(12):
        world.loop.run_until(100.0 + 10 * step)
        transport.srtp_received(rtp(step) + bytes(16), world.loop.now)
    assert transport.state == "closed"


async def test_a_dialing_node_that_falls_silent_is_closed_sooner(world, recorder):
    transport = world.lite(recorder, link=True)
    world.connect(transport)
    world.loop.run_until(100.1 + limits.link_consent_seconds_max)
    assert transport.state == "closed"


async def test_a_dial_that_nobody_answers_fails(world, recorder):
    transport = world.dialer(recorder)
    assert transport.remote is None
    world.loop.run_until(100.1 + limits.ice_dial_seconds_max)
    assert recorder.closed == ["the peer is silent"]
    assert len(world.port.sent) == 8
    assert {sockaddr for _, sockaddr in world.port.sent} == {HERE}
    assert transport.state == "closed"


async def test_a_link_measures_its_round_trip_and_is_checked_as_often_as_it_is_busy(world, recorder):
    transport = world.dialer(recorder)
    world.loop.now += 0.05
    world.answer(transport)
    transport._connected(SrtpKeys(AES_128_GCM, bytes(28), bytes(28)), "AA")
    assert transport.rtt_seconds == pytest.approx(0.05)
    assert transport.remote == HERE
    sent = len(world.port.sent)
    transport.set_busy(True)
    for second in range(1, 5):
        world.loop.run_until(100.1 + second)
        world.answer(transport)
    assert len(world.port.sent) == sent + 4


async def test_a_link_that_stops_answering_is_closed(world, recorder):
    transport = world.dialer(recorder)
    world.answer(transport)
    transport._connected(SrtpKeys(AES_128_GCM, bytes(28), bytes(28)), "AA")
    world.loop.run_until(100.5 + limits.link_check_idle_seconds + limits.link_child_doubt_seconds)
    assert recorder.closed == ["silent"]


def parent(world, recorder) -> Transport:
    """A link that was dialed, by which media comes every 33 ms, until now."""
    transport = world.lite(recorder, link=True)
    peer = world.connect(transport)
    answer(world, transport)
    transport.set_busy(True, True)
    for number in range(60):
        world.loop.run_until(world.loop.now + 0.033)
        transport.srtp_received(protected(peer, rtp(number)), world.loop.now)
        transport.flush(world.loop.now)
    return transport


def answer(world, transport) -> None:
    response = stun.success_response(parse_message(world.port.sent[-1][0]), HERE, "p" * 32)
    transport.answered(response, HERE, world.loop.now)


async def test_a_parent_whose_media_stops_and_that_does_not_answer_is_gone_within_300_ms(world, recorder):
    parent(world, recorder)
    assert len(world.loop.live) == 1
    sent = len(world.port.sent)
    world.loop.run_until(world.loop.now + 0.24)
    assert (recorder.closed, len(world.port.sent) - sent) == ([], 3)
    world.loop.run_until(world.loop.now + 0.06)
    assert recorder.closed == ["silent"]


async def test_a_parent_whose_media_stops_but_that_answers_is_muted(world, recorder):
    transport = parent(world, recorder)
    for _ in range(300):
        before = len(world.port.sent)
        world.loop.run_until(world.loop.now + 0.05)
        if len(world.port.sent) > before:
            answer(world, transport)
    assert recorder.closed == []


async def test_a_link_whose_address_is_claimed_ends_soon_unless_it_answers(world, recorder):
    transport = world.lite(recorder, link=True)
    world.connect(transport)
    answer(world, transport)
    world.loop.run_until(101.0)
    transport.suspect(world.loop.now)
    world.loop.run_until(101.3)
    assert recorder.closed == ["silent"]


async def test_there_is_one_timer_per_transport_and_none_after_its_end(world, recorder):
    transport = world.dialer(recorder)
    world.answer(transport)
    transport.set_busy(True)
    world.loop.run_until(102.0)
    assert len(world.loop.live) == 1
    transport.close()
    assert world.loop.live == []


async def test_closing_twice_tells_the_handler_once(world, recorder):
    transport = world.lite(recorder)
    transport.close("one")
    transport.close("two")
    assert recorder.closed == ["one"]
    assert world.removed == [transport]


async def test_nothing_is_handed_over_after_the_end(world, recorder):
    transport = world.lite(recorder)
    peer = world.connect(transport)
    assert transport.srtp_received(protected(peer, rtp(1)), 0.0)
    transport.close()
    transport.flush(0.0)
    transport.srtp_received(peer.protect_rtcp(RTCP), 0.0)
    assert recorder.bursts == recorder.rtcp == []


async def test_a_burst_is_handed_over_once_in_order_of_arrival(world, recorder):
    transport = world.lite(recorder)
    peer = world.connect(transport)
    packets = [rtp(sequence) for sequence in (3, 1, 2)]
    assert [transport.srtp_received(protected(peer, packet), 5.0) for packet in packets] == [True, False, False]
    transport.flush(5.0)
    assert recorder.bursts == [packets]
    transport.flush(5.0)
    assert len(recorder.bursts) == 1


async def test_rtcp_is_handed_over_at_once(world, recorder):
    transport = world.lite(recorder)
    peer = world.connect(transport)
    assert not transport.srtp_received(peer.protect_rtcp(RTCP), 5.0)
    assert recorder.rtcp == [RTCP]


async def test_packets_that_overtook_the_handshake_are_kept_up_to_a_bound(world, recorder):
    transport = world.lite(recorder)
    world.check(transport, nominate=True)
    peer = Srtp(SrtpKeys(AES_128_GCM, bytes(range(28)), bytes(28)))
    packets = [rtp(sequence) for sequence in range(limits.srtp_early_packets_max + 3)]
    for packet in packets:
        assert not transport.srtp_received(protected(peer, packet), 0.0)
    transport._connected(SrtpKeys(AES_128_GCM, bytes(28), bytes(range(28))), "AA")
    assert recorder.bursts == [packets[: limits.srtp_early_packets_max]]
    assert world.drops.srtp_early == 3


async def test_a_replayed_packet_is_counted_apart_from_forged_ones(world, recorder):
    transport = world.lite(recorder)
    data = protected(world.connect(transport), rtp(1))
    transport.srtp_received(data, 0.0)
    transport.srtp_received(data, 0.0)
    assert (world.drops.srtp_replayed, world.drops.srtp_refused) == (1, 0)


async def test_a_forged_packet_is_counted(world, recorder):
    transport = world.lite(recorder)
    world.connect(transport)
    transport.srtp_received(rtp(1) + bytes(16), 0.0)
    transport.srtp_received(b"\x80", 0.0)
    transport.srtp_received(RTCP + bytes(20), 0.0)
    assert world.drops.srtp_refused == 3
    assert transport.state == "connected"


@pytest.mark.parametrize("what", ["transport_connected", "rtp_received", "rtcp_received"])
async def test_a_peer_which_the_handler_refuses_is_closed_with_its_reason(world, recorder, what):
    transport = world.lite(recorder)
    if what == "transport_connected":
        recorder.raises = RemoteError("no")
    peer = world.connect(transport)
    recorder.raises = RemoteError("no")
    if transport.state != "closed":
        data = protected(peer, rtp(1)) if what == "rtp_received" else peer.protect_rtcp(RTCP)
        transport.srtp_received(data, 0.0)
        recorder.raises = RemoteError("no") if what == "rtp_received" else None
        transport.flush(0.0)
    assert recorder.closed == ["no"]


async def test_a_handler_that_fails_costs_one_transport(world, recorder, caplog):
    transport = world.lite(recorder)
    peer = world.connect(transport)
    recorder.raises = ZeroDivisionError()
    transport.srtp_received(peer.protect_rtcp(RTCP), 0.0)
    assert recorder.closed == ["internal error"]
    assert world.drops.handler_failures == 2
    assert "failed" in caplog.text


async def test_rtcp_is_sent_only_while_connected(world, recorder):
    transport = world.lite(recorder)
    transport.send_rtcp(RTCP)
    peer = world.connect(transport)
    transport.send_rtcp(RTCP)
    transport.close()
    transport.send_rtcp(RTCP)
    assert [peer.unprotect_rtcp(data) for data, _ in world.port.sent] == [RTCP]


async def test_control_messages_need_a_connected_link(world, recorder):
    with pytest.raises(LocalError):
        world.lite(recorder).send_control(b"x")


async def test_packets_follow_the_nominated_address(world, recorder):
    transport = world.lite(recorder)
    world.connect(transport)
    world.check(transport, ELSEWHERE)
    assert (transport.remote, transport.sockaddr) == (HERE, HERE)
    world.check(transport, ELSEWHERE, nominate=True)
    transport.send_rtcp(RTCP)
    assert transport.remote == world.port.sent[-1][1] == ELSEWHERE


async def test_a_client_that_lost_its_address_is_sent_nothing_until_it_checks_again(world, recorder):
    transport = world.lite(recorder)
    world.connect(transport)
    transport.lost_address(HERE)
    transport.send_rtcp(RTCP)
    assert world.port.sent == []
    world.check(transport, ELSEWHERE, nominate=True)
    transport.send_rtcp(RTCP)
    assert len(world.port.sent) == 1


async def test_a_link_that_lost_its_address_is_closed(world, recorder):
    transport = world.dialer(recorder)
    transport.lost_address(HERE)
    assert len(recorder.closed) == 1


async def test_dtls_before_there_is_an_association_is_counted(world, recorder):
    world.lite(recorder).dtls_received(b"\x16")
    assert world.drops.dtls_overflow == 1
