"""Clients on loopback, by hand: ICE, DTLS, SRTP, and what is refused."""

import asyncio
import dataclasses
import gc
import weakref

import pytest
import uvloop
from OpenSSL import SSL

from foundation import limits
from foundation.errors import BadOffer, RemoteError, SwarmFull
from media.srtp import AES_128_GCM

pytestmark = pytest.mark.usefixtures("quiet")

RTCP = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])


def rtp(sequence: int, ssrc: int = 7) -> bytes:
    return bytes([0x80, 96]) + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"payload"


async def test_a_client_connects_and_media_flows_both_ways(bench):
    endpoint = bench.endpoint()
    client, transport, recorder = await bench.viewer(endpoint)
    assert transport.state == "connected"
    assert transport.remote == client.port.local
    assert transport.remote_fingerprint == client.fingerprint
    client.send(client.protected(rtp(1)))
    client.send(client.srtp.protect_rtcp(RTCP))
    await recorder.until(lambda it: it.rtp and it.rtcp)
    assert (recorder.rtp, recorder.rtcp) == ([rtp(1)], [RTCP])
    transport.send_rtcp(RTCP)
    assert client.srtp.unprotect_rtcp(await client.receive()) == RTCP


async def test_aes_128_gcm_is_chosen_although_the_client_prefers_others(bench):
    _, transport, _ = await bench.viewer(bench.endpoint())
    assert transport.srtp.profile is AES_128_GCM


async def test_packets_of_one_wake_are_one_burst_per_transport(bench):
    endpoint = bench.endpoint()
    one, _, one_recorder = await bench.viewer(endpoint)
    other, _, other_recorder = await bench.viewer(endpoint)
    for sequence in range(10):
        one.send(one.protected(rtp(sequence)))
        other.send(other.protected(rtp(sequence)))
    await one_recorder.until(lambda it: it.rtp)
    await other_recorder.until(lambda it: it.rtp)
    assert one_recorder.bursts == other_recorder.bursts == [[rtp(sequence) for sequence in range(10)]]


async def test_media_in_the_burst_that_ends_the_handshake_is_not_lost(bench):
    endpoint, recorder = bench.endpoint(), bench.recorder()
    client = bench.client(endpoint)
    transport = endpoint.accept(dataclasses.replace(client.peer, setup="passive"), recorder)
    await client.validate(transport)
    await client.shake_hands_as_server()
    client.send(client.protected(rtp(1)))
    client.send(client.protected(rtp(2)))
    await recorder.until(lambda it: len(it.rtp) == 2)
    assert recorder.rtp == [rtp(1), rtp(2)]


async def test_a_check_is_answered_with_the_mapped_address(bench):
    endpoint = bench.endpoint()
    client = bench.client(endpoint)
    transport = endpoint.accept(client.peer, bench.recorder())
    response = await client.validate(transport)
    assert response.attributes["XOR-MAPPED-ADDRESS"] == client.port.local
    assert "FINGERPRINT" in response.attributes
    assert transport.state == "connecting"


async def test_an_ipv4_client_of_a_dual_stack_endpoint_connects(bench):
    try:
        endpoint = bench.endpoint("::")
    except OSError:
        pytest.skip("this machine has no IPv6")
    client, recorder = bench.client(endpoint), bench.recorder()
    client.target = ("127.0.0.1", endpoint.port.local[1])
    transport = endpoint.accept(client.peer, recorder)
    response = await client.validate(transport)
    assert response.attributes["XOR-MAPPED-ADDRESS"] == client.port.local
    await client.shake_hands()
    await recorder.until_connected()
    assert transport.remote == client.port.local
    client.send(client.protected(rtp(1)))
    await recorder.until(lambda it: it.rtp)
    transport.send_rtcp(RTCP)
    assert client.srtp.unprotect_rtcp(await client.receive()) == RTCP


def test_it_works_on_uvloop(bench_type):
    async def exchange():
        bench = bench_type()
        _, transport, _ = await bench.viewer(bench.endpoint())
        assert transport.state == "connected"
        dialer, _, _, recorder = await bench.link()
        dialer.send_control(b"hello")
        await recorder.until(lambda it: it.messages)
        await bench.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exchange())


