"""A bad network on loopback, for want of netem: UDP through it is lost, late, out of order or there twice; TCP is not.

A node that is started with `--advertise` and the address of such a relay is reached through it by everybody: its
leases, candidates and URL name it, and one number serves HTTP and media as the node's own does. Every client gets a
flow: a socket of its own towards the node, and two impaired directions with random numbers of their own.
"""

import asyncio
import contextlib
import heapq
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.nodes import NodeProcess, node
from foundation.address import Address, format_address
from foundation.tasks import TaskScope
from swarm.bench.kernel_count import refused

BUFFER_BYTES = 8 << 20
DATAGRAM_BYTES_MAX = 65536
FLOWS_MAX = 256
WAITING_MAX = 20_000
"""Datagrams on their way in one direction of a flow: 400,000 a second for 50 ms."""
REORDERED_SECONDS = (0.002, 0.02)
TCP_CHUNK_BYTES = 65536
TCP_CONNECTIONS_MAX = 256
_SO_RCVBUFFORCE = 33


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of one way; shares are probabilities for each datagram by itself."""

    loss: float = 0.0
    reordering: float = 0.0
    duplication: float = 0.0
    delay_seconds: float = 0.0
    """Of every datagram: half a round trip."""
    reordered_seconds: tuple[float, float] = REORDERED_SECONDS
    """What is reordered takes so much longer (uniform), or overtakes what was sent before where this is negative."""


@dataclass(slots=True)
class Tally:
    """Datagrams of both directions of all flows."""

    passed: int = 0
    lost: int = 0
    reordered: int = 0
    duplicated: int = 0
    overflowed: int = 0
    """Dropped here for want of room, which nobody asked for."""


class Way:
    """One direction of one flow. Sans-IO: datagrams in with `now`, the same out when they are due."""

    def __init__(self, conditions: Conditions, rng: random.Random, tally: Tally) -> None:
        self._conditions = conditions
        self._rng = rng
        self._tally = tally
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0

    def put(self, data: bytes, now: float) -> None:
        conditions, tally, chance = self._conditions, self._tally, self._rng.random
        if chance() < conditions.loss:
            tally.lost += 1
            return
        due = now + conditions.delay_seconds
        if chance() < conditions.reordering:
            tally.reordered += 1
            due += self._rng.uniform(*conditions.reordered_seconds)
        self._add(due, data)
        if chance() < conditions.duplication:
            tally.duplicated += 1
            self._add(due, data)

    def due(self, now: float) -> list[bytes]:
        """What has arrived by now, in its order of arrival."""
        arrived = []
        while self._waiting and self._waiting[0][0] <= now:
            arrived.append(heapq.heappop(self._waiting)[2])
        self._tally.passed += len(arrived)
        return arrived

    def next_at(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def _add(self, due: float, data: bytes) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._tally.overflowed += 1
            return
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, data))


class _Line:
    """A way with a timer: what is put in at one end is sent at the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, way: Way, send: Callable[[bytes], None]) -> None:
        self._loop, self._way, self._send = loop, way, send
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: list[bytes]) -> None:
        now = self._loop.time()
        for datagram in data:
            self._way.put(datagram, now)
        self._pass_on()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _pass_on(self) -> None:
        """uvloop's timers ring up to a millisecond early."""
        for datagram in self._way.due(self._loop.time() + 0.0005):
            self._send(datagram)
        self.close()
        next_at = self._way.next_at()
        self._timer = None if next_at is None else self._loop.call_at(next_at, self._pass_on)


@dataclass(slots=True)
class _Flow:
    socket: socket.socket
    up: _Line
    down: _Line


