"""The network in user space: who hears whom, and as whom."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.chaos.wire import PRIVATE, PUBLIC, Plug, Wire

WAIT_SECONDS = 20


class Socket:
    """A node's own, bound where its plug says."""

    def __init__(self, plug: Plug) -> None:
        self.plug = plug
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((PRIVATE, plug.port))

    def send(self, data: bytes, to: "Socket") -> None:
        self.socket.sendto(data, (PUBLIC, to.plug.port))

    async def heard(self) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await asyncio.get_running_loop().sock_recvfrom(self.socket, 2000)


@pytest.fixture
def sockets() -> Iterator[list[Socket]]:
    opened: list[Socket] = []
    yield opened
    for each in opened:
        each.socket.close()


async def test_a_datagram_comes_from_the_public_address_of_its_sender(sockets: list[Socket]) -> None:
    async with Wire() as wire:
        one, other = sockets[:] = [Socket(await wire.plug()), Socket(await wire.plug())]
        one.send(b"there", other)
        assert await other.heard() == (b"there", (PUBLIC, one.plug.port))
        other.send(b"back", one)
        assert await one.heard() == (b"back", (PUBLIC, other.plug.port))


async def test_a_cut_has_one_direction_and_can_be_mended(sockets: list[Socket]) -> None:
    async with Wire() as wire:
        one, other = sockets[:] = [Socket(await wire.plug()), Socket(await wire.plug())]
        wire.cut(one.plug, other.plug)
        one.send(b"lost", other)
        other.send(b"back", one)
        assert (await one.heard())[0] == b"back"
        while not one.plug.dropped:
            await asyncio.sleep(0)
        wire.mend()
        one.send(b"there", other)
        assert (await other.heard())[0] == b"there"


async def test_only_datagrams_of_the_directory_are_lost_when_it_is_gone(sockets: list[Socket]) -> None:
    async with Wire() as wire:
        one, other = sockets[:] = [Socket(await wire.plug()), Socket(await wire.plug())]
        wire.drop_directory()
        one.send(b"\xd5question", other)
        one.send(b"\x80media", other)
        assert (await other.heard())[0] == b"\x80media"
        assert one.plug.dropped == 1
