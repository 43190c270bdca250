import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest
import uvloop

from foundation import limits
from foundation.address import Address
from foundation.errors import LocalError
from media.port import UdpPort


class Burst:
    """What a port handed over, and the wait for it."""

    def __init__(self, port: UdpPort) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []
        self.sizes: list[int] = []
        self._arrived = asyncio.Event()
        port.start(asyncio.get_running_loop(), self._on_burst)

    def _on_burst(self, burst: list[tuple[bytes, Address]], now: float) -> None:
        assert now <= asyncio.get_running_loop().time()
        self.datagrams += burst
        self.sizes.append(len(burst))
        self._arrived.set()

    async def until(self, count: int) -> list[bytes]:
        while len(self.datagrams) < count:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), 10)
        return [data for data, _ in self.datagrams]


class HandLoop:
    """A loop whose reader and timer are turned by hand."""

    def __init__(self) -> None:
        self.now = 5.0
        self.reader: Callable[[], None] | None = None
        self.timer: Callable[[], None] | None = None
        self.rings_at = 0.0

    def time(self) -> float:
        return self.now

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self.reader = callback

    def remove_reader(self, fd: int) -> None:
        self.reader = None

    def call_at(self, when: float, callback: Callable[[], None]) -> "HandLoop":
        self.rings_at, self.timer = when, callback
        return self

    def cancel(self) -> None:
        self.timer = None

    def ring(self) -> None:
        timer, self.timer = self.timer, None
        assert timer is not None
        timer()


class RefusingSocket(socket.socket):
    """A socket whose kernel refuses segmented sends."""

    refusals = 0
    error = errno.EINVAL

    def sendmsg(self, *args: object) -> int:
        self.refusals += 1
        raise OSError(self.error, "no")


class FailingSocket(socket.socket):
    """A socket that cannot send: full, or without a route."""

    error: Callable[[], OSError] = OSError

    def sendto(self, *args: object) -> int:
        raise self.error()

    def sendmsg(self, *args: object) -> int:
        raise self.error()


class NoisySocket(socket.socket):
    """A socket that reports the ICMP error of an earlier send before each datagram."""

    turn = 0

    def recvfrom(self, *args: int) -> tuple[bytes, object]:
        self.turn += 1
        if self.turn % 2:
            raise ConnectionRefusedError
        return super().recvfrom(*args)


def bound(kind: type[socket.socket]) -> UdpPort:
    udp_socket = kind(socket.AF_INET, socket.SOCK_DGRAM)
    udp_socket.setblocking(False)
    udp_socket.bind(("127.0.0.1", 0))
    return UdpPort(udp_socket)


@pytest.fixture
def port():
    port = UdpPort.open("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
def other():
    port = UdpPort.open("127.0.0.1", 0)
    yield port
    port.close()


async def exchange() -> None:
    one, other = UdpPort.open("127.0.0.1", 0), UdpPort.open("127.0.0.1", 0)
    try:
        received = Burst(other)
        for index in range(100):
            assert one.send(bytes([index]), one.sockaddr(other.local))
        assert await received.until(100) == [bytes([index]) for index in range(100)]
        assert {address for _, address in received.datagrams} == {one.local}
    finally:
        one.close()
        other.close()


def test_datagrams_arrive_on_asyncios_own_loop():
    with asyncio.Runner() as runner:
        runner.run(exchange())


def test_datagrams_arrive_on_uvloop():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exchange())


async def test_one_wake_drains_everything_into_one_burst(port, other):
    for index in range(50):
        port.send(bytes([index]), port.sockaddr(other.local))
    received = Burst(other)
    await received.until(50)
    assert received.sizes == [50]


async def test_one_wake_drains_no_more_than_its_bound(port, other, monkeypatch):
    monkeypatch.setattr(limits, "datagrams_per_wake_max", 4)
    for index in range(10):
        port.send(bytes([index]), port.sockaddr(other.local))
    received = Burst(other)
    await received.until(10)
    assert max(received.sizes) == 4


async def test_empty_and_oversized_datagrams_are_dropped_and_counted(port, other):
    received = Burst(other)
    for data in (b"", bytes(limits.datagram_bytes_max + 1), bytes(9000), bytes(limits.datagram_bytes_max), b"x"):
        assert port.send(data, port.sockaddr(other.local))
    assert [len(data) for data in await received.until(2)] == [limits.datagram_bytes_max, 1]
    assert (other.counters.dropped_empty, other.counters.dropped_oversized, other.counters.received) == (1, 2, 2)


async def test_an_empty_burst_is_not_handed_over(port, other):
    received = Burst(other)
    port.send(b"", port.sockaddr(other.local))
    port.send(b"x", port.sockaddr(other.local))
    await received.until(1)
    assert 0 not in received.sizes