async def test_another_certificate_than_the_offers_is_refused(bench):
    endpoint, recorder = bench.endpoint(), bench.recorder()
    client = bench.client(endpoint)
    peer = dataclasses.replace(client.peer, fingerprints=(("sha-256", ":".join(["AB"] * 32)),))
    transport = endpoint.accept(peer, recorder)
    await client.validate(transport)
    await client.shake_hands()
    client.send(client.protected(rtp(1)))
    assert "certificate" in await recorder.until_closed()
    assert (recorder.connected, recorder.rtp, transport.srtp) == (0, [], None)
    assert endpoint.transports == 0


async def test_an_offer_without_a_fingerprint_is_bad(bench):
    endpoint = bench.endpoint()
    with pytest.raises(BadOffer):
        endpoint.accept(dataclasses.replace(bench.client(endpoint).peer, fingerprints=()), bench.recorder())


async def test_a_client_that_says_goodbye_is_closed(bench):
    client, _, recorder = await bench.viewer(bench.endpoint())
    client.goodbye()
    assert await recorder.until_closed() == "the peer closed the DTLS association"


async def test_closing_says_goodbye_to_the_client(bench):
    client, transport, recorder = await bench.viewer(bench.endpoint())
    transport.close("enough")
    client.ssl.bio_write(await client.receive())
    with pytest.raises(SSL.ZeroReturnError):
        client.ssl.recv(100)
    assert recorder.closed == ["enough"]


async def test_a_closed_transport_answers_no_checks(bench):
    endpoint = bench.endpoint()
    client, transport, _ = await bench.viewer(endpoint)
    transport.close()
    await client.receive()  # close_notify
    client.send(client.check(transport))
    client.send(client.protected(rtp(1)))
    await bench.viewer(endpoint)
    assert client.received == []
    assert endpoint.drops.stun_unknown_user == 1
    assert endpoint.drops.srtp_unvalidated == 1


async def test_a_client_that_moves_takes_its_media_along(bench):
    endpoint = bench.endpoint()
    client, transport, recorder = await bench.viewer(endpoint)
    elsewhere = bench.client(endpoint)
    elsewhere.srtp = client.srtp
    await elsewhere.validate(transport, nominate=False)
    transport.send_rtcp(RTCP)
    assert client.srtp.unprotect_rtcp(await client.receive()) == RTCP
    await elsewhere.validate(transport, nominate=True)
    assert transport.remote == elsewhere.port.local
    transport.send_rtcp(RTCP)
    assert client.srtp.unprotect_rtcp(await elsewhere.receive()) == RTCP
    elsewhere.send(elsewhere.protected(rtp(1)))
    await recorder.until(lambda it: it.rtp)


async def test_an_address_of_a_live_client_cannot_be_taken_away(bench):
    endpoint = bench.endpoint()
    victim, transport, recorder = await bench.viewer(endpoint)
    other = endpoint.accept(victim.peer, bench.recorder())
    victim.send(victim.check(other))  # a thief with a session of its own, and the victim's source address
    victim.send(victim.protected(rtp(1)))
    await recorder.until(lambda it: it.rtp)
    assert endpoint.drops.address_held == 1
    assert (transport.state, other.state) == ("connected", "new")
    assert victim.received == []


async def test_the_port_of_a_silent_client_may_be_used_by_another(bench, monkeypatch):
    monkeypatch.setattr(limits, "address_held_seconds", -1.0)
    endpoint = bench.endpoint()
    client, transport, _ = await bench.viewer(endpoint)
    second = bench.recorder()
    other = endpoint.accept(client.peer, second)
    await client.validate(other)
    await client.shake_hands()
    await second.until_connected()
    assert (other.remote, transport.remote) == (client.port.local, None)


async def test_validated_addresses_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(limits, "ice_addresses_max", 2)
    endpoint = bench.endpoint()
    client, transport, recorder = await bench.viewer(endpoint)
    others = [bench.client(endpoint) for _ in range(3)]
    for other in others:
        other.srtp = client.srtp
        await other.validate(transport, nominate=False)
    others[0].send(client.protected(rtp(1)))
    others[2].send(client.protected(rtp(2)))
    client.send(client.protected(rtp(3)))
    await recorder.until(lambda it: len(it.rtp) == 2)
    assert endpoint.drops.srtp_unvalidated == 1


