"""The node's one UDP socket: bursts in, and runs of equal datagrams out with one system call."""

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from foundation import limits
from foundation.address import Address, family_of, normalize
from foundation.errors import LocalError
from media.coalescing import CoalescingWindow

_SOL_UDP = 17
_UDP_SEGMENT = 103
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33

_GSO_REFUSALS = frozenset(
    {errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE},
)
"""Answers to a segmented send which a plain one may not get: no offload on this device, or a segment above the MTU."""

_FULL = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})
"""No room in the socket's send buffer, or in the queue of the device."""

OnBurst = Callable[[list[tuple[bytes, Address]], float], None]


@dataclass(slots=True)
class PortCounters:
    """Datagrams, unless the name says otherwise; all only grow."""

    received: int = 0
    received_bytes: int = 0
    receive_errors: int = 0
    dropped_empty: int = 0
    dropped_oversized: int = 0
    sent: int = 0
    sent_bytes: int = 0
    sends: int = 0
    send_blocked: int = 0
    send_unreachable: int = 0
    gso_refused: int = 0
    windows_opened: int = 0


class UdpPort:
    """One non-blocking UDP socket, served by the loop's reader callback (asyncio's own loop and uvloop alike).

    Nothing here raises for network reasons: what cannot be sent is dropped and counted, as a router would do it.

    `UDP_GRO` is not asked for. On loopback it takes a publisher's burst of 12, if that was one segmented send, in with
    0.5 µs per packet instead of 1.5; but `recvmsg`, which it needs, makes datagrams that come one by one dearer, 3.5
    instead of 3.1 µs (100 viewers' reports: 1.6 instead of 1.35), and those are what publishers and viewers send. Of
    the 3.7 µs from socket to handler 1.5 are the kernel's and 1.4 libsrtp's.
    """

    def __init__(self, udp_socket: socket.socket) -> None:
        self.counters = PortCounters()
        self.gso = _gso_offered(udp_socket)
        self._socket = udp_socket
        self._mapped = udp_socket.family == socket.AF_INET6
        self.local: Address = normalize(udp_socket.getsockname())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_burst: OnBurst | None = None
        self._addresses: dict[tuple[Any, ...], Address] = {}
        self._ancillaries: dict[int, list[tuple[int, int, bytes]]] = {}
        self._refusals = 0
        self._window = CoalescingWindow()
        self._held: asyncio.TimerHandle | None = None
        self._woken_at = 0.0

    @classmethod
    def open(cls, host: str, port: int) -> "UdpPort":
        """Binds: `0.0.0.0` for IPv4, `::` for both families, else the family of `host`. Raises `OSError`."""
        udp_socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        try:
            udp_socket.setblocking(False)
            if udp_socket.family == socket.AF_INET6:
                udp_socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            _raise_buffer(udp_socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
            _raise_buffer(udp_socket, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
            udp_socket.bind((host, port))
            return cls(udp_socket)
        except BaseException:
            udp_socket.close()
            raise

    def start(self, loop: asyncio.AbstractEventLoop, on_burst: OnBurst) -> None:
        """Calls `on_burst(datagrams, now)` once per wake with everything drained; `now` is `loop.time()`.

        Under load wakes are up to `coalescing_seconds_max` apart, see `CoalescingWindow`.
        """
        self._loop, self._on_burst = loop, on_burst
        loop.add_reader(self._socket.fileno(), self._readable)

    def sockaddr(self, address: Address) -> tuple[Any, ...]:
        """What the send calls want for an address: IPv4 mapped into IPv6 where the socket is dual-stack.

        Raises `LocalError` for an IPv6 address on an IPv4 socket.
        """
        ip, port = address
        if not self._mapped:
            if ":" in ip:
                raise LocalError(f"this node listens on IPv4 only and cannot reach {ip}")
            return address
        return (ip if ":" in ip else f"::ffff:{ip}", port, 0, 0)

    def send(self, data: bytes | memoryview, sockaddr: tuple[Any, ...]) -> bool:
        """Sends one datagram; false means that it was dropped and counted."""
        counters = self.counters
        try:
            self._socket.sendto(data, sockaddr)
        except OSError as exc:
            self._unsent(exc, 1)
            return False
        counters.sends += 1
        counters.sent += 1
        counters.sent_bytes += len(data)
        return True

    def send_segments(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool:
        """Sends datagrams that lie back to back, each `segment_bytes` long but for the last, which may be shorter.

        False means that at least one was dropped and counted.
        """
        size = len(data)
        if size <= segment_bytes:
            return self.send(data, sockaddr)
        if not self.gso:
            return self._send_each(data, segment_bytes, sockaddr)
        step = min(limits.gso_segments_max, limits.gso_bytes_max // segment_bytes) * segment_bytes
        if size <= step:
            return self._send_gso(data, segment_bytes, sockaddr)
        sent = [
            self._send_gso(data[start : start + step], segment_bytes, sockaddr)  # a single segment is a group of one
            for start in range(0, size, step)
        ]
        return all(sent)

    def close(self) -> None:
        """Stops reading and closes the socket; idempotent."""
        if self._socket.fileno() < 0:
            return
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._socket.close()

    def _readable(self) -> None:
        hold = self._wake()
        if hold and self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._hold(self._loop, hold)

    def _resume(self) -> None:
        """A wake that finds nothing ends the wait, so that a port never polls an idle socket."""
        self._held = None
        hold = 0.0
        try:
            hold = self._wake()
        finally:
            if self._loop is not None and hold:
                self._hold(self._loop, hold)
            elif self._loop is not None:
                self._loop.add_reader(self._socket.fileno(), self._readable)

    def _hold(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.counters.windows_opened = self._window.opened
        self._held = loop.call_at(self._woken_at + seconds, self._resume)

    def _wake(self) -> float:
        """Hands over what is there; how long after its beginning the next wake should be, zero for at once."""
        assert self._loop is not None
        assert self._on_burst is not None
        began, self._woken_at = time.perf_counter(), self._loop.time()
        burst = self._drain()
        if not burst:
            return 0.0
        self._on_burst(burst, self._woken_at)
        return self._window.held_seconds(began, time.perf_counter(), len(burst))

    def _drain(self) -> list[tuple[bytes, Address]]:
        """What the socket holds, up to the bound of one wake; the loop wakes us again for the rest."""
        burst: list[tuple[bytes, Address]] = []
        counters, addresses, recvfrom = self.counters, self._addresses, self._socket.recvfrom
        size_max = limits.datagram_bytes_max
        mapped = self._mapped
        for _ in range(limits.datagrams_per_wake_max):
            try:
                data, address = recvfrom(size_max + 1)  # one more byte tells a datagram that was cut
            except BlockingIOError:
                break
            except OSError:
                counters.receive_errors += 1  # an ICMP error of an earlier send, reported here: nobody's failure
                continue
            size = len(data)
            if not size:
                counters.dropped_empty += 1
                continue
            if size > size_max:
                counters.dropped_oversized += 1
                continue
            if mapped:
                address = addresses.get(address) or self._normalized(address)
            counters.received_bytes += size
            burst.append((data, address))
        counters.received += len(burst)
        return burst

    def _normalized(self, sockaddr: tuple[Any, ...]) -> Address:
        if len(self._addresses) >= limits.sockaddrs_cached_max:
            self._addresses.clear()
        address = self._addresses[sockaddr] = normalize(sockaddr)
        return address

    def _send_gso(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool:
        counters = self.counters
        segments = -(-len(data) // segment_bytes)
        try:
            self._socket.sendmsg((data,), self._ancillary(segment_bytes), 0, sockaddr)
        except OSError as exc:
            if exc.errno in _GSO_REFUSALS:
                return self._refused(data, segment_bytes, sockaddr)
            self._unsent(exc, segments)
            return False
        self._refusals = 0
        counters.sends += 1
        counters.sent += segments
        counters.sent_bytes += len(data)
        return True

    def _unsent(self, exc: OSError, datagrams: int) -> None:
        """A send takes all of its datagrams or none of them; nothing is kept to be sent later."""
        if exc.errno in _FULL:
            self.counters.send_blocked += datagrams
        else:
            self.counters.send_unreachable += datagrams

    def _refused(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool:
        self.counters.gso_refused += 1
        self._refusals += 1
        if self._refusals >= limits.gso_refusals_max:
            self.gso = False
        return self._send_each(data, segment_bytes, sockaddr)

    def _send_each(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool:
        sent = [
            self.send(data[start : start + segment_bytes], sockaddr) for start in range(0, len(data), segment_bytes)
        ]
        return all(sent)

    def _ancillary(self, segment_bytes: int) -> list[tuple[int, int, bytes]]:
        """The control message of a segment size; there are as many as sizes of a datagram, so the map is bounded."""
        ancillary = self._ancillaries.get(segment_bytes)
        if ancillary is None:
            assert 0 < segment_bytes <= limits.datagram_bytes_max
            ancillary = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", segment_bytes))]
            self._ancillaries[segment_bytes] = ancillary
        return ancillary


def _gso_offered(udp_socket: socket.socket) -> bool:
    """Asked once: a kernel before 4.18 would take no notice of the control message and send one huge datagram."""
    try:
        udp_socket.getsockopt(_SOL_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def _raise_buffer(udp_socket: socket.socket, forced: int, plain: int) -> None:
    """The forced option passes the system's limit and needs a privilege; without it the limit applies."""
    try:
        udp_socket.setsockopt(socket.SOL_SOCKET, forced, limits.socket_buffer_bytes)
    except OSError:
        udp_socket.setsockopt(socket.SOL_SOCKET, plain, limits.socket_buffer_bytes)
