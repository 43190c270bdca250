"""Links: one endpoint dials another."""

import asyncio
import os

import pytest
from aioice.stun import parse_message

from foundation import limits
from foundation.errors import LocalError, RemoteError
from media.table import SUPERSEDED

pytestmark = pytest.mark.usefixtures("quiet")

RTCP = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])


async def test_a_link_connects_and_carries_messages_both_ways(bench):
    dialer, dialer_recorder, listener, listener_recorder = await bench.link()
    outgoing = [b"hello", b"", os.urandom(limits.control_message_bytes_max)]
    for message in outgoing:
        dialer.send_control(message)
        listener.send_control(message)
    await listener_recorder.until(lambda it: len(it.messages) == 3)
    await dialer_recorder.until(lambda it: len(it.messages) == 3)
    assert dialer_recorder.messages == listener_recorder.messages == outgoing


async def test_each_end_knows_the_others_certificate_and_address(bench):
    dialer, _, listener, _ = await bench.link()
    one, other = bench.endpoints
    assert dialer.remote_fingerprint == other.fingerprint
    assert listener.remote_fingerprint == one.fingerprint
    assert (dialer.remote, listener.remote) == (other.port.local, one.port.local)
    assert listener.remote_ufrag == "dialer"


async def test_both_sides_measure_the_round_trip(bench):
    dialer, _, listener, _ = await bench.link()
    assert 0 <= dialer.rtt_seconds < 5
    async with asyncio.timeout(20):
        while listener.rtt_seconds is None:
            await asyncio.sleep(0.001)


async def test_a_node_that_was_started_anew_gets_its_address_back_at_once(bench):
    one, other = bench.endpoint(), bench.endpoint()
    links = bench.listen(other)
    former, recorder = bench.dial(one, other)
    await recorder.until_connected()
    await links["dialer"][1].until_connected()
    one._table.remove(former)  # as if the process had been restarted
    former._timer.cancel()
    _, again = bench.dial(one, other, "dialer again")
    assert await links["dialer"][1].until_closed() == "silent"
    await again.until_connected()
    assert other.drops.address_held > 0
    former.close()


async def test_a_link_carries_media_both_ways(bench):
    dialer, dialer_recorder, listener, listener_recorder = await bench.link()
    dialer.send_rtcp(RTCP)
    listener.send_rtcp(RTCP)
    await listener_recorder.until(lambda it: it.rtcp)
    await dialer_recorder.until(lambda it: it.rtcp)


async def test_closing_one_end_closes_the_other(bench):
    dialer, dialer_recorder, _, listener_recorder = await bench.link()
    dialer.close("enough")
    assert await listener_recorder.until_closed() == "the peer closed the DTLS association"
    assert dialer_recorder.closed == ["enough"]
    with pytest.raises(LocalError):
        dialer.send_control(b"x")


async def test_two_links_between_the_same_ports_come_one_after_the_other(bench):
    dialer, _, _, listener_recorder = await bench.link()
    one, other = bench.endpoints
    with pytest.raises(LocalError, match="already"):
        bench.dial(one, other, "again")
    dialer.close()
    await listener_recorder.until_closed()
    _, recorder = bench.dial(one, other, "again")
    await recorder.until_connected()


async def test_one_endpoint_holds_many_links(bench):
    hub = bench.endpoint()
    links = bench.listen(hub)
    dials = [bench.dial(bench.endpoint(), hub, f"dialer{index}") for index in range(5)]
    for transport, recorder in dials:
        await recorder.until_connected()
        transport.send_control(transport.local_ufrag.encode())
    for ufrag, (_, recorder) in links.items():
        await recorder.until(lambda it: it.messages)
        assert recorder.messages == [ufrag.encode()]


async def test_another_certificate_than_the_pinned_one_is_refused(bench):
    one, other = bench.endpoint(), bench.endpoint()
    links = bench.listen(other)
    _, recorder = bench.dial(one, other, fingerprint=one.fingerprint)
    assert "certificate" in await recorder.until_closed()
    await links["dialer"][1].until_closed()
    assert recorder.connected == links["dialer"][1].connected == 0


async def test_a_wrong_password_gets_no_answer(bench, monkeypatch):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one, other = bench.endpoint(), bench.endpoint()
    links = bench.listen(other)
    _, recorder = bench.dial(one, other, password="guess")
    assert await recorder.until_closed() == "the peer is silent"
    assert other.drops.stun_unauthenticated > 0
    assert (links, other.port.counters.sent, other.transports) == ({}, 0, 0)


async def test_a_dialer_without_a_password_gets_no_answer(bench, monkeypatch):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one, other = bench.endpoint(), bench.endpoint()
    other.listen("listener", lambda remote_ufrag: None, lambda remote_ufrag, address, transport: bench.recorder())
    _, recorder = bench.dial(one, other)
    await recorder.until_closed()
    assert other.port.counters.sent == 0


@pytest.mark.parametrize("how", ["none", "error", "closed"])
async def test_a_link_that_the_node_does_not_want_gets_no_answer(bench, monkeypatch, how):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one, other = bench.endpoint(), bench.endpoint()

    def refuse(remote_ufrag, address, transport):
        if how == "error":
            raise RemoteError("no")
        if how == "closed":
            transport.close()
            return bench.recorder()
        return None

    other.listen("listener", lambda remote_ufrag: "password of dialer", refuse)
    _, recorder = bench.dial(one, other)
    await recorder.until_closed()
    assert (other.port.counters.sent, other.transports) == (0, 0)
    assert other.drops.links_refused > 0