async def test_icmp_errors_are_nobodys_failure(port):
    noisy = bound(NoisySocket)
    try:
        received = Burst(noisy)
        port.send(b"a", port.sockaddr(noisy.local))
        port.send(b"b", port.sockaddr(noisy.local))
        assert await received.until(2) == [b"a", b"b"]
        assert noisy.counters.receive_errors >= 2
    finally:
        noisy.close()


async def test_a_closed_peer_disturbs_neither_sending_nor_receiving(port, other):
    received = Burst(port)
    gone = UdpPort.open("127.0.0.1", 0)
    address = gone.local
    gone.close()
    for _ in range(5):
        port.send(b"x", port.sockaddr(address))
    other.send(b"y", other.sockaddr(port.local))
    assert await received.until(1) == [b"y"]


@pytest.mark.parametrize("segment_bytes", [1, 100, 1196])
@pytest.mark.parametrize("size", [1, 99, 1196, 1197, 3000, 64_000])
async def test_segmented_and_single_sends_deliver_identical_datagrams(port, other, segment_bytes, size):
    size = min(size, segment_bytes * 200)
    data = memoryview(os.urandom(size))
    expected = [bytes(data[start : start + segment_bytes]) for start in range(0, size, segment_bytes)]
    received = Burst(other)
    assert port.send_segments(data, segment_bytes, port.sockaddr(other.local))
    port.gso = False
    assert port.send_segments(data, segment_bytes, port.sockaddr(other.local))
    datagrams = await received.until(2 * len(expected))
    assert datagrams[: len(expected)] == datagrams[len(expected) :] == expected
    assert port.counters.sent == 2 * len(expected)


async def test_a_segmented_send_is_one_system_call(port, other):
    if not port.gso:
        pytest.skip("this kernel has no UDP_SEGMENT")
    assert port.send_segments(memoryview(bytes(6400)), 100, port.sockaddr(other.local))
    assert (port.counters.sends, port.counters.sent, port.counters.sent_bytes) == (1, 64, 6400)


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EIO, errno.ENOPROTOOPT])
async def test_a_refused_segmented_send_goes_out_one_by_one(other, error):
    refusing = bound(RefusingSocket)
    refusing._socket.error = error
    refusing.gso = True
    try:
        received = Burst(other)
        data = memoryview(os.urandom(250))
        assert refusing.send_segments(data, 100, refusing.sockaddr(other.local))
        assert await received.until(3) == [bytes(data[:100]), bytes(data[100:200]), bytes(data[200:])]
    finally:
        refusing.close()


async def test_a_kernel_that_always_refuses_is_asked_no_more(other):
    refusing = bound(RefusingSocket)
    refusing.gso = True
    try:
        for _ in range(3 * limits.gso_refusals_max):
            assert refusing.send_segments(memoryview(bytes(200)), 100, refusing.sockaddr(other.local))
        assert refusing._socket.refusals == refusing.counters.gso_refused == limits.gso_refusals_max
        assert not refusing.gso
    finally:
        refusing.close()


@pytest.mark.parametrize(
    ("error", "counter"),
    [
        (lambda: BlockingIOError(errno.EAGAIN, "full"), "send_blocked"),
        (ConnectionRefusedError, "send_unreachable"),
        (OSError, "send_unreachable"),
    ],
)
def test_what_cannot_be_sent_is_dropped_and_counted(error, counter):
    failing = bound(FailingSocket)
    failing._socket.error = error
    failing.gso = True
    try:
        assert not failing.send(b"x", ("127.0.0.1", 9))
        assert not failing.send_segments(memoryview(bytes(300)), 100, ("127.0.0.1", 9))
        assert getattr(failing.counters, counter) == 4
        assert failing.counters.sent == 0
    finally:
        failing.close()


