"""Whatever comes from an address without a valid check disturbs nothing and gets no answer, at any time."""

import asyncio
import os

import pytest
from aioice.stun import Class, Message, Method
from hypothesis import given, settings
from hypothesis import strategies as st

from media.endpoint import Endpoint

pytestmark = pytest.mark.usefixtures("quiet")

RTCP = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])
RTP = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"


def binding(message_class: Class, **attributes: object) -> bytes:
    message = Message(Method.BINDING, message_class)
    message.attributes = dict(attributes)
    return bytes(message)


def noise(stranger, transport) -> list[bytes]:
    """What strangers send: empty, short, random, of every first byte; forged DTLS, SRTP and STUN."""
    datagrams = [b"", *(bytes([first]) for first in range(256) if first != 0xD5)]
    datagrams += [bytes([first]) + os.urandom(60) for first in range(256) if first != 0xD5]
    hello = stranger.client_hello()
    datagrams += [hello, hello[:20], hello + hello]
    datagrams += [RTP + os.urandom(16), RTCP + os.urandom(20), RTP]
    signed = stranger.check(transport, password="guess")
    datagrams += [signed, *(signed[:length] for length in range(len(signed)))]
    username = f"{transport.local_ufrag}:{transport.remote_ufrag}"
    datagrams += [
        binding(Class.REQUEST),
        binding(Class.REQUEST, USERNAME=username),
        binding(Class.REQUEST, USERNAME="somebody:else"),
        binding(Class.INDICATION, USERNAME=username),
        binding(Class.RESPONSE, **{"XOR-MAPPED-ADDRESS": ("192.0.2.1", 9)}),
        binding(Class.ERROR, **{"ERROR-CODE": (487, "Role Conflict")}),
    ]
    return datagrams


async def seen(endpoint: Endpoint, stranger) -> None:
    """Everything the stranger has sent so far was looked at."""
    done = asyncio.Event()
    endpoint.on_datagram = lambda data, address: done.set()
    stranger.send(b"\xd5")
    await asyncio.wait_for(done.wait(), 20)


async def make_noise(endpoint: Endpoint, stranger, transport) -> None:
    for data in noise(stranger, transport):
        stranger.port.send(data, stranger.port.sockaddr(endpoint.port.local))
    await seen(endpoint, stranger)


async def test_strangers_disturb_no_client_during_set_up_or_after(bench):
    endpoint, recorder = bench.endpoint(), bench.recorder()
    stranger, client = bench.client(endpoint), bench.client(endpoint)
    transport = endpoint.accept(client.peer, recorder)
    await make_noise(endpoint, stranger, transport)
    assert transport.state == "new"
    await client.validate(transport)
    await make_noise(endpoint, stranger, transport)
    assert transport.state == "connecting"
    hello = client.client_hello()
    client.send(hello)
    await make_noise(endpoint, stranger, transport)
    await client._until_finished()
    await recorder.until_connected()
    client.srtp = type(transport.srtp)(client._keys(is_server=False))
    await make_noise(endpoint, stranger, transport)
    client.send(client.protected(RTP))
    transport.send_rtcp(RTCP)
    await recorder.until(lambda it: it.rtp)
    assert recorder.rtp == [RTP]
    assert client.srtp.unprotect_rtcp(await next_srtp(client)) == RTCP
    assert stranger.received == []
    drops = endpoint.drops
    assert min(drops.dtls_unvalidated, drops.srtp_unvalidated, drops.unknown_kind, drops.stun_malformed) > 100
    assert min(drops.stun_unknown_user, drops.stun_unauthenticated, drops.stun_ignored) > 0
    assert (drops.srtp_refused, drops.handler_failures, drops.dtls_overflow) == (0, 0, 0)


async def next_srtp(client) -> bytes:
    """The next SRTP packet that the client gets."""
    while True:
        data = await client.receive()
        if 128 <= data[0] <= 191:
            return data


async def test_strangers_disturb_no_link_during_set_up_or_after(bench):
    one, other = bench.endpoint(), bench.endpoint()
    strangers = [(endpoint, bench.client(endpoint)) for endpoint in (one, other)]
    links = bench.listen(other)
    transport, recorder = bench.dial(one, other)
    while not recorder.connected:
        for endpoint, stranger in strangers:
            await make_noise(endpoint, stranger, transport)
    await links["dialer"][1].until_connected()
    for endpoint, stranger in strangers:
        await make_noise(endpoint, stranger, transport)
    transport.send_control(b"still here")
    await links["dialer"][1].until(lambda it: it.messages)
    assert [stranger.received for _, stranger in strangers] == [[], []]
    assert len(links) == 1


async def test_forged_packets_with_the_clients_source_address_do_not_disturb_it(bench):
    endpoint = bench.endpoint()
    client, transport, recorder = await bench.viewer(endpoint)
    connection = client.ssl
    for data in noise(client, transport):
        client.port.send(data, client.port.sockaddr(endpoint.port.local))
    await seen(endpoint, client)
    assert transport.state == "connected"
    client.ssl = connection
    client.send(client.protected(RTP))
    await recorder.until(lambda it: it.rtp)
    assert not [data for data in client.received if data[0] < 4]
    assert endpoint.drops.srtp_refused > 0
    client.goodbye()
    await recorder.until_closed()


async def test_forged_packets_with_a_nodes_source_address_do_not_disturb_its_link(bench):
    dialer, dialer_recorder, listener, listener_recorder = await bench.link()
    one, other = bench.endpoints
    stranger = bench.client(one)
    for data in noise(stranger, dialer):
        one.port.send(data, one.port.sockaddr(other.port.local))
        other.port.send(data, other.port.sockaddr(one.port.local))
    await seen(one, stranger)
    dialer.send_control(b"still here")
    listener.send_control(b"here too")
    await listener_recorder.until(lambda it: it.messages)
    await dialer_recorder.until(lambda it: it.messages)


async def test_a_replayed_check_from_elsewhere_with_another_password_moves_nothing(bench):
    endpoint = bench.endpoint()
    client, transport, _ = await bench.viewer(endpoint)
    thief = bench.client(endpoint)
    thief.send(client.check(transport, password="x" * 32))
    await seen(endpoint, thief)
    assert transport.remote == client.port.local
    assert thief.received == []


async def test_a_valid_check_copied_off_the_wire_moves_nothing_and_is_not_answered(bench):
    endpoint = bench.endpoint()
    client, transport, _ = await bench.viewer(endpoint)
    thief = bench.client(endpoint)
    copy = client.check(transport)
    client.send(copy)
    await seen(endpoint, client)
    thief.send(copy)
    await seen(endpoint, thief)
    assert transport.remote == client.port.local
    assert thief.received == []
    assert endpoint.drops.stun_copied == 1


@settings(max_examples=50, deadline=None)
@given(datagrams=st.lists(st.binary(max_size=200).filter(lambda data: data[:1] != b"\xd5"), max_size=20))
async def test_any_datagrams_are_dropped_in_silence(bench_type, datagrams):
    bench = bench_type()
    endpoint = bench.endpoint()
    stranger = bench.client(endpoint)
    for data in datagrams:
        stranger.send(data)
    await seen(endpoint, stranger)
    assert stranger.received == []
    assert endpoint.port.counters.sent == 0
    await bench.close()