async def test_no_more_transports_than_there_is_room_for(bench, monkeypatch):
    monkeypatch.setattr(limits, "transports_max", 2)
    endpoint = bench.endpoint()
    peer = bench.client(endpoint).peer
    first = endpoint.accept(peer, bench.recorder())
    endpoint.accept(peer, bench.recorder())
    with pytest.raises(SwarmFull):
        endpoint.accept(peer, bench.recorder())
    first.close()
    endpoint.accept(peer, bench.recorder())


async def test_no_more_handshakes_at_once_than_the_bound(bench, monkeypatch):
    monkeypatch.setattr(limits, "transports_unconnected_max", 1)
    endpoint = bench.endpoint()
    await bench.viewer(endpoint)
    client, _, _ = await bench.viewer(endpoint)
    endpoint.accept(client.peer, bench.recorder())
    with pytest.raises(SwarmFull):
        endpoint.accept(client.peer, bench.recorder())


async def test_a_client_that_never_finishes_is_closed(bench, monkeypatch):
    monkeypatch.setattr(limits, "handshake_seconds_max", 0.05)
    endpoint, recorder = bench.endpoint(), bench.recorder()
    client = bench.client(endpoint)
    await client.validate(endpoint.accept(client.peer, recorder))
    assert await recorder.until_closed() == "the handshake took too long"
    assert endpoint.transports == 0


async def test_a_handler_that_refuses_the_peer_closes_only_that_transport(bench):
    endpoint = bench.endpoint()
    client, _, recorder = await bench.viewer(endpoint)
    other, _, other_recorder = await bench.viewer(endpoint)
    recorder.raises = RemoteError("no such stream")
    client.send(client.protected(rtp(1)))
    other.send(other.protected(rtp(1)))
    await other_recorder.until(lambda it: it.rtp)
    assert await recorder.until_closed() == "no such stream"
    assert other_recorder.closed == []


async def test_datagrams_of_the_dht_go_to_their_callback_and_back(bench):
    one, other = bench.endpoint(), bench.endpoint()
    arrived: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
    other.on_datagram = lambda data, address: arrived.put_nowait((data, address))
    one.send_datagram(b"\xd5hello", other.port.local)
    assert await arrived.get() == (b"\xd5hello", one.port.local)


async def test_a_datagram_to_nowhere_is_counted(bench):
    endpoint = bench.endpoint()
    endpoint.send_datagram(b"\xd5", ("::1", 9))
    assert endpoint.drops.datagrams_unsent == 1


async def test_closing_the_endpoint_tells_everybody(bench):
    endpoint = bench.endpoint()
    client, _, recorder = await bench.viewer(endpoint)
    waiting = bench.recorder()
    endpoint.accept(client.peer, waiting)
    await endpoint.close()
    assert recorder.closed == waiting.closed == ["this node is shutting down"]
    with pytest.raises(SwarmFull):
        endpoint.accept(client.peer, bench.recorder())


async def test_everything_that_is_counted_has_a_name(bench):
    counters = bench.endpoint().counters
    assert counters["port_received"] == counters["dropped_srtp_unvalidated"] == 0


async def test_a_port_in_use_is_an_os_error(bench):
    endpoint = bench.endpoint()
    with pytest.raises(OSError, match="in use"):
        type(endpoint).open(*endpoint.port.local, asyncio.get_running_loop())


async def test_a_closed_transport_and_its_association_need_no_garbage_collector(bench):
    endpoint = bench.endpoint()
    _, transport, recorder = await bench.viewer(endpoint)
    gone = weakref.ref(transport), weakref.ref(transport._association)
    gc.disable()
    try:
        transport.close()
        await recorder.until_closed()
        del transport
        async with asyncio.timeout(10):
            while any(reference() for reference in gone):
                await asyncio.sleep(0)
    finally:
        gc.enable()
