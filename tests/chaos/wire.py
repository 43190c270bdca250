"""A network in user space: what nodes send each other goes through here, and may be dropped on the way.

A node has a public address, which it advertises and where the wire listens, and a private one with the same port, where
it listens itself. The wire passes on what one node sends to another one's public address as if it came from the
sender's public address. Clients use the private address for media; HTTP passes the wire, because redirects lead there.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

from foundation.tasks import TaskScope

PUBLIC = "127.0.0.1"
PRIVATE = "127.0.0.2"
DIRECTORY_BYTE = 0xD5

_buffer_bytes = 4 << 20
_datagrams_per_wake_max = 64
_datagram_bytes_max = 2048
_connections_max = 256
_chunk_bytes = 65536
_SO_RCVBUFFORCE = 33


@dataclass(slots=True, eq=False)
class Plug:
    """One node's public address."""

    udp: socket.socket
    port: int
    server: asyncio.Server | None = None
    passed: int = 0
    """Datagrams of this node that reached another one."""
    dropped: int = field(default=0)

    @property
    def authority(self) -> str:
        return f"{PUBLIC}:{self.port}"

    @property
    def listen(self) -> str:
        """Where the node itself listens."""
        return f"{PRIVATE}:{self.port}"


class Wire:
    """Between all nodes that have a plug; `async with`."""

    def __init__(self) -> None:
        self._plugs: dict[int, Plug] = {}
        self._cut: set[tuple[int, int]] = set()
        self._directory_gone = False
        self._scope = TaskScope("wire", _connections_max)

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        loop = asyncio.get_running_loop()
        for plug in self._plugs.values():
            loop.remove_reader(plug.udp)
            plug.udp.close()
            if plug.server is not None:
                plug.server.close()
        await self._scope.close()

    async def plug(self) -> Plug:
        """A new public address."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setblocking(False)
        with contextlib.suppress(PermissionError):
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _buffer_bytes)
        server = await asyncio.start_server(self._connected, PUBLIC, 0)
        port = server.sockets[0].getsockname()[1]
        udp.bind((PUBLIC, port))
        plug = self._plugs[port] = Plug(udp, port, server)
        asyncio.get_running_loop().add_reader(udp, self._arrived, plug)
        return plug

    # --- faults ---

    def cut(self, sender: Plug, receiver: Plug) -> None:
        """From now on nothing that the one sends reaches the other; the way back is as it was."""
        self._cut.add((sender.port, receiver.port))

    def mend(self) -> None:
        """All is as it was."""
        self._cut.clear()
        self._directory_gone = False

    def drop_directory(self) -> None:
        """From now on no datagram of the DHT reaches anybody."""
        self._directory_gone = True

    # --- passing on ---

    def _arrived(self, receiver: Plug) -> None:
        for _ in range(_datagrams_per_wake_max):
            try:
                data, (_, port, *_) = receiver.udp.recvfrom(_datagram_bytes_max)
            except OSError:
                return
            sender = self._plugs.get(port)
            if sender is None:
                continue
            if (port, receiver.port) in self._cut or (self._directory_gone and data[:1] == bytes([DIRECTORY_BYTE])):
                sender.dropped += 1
                continue
            # A full buffer loses datagrams, as every network does.
            with contextlib.suppress(OSError):
                sender.udp.sendto(data, (PRIVATE, receiver.port))
                sender.passed += 1

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        try:
            onward_reader, onward_writer = await asyncio.open_connection(PRIVATE, port)
        except OSError:
            writer.close()
            return
        self._scope.spawn(_pump(reader, onward_writer), "there")
        self._scope.spawn(_pump(onward_reader, writer), "back")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_chunk_bytes):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()
