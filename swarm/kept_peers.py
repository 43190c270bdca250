"""The node's contacts in its data directory, so that it finds its swarm again when every `--join` address is gone."""

import asyncio
import logging
from pathlib import Path

from dht.directory import Directory
from dht.peers_file import KnownPeer, load_peers, save_peers
from foundation import limits
from foundation.errors import RemoteError

PEERS_FILE_NAME = "peers"

logger = logging.getLogger(__name__)


class KeptPeers:
    """Nothing about the file ever stops the node: it is a hint, and what is wrong with it is a warning."""

    def __init__(self, directory: Directory, data_dir: str) -> None:
        self._directory = directory
        self._path = Path(data_dir) / PEERS_FILE_NAME
        self._earlier: list[KnownPeer] = []
        self._failing = False

    def load(self) -> int:
        """Tells the directory the contacts of before; returns how many there are."""
        try:
            self._earlier = load_peers(self._path)
        except (RemoteError, OSError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            logger.warning("%s is left out (%s): this node starts without the contacts it had", self._path, why)
        self._directory.remember(self._earlier)
        return len(self._earlier)

    async def keep(self) -> None:
        """Saves now and then, soon at first: a new node may be killed before it is a minute old."""
        pause = limits.peers_kept_seconds_min
        while True:
            await asyncio.sleep(pause)
            await self.save()
            pause = min(2 * pause, limits.peers_kept_seconds_max)

    async def save(self) -> None:
        """Contacts first, then those of before: a node that was alone for a while must not forget its swarm."""
        known: dict[bytes, KnownPeer] = {}
        for peer in (*self._directory.peers, *self._earlier):
            known.setdefault(peer.public, peer)
        peers = sorted(known.values(), key=lambda peer: peer.last_good, reverse=True)[: limits.peers_on_disk_max]
        if not peers:
            return
        self._earlier = peers
        try:
            await asyncio.to_thread(save_peers, self._path, peers)
        except OSError as exc:
            if not self._failing:
                logger.warning("%s cannot be written (%s): after a restart --join must help", self._path, exc.strerror)
            self._failing = True
        else:
            self._failing = False
