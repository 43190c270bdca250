"""One number for TCP and UDP, of either family; what cannot be had is one sentence."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from foundation.errors import ConfigError
from media.port import UdpPort
from swarm.process import binding
from swarm.process.binding import bind, ip_versions


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(("::1", 9)) == 0


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[tuple[socket.socket, UdpPort]]:
    listener, udp = bind(host, port)
    try:
        yield listener, udp
    finally:
        listener.close()
        udp.close()


def reaches(family: socket.AddressFamily, host: str, listener: socket.socket, udp: UdpPort) -> bool:
    """Whether both sockets are there for a client that asks this address."""
    port = udp.local[1]
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", (host, port))
        with socket.create_connection((host, port), timeout=20):
            listener.settimeout(20)
            listener.accept()[0].close()
        udp._socket.settimeout(20)
        return udp._socket.recv(10) == b"x"


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6), "localhost"])
def test_both_sockets_have_the_same_free_number(host: str) -> None:
    with bound(host) as (listener, udp):
        assert udp.local[1] == listener.getsockname()[1] > 0
        assert udp.local[0] == listener.getsockname()[0]


@needs_ipv6
def test_the_ipv6_wildcard_serves_both_families() -> None:
    with bound("::") as (listener, udp):
        assert reaches(socket.AF_INET, "127.0.0.1", listener, udp)
        assert reaches(socket.AF_INET6, "::1", listener, udp)


def test_a_tcp_number_whose_udp_twin_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        numbers = [taken.getsockname()[1], 0]
        listen = binding._listen
        monkeypatch.setattr(binding, "_listen", lambda ip, port: listen(ip, numbers.pop(0)))
        with bound("127.0.0.1") as (_, udp):
            assert udp.local[1] != taken.getsockname()[1]
        assert numbers == []


def test_when_no_number_is_free_for_both_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen, number = binding._listen, taken.getsockname()[1]
        monkeypatch.setattr(binding, "_listen", lambda ip, port: listen(ip, number))
        with pytest.raises(ConfigError, match="no number is free"):
            bind("127.0.0.1", 0)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_named_and_nothing_stays_open(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"{number} is in use"):
            bind("127.0.0.1", number)
    with bound("127.0.0.1", number) as (_, udp):
        assert udp.local == ("127.0.0.1", number)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="--listen"):
        bind(host, 0)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "::1%nosuch"])
def test_what_is_no_name_at_all_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="--listen"):
        bind(host, 0)


def test_an_ipv4_port_sends_to_ipv4_alone() -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        with bound(host) as (_, udp):
            assert ip_versions(udp) == (4,)


@needs_ipv6
def test_an_ipv6_port_sends_to_ipv6_and_bound_to_all_addresses_to_both() -> None:
    with bound("::1") as (_, one), bound("::") as (_, both):
        assert ip_versions(one) == (6,)
        assert ip_versions(both) == (4, 6)
