"""Endpoints on loopback, a handler that records, and a client made by hand which can misbehave."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aioice.stun import Class, Message, Method, parse_message
from OpenSSL import SSL

from foundation.address import Address
from media.dtls import DtlsIdentity
from media.endpoint import Endpoint
from media.peer import RemotePeer
from media.port import UdpPort
from media.srtp import PROFILES, SendBuffer, Srtp, SrtpKeys
from media.transport import Transport

WAIT_SECONDS = 20.0


class Recorder:
    """A `TransportHandler` that keeps everything, and waits for conditions."""

    def __init__(self) -> None:
        self.connected = 0
        self.closed: list[str] = []
        self.bursts: list[list[bytes]] = []
        self.rtcp: list[bytes] = []
        self.messages: list[bytes] = []
        self.raises: Exception | None = None
        self._changed = asyncio.Event()

    @property
    def rtp(self) -> list[bytes]:
        return [packet for burst in self.bursts for packet in burst]

    async def until(self, condition: Callable[["Recorder"], object]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_connected(self) -> None:
        await self.until(lambda self: self.connected or self.closed)
        assert not self.closed

    async def until_closed(self) -> str:
        await self.until(lambda self: self.closed)
        return self.closed[0]

    def transport_connected(self) -> None:
        self.connected += 1
        self._note()

    def transport_closed(self, reason: str) -> None:
        self.closed.append(reason)
        self._note()

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        self.bursts.append(packets)
        self._note()

    def rtcp_received(self, packet: bytes, now: float) -> None:
        self.rtcp.append(packet)
        self._note()

    def control_received(self, data: bytes) -> None:
        self.messages.append(data)
        self._note()

    def _note(self) -> None:
        self._changed.set()
        if self.raises is not None:
            raise self.raises


class Client:
    """An ICE agent with DTLS and SRTP, by hand: one socket, and every step on its own."""

    def __init__(self, endpoint: Endpoint, identity: DtlsIdentity) -> None:
        self.port = UdpPort.open("127.0.0.1", 0)
        self.target = endpoint.port.local
        self.identity = identity
        self.fingerprint = identity.fingerprint
        self.received: list[bytes] = []
        self.ssl: SSL.Connection | None = None
        self.srtp: Srtp | None = None
        self._arrived = asyncio.Event()
        self.port.start(asyncio.get_running_loop(), self._on_burst)

    @property
    def peer(self) -> RemotePeer:
        """How the client's offer describes it."""
        return RemotePeer("cli/ent+", "c" * 24, (("sha-256", self.fingerprint),), "actpass")

    def send(self, data: bytes) -> None:
        assert self.port.send(data, self.port.sockaddr(self.target))

    async def receive(self) -> bytes:
        async with asyncio.timeout(WAIT_SECONDS):
            while not self.received:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received.pop(0)

    def check(self, transport: Transport, *, nominate: bool = True, password: str | None = None) -> bytes:
        """A connectivity check for a transport, as a full agent sends it."""
        request = Message(Method.BINDING, Class.REQUEST)
        request.attributes["USERNAME"] = f"{transport.local_ufrag}:{transport.remote_ufrag}"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 1
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity((password or transport.local_pwd).encode())
        return bytes(request)

    async def validate(self, transport: Transport, *, nominate: bool = True) -> Message:
        """A check and its answer."""
        self.send(self.check(transport, nominate=nominate))
        while True:
            data = await self.receive()
            if data[0] < 4:
                response = parse_message(data)
                assert response.check_message_integrity(transport.local_pwd.encode())
                return response

    def client_hello(self) -> bytes:
        """The first flight of a new DTLS client."""
        self.ssl = self._connection()
        self.ssl.set_connect_state()
        return self._step()

    async def shake_hands(self) -> None:
        """As a DTLS client, with the SRTP profiles in the reverse of our order."""
        self.send(self.client_hello())
        await self._until_finished()
        self.srtp = Srtp(self._keys(is_server=False))

    async def shake_hands_as_server(self) -> None:
        """The last flight is ours, so that media may follow on its heels."""
        self.ssl = self._connection()
        self.ssl.set_accept_state()
        await self._until_finished()
        self.srtp = Srtp(self._keys(is_server=True))

    def protected(self, packet: bytes) -> bytes:
        assert self.srtp is not None
        buffer = SendBuffer()
        buffer.view[: len(packet)] = packet
        return bytes(buffer.view[: self.srtp.protect_at(buffer.cdata, 0, len(packet))])

    def goodbye(self) -> None:
        assert self.ssl is not None
        self.ssl.shutdown()
        self._flush(self.ssl.bio_read(2000))

    def close(self) -> None:
        self.port.close()

    def _connection(self) -> SSL.Connection:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(self.identity.certificate._cert)
        context.use_privatekey(self.identity.certificate._key)
        context.set_tlsext_use_srtp(b":".join(profile.name.encode() for profile in reversed(PROFILES)))
        return SSL.Connection(context)

    async def _until_finished(self) -> None:
        assert self.ssl is not None
        while not self._finished():
            data = await self.receive()
            if 20 <= data[0] <= 63:
                self.ssl.bio_write(data)
                self._flush(self._step())

    def _finished(self) -> bool:
        assert self.ssl is not None
        try:
            self.ssl.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def _step(self) -> bytes:
        assert self.ssl is not None
        self._finished()
        try:
            return self.ssl.bio_read(2000)
        except SSL.WantReadError:
            return b""

    def _flush(self, data: bytes) -> None:
        if data:
            self.send(data)

    def _keys(self, *, is_server: bool) -> SrtpKeys:
        assert self.ssl is not None
        profile = next(p for p in PROFILES if p.name.encode() == self.ssl.get_selected_srtp_profile())
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        return SrtpKeys(profile, server, client) if is_server else SrtpKeys(profile, client, server)

    def _on_burst(self, burst: list[tuple[bytes, Address]], now: float) -> None:
        self.received += [data for data, _ in burst]
        self._arrived.set()