async def test_an_endpoint_that_does_not_listen_answers_nobody(bench, monkeypatch):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one, other = bench.endpoint(), bench.endpoint()
    _, recorder = bench.dial(one, other)
    await recorder.until_closed()
    assert (other.port.counters.sent, other.drops.stun_unknown_user > 0) == (0, True)


async def test_incoming_links_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(limits, "links_incoming_max", 1)
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    hub = bench.endpoint()
    links = bench.listen(hub)
    stuck = bench.client(hub)
    check = bench.endpoint().dial(
        hub.port.local,
        local_ufrag="stuck",
        remote_ufrag="listener",
        password="password of stuck",
        fingerprint=hub.fingerprint,
        handler=bench.recorder(),
    )
    stuck.send(check.ice.poll(check.ice.next_at))
    await stuck.receive()
    _, recorder = bench.dial(bench.endpoint(), hub)
    await recorder.until_closed()
    assert hub.drops.links_refused > 0
    assert set(links) == {"stuck"}


async def test_a_dialing_node_that_never_shakes_hands_is_given_up(bench, monkeypatch):
    monkeypatch.setattr(limits, "link_handshake_seconds_max", 0.05)
    hub, one = bench.endpoint(), bench.endpoint()
    links = bench.listen(hub)
    transport, recorder = bench.dial(one, hub, fingerprint="00")
    transport._shake_hands = lambda: None
    await recorder.until_closed()
    assert await links["dialer"][1].until_closed() == "the handshake took too long"
    assert hub.transports == 0


async def test_a_keepalive_of_a_link_that_was_forgotten_gets_no_answer(bench):
    dialer, _, listener, _ = await bench.link()
    one, other = bench.endpoints
    listener._around.on_closed(listener)  # as if the process had been restarted
    assert "PRIORITY" not in parse_message(dialer.ice.poll(dialer.ice.next_at)).attributes
    listener._timer.cancel()
    sent, unknown = other.port.counters.sent, other.drops.stun_unknown_user
    dialer._watch._next_check = 0.0
    dialer._tick()
    arrived = asyncio.Event()
    other.on_datagram = lambda data, address: arrived.set()
    one.send_datagram(b"\xd5", other.port.local)
    await arrived.wait()
    assert (other.port.counters.sent, other.drops.stun_unknown_user) == (sent, unknown + 1)
    listener.close()


async def test_two_nodes_that_dial_each_other_at_once_get_one_link(bench):
    one, other = bench.endpoint(), bench.endpoint()
    links = {one: bench.listen(one), other: bench.listen(other)}
    dials = {one: bench.dial(one, other, "one"), other: bench.dial(other, one, "other")}
    winner, loser = (one, other)
    if dials[one][0].ice.tie_breaker < dials[other][0].ice.tie_breaker:
        winner, loser = other, one
    await dials[winner][1].until_connected()
    assert await dials[loser][1].until_closed() == SUPERSEDED
    await next(iter(links[loser].values()))[1].until_connected()
    assert links[winner] == {}
    assert one.transports == other.transports == 1


async def test_a_node_does_not_link_to_itself(bench, monkeypatch):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one = bench.endpoint()
    links = bench.listen(one)
    _, recorder = bench.dial(one, one)
    await recorder.until_closed()
    assert links == {}


async def test_an_address_of_the_other_family_cannot_be_dialed(bench):
    one = bench.endpoint()
    with pytest.raises(LocalError):
        one.dial(
            ("::1", 9), local_ufrag="a", remote_ufrag="b", password="p", fingerprint="00", handler=bench.recorder()
        )
    assert one.transports == 0


async def test_a_dial_beyond_the_bound_is_refused(bench, monkeypatch):
    monkeypatch.setattr(limits, "transports_max", 0)
    one, other = bench.endpoint(), bench.endpoint()
    with pytest.raises(LocalError, match="room"):
        bench.dial(one, other)


async def test_a_callback_that_fails_costs_only_that_link(bench, caplog, monkeypatch):
    monkeypatch.setattr(limits, "ice_dial_seconds_max", 0.15)
    one, other = bench.endpoint(), bench.endpoint()

    def fail(remote_ufrag):
        raise ZeroDivisionError

    other.listen("listener", fail, lambda remote_ufrag, address, transport: None)
    other.on_datagram = lambda data, address: fail("")
    _, recorder = bench.dial(one, other)
    one.send_datagram(b"\xd5", other.port.local)
    await recorder.until_closed()
    assert other.drops.handler_failures >= 2
    caplog.clear()
    client, _, viewer = await bench.viewer(other)
    client.send(client.srtp.protect_rtcp(RTCP))
    await viewer.until(lambda it: it.rtcp)


async def test_a_handler_that_fails_on_a_message_closes_its_link(bench, caplog):
    dialer, dialer_recorder, _, listener_recorder = await bench.link()
    listener_recorder.raises = ZeroDivisionError()
    dialer.send_control(b"x")
    assert await listener_recorder.until_closed() == "internal error"
    await dialer_recorder.until_closed()
    caplog.clear()