@dataclass(slots=True)
class Impairment:
    """The relay in front of one node; made by `impairment`. TCP is passed on as it is."""

    target: Address
    up: Conditions
    """Towards the node."""
    down: Conditions
    """From the node to its clients."""
    seed: int
    tally: Tally = field(default_factory=Tally)
    _flows: dict[Address, _Flow] = field(default_factory=dict)
    _address: Address = field(init=False)
    _socket: socket.socket = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _tasks: TaskScope = field(default_factory=lambda: TaskScope("impairment", TCP_CONNECTIONS_MAX))

    @property
    def address(self) -> Address:
        return self._address

    @property
    def authority(self) -> str:
        """`host:port`, for `--advertise` and `--join`."""
        return "{}:{}".format(*self.address)

    def overflowed(self) -> int:
        """Datagrams which were lost here without being asked for, in the kernel's buffers too."""
        sockets = [self._socket, *(flow.socket for flow in self._flows.values())]
        return self.tally.overflowed + sum(refused(each) for each in sockets)

    async def serve(self) -> asyncio.Server:
        """Opens both ports, on the same number."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            self._address = server.sockets[0].getsockname()
            self._socket = _udp_socket(self._address)
        except OSError:
            server.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._from_clients)
        return server

    async def close(self) -> None:
        for flow in self._flows.values():
            flow.up.close()
            flow.down.close()
        for each in [self._socket, *(flow.socket for flow in self._flows.values())]:
            self._loop.remove_reader(each.fileno())
            each.close()
        await self._tasks.close()

    # --- UDP ---

    def _from_clients(self) -> None:
        arrived: dict[Address, list[bytes]] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                data, client = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
                arrived.setdefault(client, []).append(data)
        for client, datagrams in arrived.items():
            if (flow := self._flows.get(client) or self._opened(client)) is not None:
                flow.up.put(datagrams)

    def _opened(self, client: Address) -> _Flow | None:
        if len(self._flows) >= FLOWS_MAX:
            self.tally.overflowed += 1
            return None
        towards = _udp_socket(("127.0.0.1", 0))
        towards.connect(self.target)
        flow = _Flow(
            towards,
            self._line("up", self.up, lambda data: _send(towards.send, data)),
            self._line("down", self.down, lambda data: _send(lambda d: self._socket.sendto(d, client), data)),
        )
        self._flows[client] = flow
        self._loop.add_reader(towards.fileno(), self._from_node, flow)
        return flow

    def _line(self, name: str, conditions: Conditions, send: Callable[[bytes], None]) -> _Line:
        rng = random.Random(f"{self.seed} {name} {len(self._flows)}")
        return _Line(self._loop, Way(conditions, rng, self.tally), send)

    def _from_node(self, flow: _Flow) -> None:
        datagrams = []
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                datagrams.append(flow.socket.recv(DATAGRAM_BYTES_MAX))
        flow.down.put(datagrams)

    # --- TCP ---

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._tasks.spawn(_spliced(reader, writer, self.target), "connection") is None:
            writer.close()


@asynccontextmanager
async def impairment(
    target: Address, up: Conditions, down: Conditions | None = None, *, seed: int = 1
) -> AsyncIterator[Impairment]:
    """A relay in front of `target`, which need not be there yet; both ways as `up` says unless `down` differs."""
    relay = Impairment(target, up, down or up, seed)
    server = await relay.serve()
    try:
        yield relay
    finally:
        server.close()
        await relay.close()


@asynccontextmanager
async def impaired_node(
    conditions: Conditions, *options: str, seed: int = 1
) -> AsyncIterator[tuple[NodeProcess, Impairment]]:
    """A node that everybody reaches through a relay, under the address that it says to be its own."""
    target = free_address()
    own = format_address(target)
    async with (
        impairment(target, conditions, seed=seed) as relay,
        node("--listen", own, "--advertise", relay.authority, *options) as server,
    ):
        yield server, relay


def free_address() -> Address:
    """A loopback address whose TCP and UDP ports are free at this moment, for a node that is told beforehand."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            host, port = tcp.getsockname()
            with contextlib.suppress(OSError):
                udp.bind((host, port))
                return host, port


async def _spliced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address) -> None:
    """A TCP connection to `target`, until both directions have ended."""
    ends = [writer]
    try:
        from_target, to_target = await asyncio.open_connection(*target)
        ends.append(to_target)
        await asyncio.gather(_copied(reader, to_target), _copied(from_target, writer))
    except OSError:
        pass
    finally:
        for end in ends:
            end.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(TCP_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _udp_socket(address: Address) -> socket.socket:
    udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp_socket.setblocking(False)
        try:
            udp_socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:
            udp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        udp_socket.bind(address)
    except BaseException:
        udp_socket.close()
        raise
    return udp_socket


def _send(send: Callable[[bytes], int], data: bytes) -> None:
    """The node may not be there yet, or no more: then it is the network that loses this."""
    with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
        send(data)