async def test_ipv4_peers_of_a_dual_stack_socket_have_plain_ipv4_addresses(port):
    try:
        dual = UdpPort.open("::", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        received, answered = Burst(dual), Burst(port)
        address = ("127.0.0.1", dual.local[1])
        port.send(b"question", port.sockaddr(address))
        await received.until(1)
        assert received.datagrams == [(b"question", port.local)]
        assert dual.send(b"answer", dual.sockaddr(port.local))
        assert dual.send_segments(memoryview(b"aabbc"), 2, dual.sockaddr(port.local))
        assert await answered.until(4) == [b"answer", b"aa", b"bb", b"c"]
        assert {peer for _, peer in answered.datagrams} == {address}
    finally:
        dual.close()


async def test_ipv6_peers_reach_a_dual_stack_socket():
    try:
        dual, six = UdpPort.open("::", 0), UdpPort.open("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        received = Burst(dual)
        assert six.send_segments(memoryview(b"aabb"), 2, six.sockaddr(("::1", dual.local[1])))
        assert await received.until(2) == [b"aa", b"bb"]
        assert received.datagrams[0][1] == six.local == ("::1", six.local[1])
    finally:
        dual.close()
        six.close()


async def test_the_cache_of_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "sockaddrs_cached_max", 2)
    try:
        dual = UdpPort.open("::", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    peers = [UdpPort.open("127.0.0.1", 0) for _ in range(5)]
    try:
        received = Burst(dual)
        for peer in peers:
            peer.send(b"x", peer.sockaddr(("127.0.0.1", dual.local[1])))
        await received.until(5)
        assert {address for _, address in received.datagrams} == {peer.local for peer in peers}
        assert len(dual._addresses) <= 2
    finally:
        for opened in (dual, *peers):
            opened.close()


def test_an_ipv6_address_cannot_be_reached_from_an_ipv4_socket(port):
    with pytest.raises(LocalError):
        port.sockaddr(("::1", 9))


def test_a_port_in_use_is_an_os_error(port):
    with pytest.raises(OSError, match="in use"):
        UdpPort.open(*port.local)


async def test_closing_twice_is_harmless_and_nothing_is_read_after(port, other):
    received = Burst(other)
    other.close()
    other.close()
    port.send(b"x", port.sockaddr(("127.0.0.1", 9)))
    await asyncio.sleep(0)
    assert received.datagrams == []


@pytest.fixture
def loaded(port, monkeypatch):
    """A port whose every wake counts as load, on a loop turned by hand."""
    monkeypatch.setattr(limits, "coalescing_share_min", -1.0)
    monkeypatch.setattr(limits, "coalescing_slice_seconds", 0.0)
    bursts: list[list[bytes]] = []
    loop = HandLoop()
    port.start(loop, lambda burst, now: bursts.append([data for data, _ in burst]))
    return loop, bursts


def arrive(port, other, *datagrams):
    for data in datagrams:
        assert other.send(data, other.sockaddr(port.local))


def test_under_load_the_first_datagram_is_read_at_once_and_the_next_ones_together(port, other, loaded):
    loop, bursts = loaded
    arrive(port, other, b"a")
    loop.reader()
    assert bursts == [[b"a"]]
    assert loop.reader is None
    assert loop.rings_at == loop.now + limits.coalescing_seconds_max
    arrive(port, other, b"b", b"c")
    loop.ring()
    assert bursts == [[b"a"], [b"b", b"c"]]
    assert (loop.reader is None, loop.timer is None) == (True, False)
    assert port.counters.windows_opened == 1


def test_a_wait_in_which_nothing_came_is_the_last_one(port, other, loaded):
    loop, bursts = loaded
    arrive(port, other, b"a")
    loop.reader()
    loop.ring()
    assert loop.timer is None
    arrive(port, other, b"b")
    loop.reader()
    assert bursts == [[b"a"], [b"b"]]


def test_a_failing_burst_does_not_keep_a_loaded_port_from_reading(port, other, loaded):
    loop, _ = loaded
    arrive(port, other, b"a")
    loop.reader()

    def fail(burst, now):
        raise ZeroDivisionError

    port._on_burst = fail
    arrive(port, other, b"b")
    with pytest.raises(ZeroDivisionError):
        loop.ring()
    assert loop.reader is not None


def test_a_port_that_waits_can_be_closed(port, other, loaded):
    loop, _ = loaded
    arrive(port, other, b"a")
    loop.reader()
    port.close()
    assert (loop.reader, loop.timer) == (None, None)


def test_a_burst_may_close_a_loaded_port(port, other, loaded):
    loop, _ = loaded
    port._on_burst = lambda burst, now: port.close()
    arrive(port, other, b"a")
    loop.reader()
    assert (loop.reader, loop.timer) == (None, None)


@pytest.fixture
def full(port, tmp_path):
    """A port over a socket which really fills: on loopback UDP leaves the send buffer when the receiver drops it.

    What a Unix socket holds is bounded by its reader's queue, of which nothing is read here.
    """
    reader, sender = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    reader.bind(str(tmp_path / "reader"))
    sender.setblocking(False)
    port._socket.close()
    port._socket = sender
    yield port, str(tmp_path / "reader")
    reader.close()


def test_what_a_full_send_buffer_has_no_room_for_is_dropped_and_counted(full):
    port, address = full
    answers = [port.send(b"x", address) for _ in range(2000)]
    went = answers.index(False)
    assert 0 < went < 2000
    assert not any(answers[went:])
    assert (port.counters.sent, port.counters.send_blocked) == (went, 2000 - went)


@pytest.mark.parametrize("gso", [False, True])
def test_of_a_run_the_part_that_finds_no_room_is_dropped_and_counted(full, gso):
    port, address = full
    port.gso = gso
    assert not port.send_segments(memoryview(bytes(200_000)), 100, address)
    assert port.counters.sent > 0
    assert port.counters.send_blocked > 0
    assert port.counters.sent + port.counters.send_blocked == 2000


def test_a_full_device_queue_counts_as_full(port):
    failing = bound(FailingSocket)
    failing._socket.error = lambda: OSError(errno.ENOBUFS, "no")
    try:
        assert not failing.send(b"x", ("127.0.0.1", 9))
        assert (failing.counters.send_blocked, failing.counters.send_unreachable) == (1, 0)
    finally:
        failing.close()
