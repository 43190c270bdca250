"""Contacts on disk, so that a node which starts again finds its swarm though every address it was given is gone.

The file is msgpack: `[1, [[public key, ip, port, last good], ...]]`, the last good time in seconds since 1970. It is
replaced as a whole, readable by its owner alone, and only a hint: whoever is in it has to prove itself again.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dht.peer import pack_address, unpack_address
from foundation.address import Address
from foundation.errors import RemoteError
from foundation.identity import PUBLIC_KEY_BYTES
from foundation.limits import peers_file_bytes_max, peers_on_disk_max
from foundation.packing import pack, unpack

_VERSION = 1


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A node that proved itself at this address, and when it was last heard there, seconds since 1970."""

    public: bytes
    address: Address
    last_good: int


def save_peers(path: Path, peers: Sequence[KnownPeer]) -> None:
    """Replaces the file by these peers, at most 200, the first ones first. Blocks; raises `OSError`."""
    items = [[peer.public, *pack_address(peer.address), peer.last_good] for peer in peers[:peers_on_disk_max]]
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pack([_VERSION, items]))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load_peers(path: Path) -> list[KnownPeer]:
    """What was saved, the latest heard first; nothing when there is no file.

    Raises `RemoteError` for a file that is not one of ours, or not whole, and `OSError` for one that cannot be read.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(peers_file_bytes_max + 1)
    whole = unpack(data, peers_file_bytes_max)
    if not isinstance(whole, list) or len(whole) != 2 or type(whole[0]) is not int or whole[0] != _VERSION:
        raise RemoteError("a file of peers is of another kind or version")
    if not isinstance(whole[1], list) or len(whole[1]) > peers_on_disk_max:
        raise RemoteError("a file of peers has too many of them")
    return sorted((_peer(item) for item in whole[1]), key=lambda peer: peer.last_good, reverse=True)


def _peer(item: Any) -> KnownPeer:
    if not isinstance(item, list) or len(item) != 4:
        raise RemoteError("a peer in the file is not [key, ip, port, time]")
    public, ip, port, last_good = item
    if not isinstance(public, bytes) or len(public) != PUBLIC_KEY_BYTES:
        raise RemoteError("a peer in the file has no key")
    if type(last_good) is not int or not 0 <= last_good < 2**40:
        raise RemoteError("a peer in the file has no time")
    return KnownPeer(public, unpack_address([ip, port]), last_good)