class Bench:
    """Opens what a test needs, and closes it."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.clients: list[Client] = []
        self.identity = DtlsIdentity()

    def endpoint(self, host: str = "127.0.0.1") -> Endpoint:
        endpoint = Endpoint.open(host, 0, asyncio.get_running_loop())
        self.endpoints.append(endpoint)
        return endpoint

    def client(self, endpoint: Endpoint) -> Client:
        client = Client(endpoint, self.identity)
        self.clients.append(client)
        return client

    def recorder(self) -> Recorder:
        return Recorder()

    async def viewer(self, endpoint: Endpoint) -> tuple[Client, Transport, Recorder]:
        """A client that is connected."""
        client, recorder = self.client(endpoint), Recorder()
        transport = endpoint.accept(client.peer, recorder)
        await client.validate(transport)
        await client.shake_hands()
        await recorder.until_connected()
        return client, transport, recorder

    def listen(self, endpoint: Endpoint) -> dict[str, tuple[Transport, Recorder]]:
        """Takes all links; they appear in the result under the ufrag of who dialed."""
        links: dict[str, tuple[Transport, Recorder]] = {}

        def on_dialed(remote_ufrag: str, address: Address, transport: Transport) -> Recorder:
            links[remote_ufrag] = (transport, Recorder())
            return links[remote_ufrag][1]

        endpoint.listen("listener", lambda remote_ufrag: f"password of {remote_ufrag}", on_dialed)
        return links

    def dial(
        self, endpoint: Endpoint, other: Endpoint, ufrag: str = "dialer", **changes: str
    ) -> tuple[Transport, Recorder]:
        recorder = Recorder()
        arguments = {
            "local_ufrag": ufrag,
            "remote_ufrag": "listener",
            "password": f"password of {ufrag}",
            "fingerprint": other.fingerprint,
        }
        return endpoint.dial(other.port.local, handler=recorder, **(arguments | changes)), recorder

    async def link(self) -> tuple[Transport, Recorder, Transport, Recorder]:
        """A connected link between two new endpoints: the dialing end first."""
        one, other = self.endpoint(), self.endpoint()
        links = self.listen(other)
        transport, recorder = self.dial(one, other)
        await recorder.until_connected()
        await links["dialer"][1].until_connected()
        return transport, recorder, *links["dialer"]

    async def close(self) -> None:
        for client in self.clients:
            client.close()
        for endpoint in self.endpoints:
            await endpoint.close()
            assert endpoint.transports == 0


@pytest.fixture(scope="session")
def bench_type() -> type[Bench]:
    """For a test that runs a loop of its own."""
    return Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """What it opened is closed in the end, and leaves no task."""
    bench = Bench()
    yield bench
    await bench.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing was logged at warning or above, not even by the garbage collector for a task whose exception was lost."""
    yield
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
