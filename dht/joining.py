"""How a node finds its swarm, and finds it again: seeds asked with back-off, and walks that make nodes acquainted."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence

from dht.crawl import crawl
from dht.lookup import REPLICAS, Lookup
from dht.overlay import Overlay
from dht.overlay_calls import Result, answer_of
from dht.peer import Peer
from dht.peers_file import KnownPeer
from foundation.address import Address
from foundation.identity import NODE_ID_BYTES, NodeId
from foundation.limits import (
    contacts_per_reply_max,
    join_pause_seconds_max,
    peers_on_disk_max,
    remembered_asked_max,
    seeds_max,
)

_pause_seconds_min = 0.5
_walks_on_joining = 10
"""One to each tenth of the id space: the fuller the table, the fewer steps a lookup takes."""

_walks_on_merging = 3


class Joining:
    """Seeds are the addresses the operator gave and those of lost contacts.

    A swarm split in two, or one that paused as a whole, is found again by either.
    """

    def __init__(self, overlay: Overlay, rng: random.Random) -> None:
        self._overlay = overlay
        self._rng = rng
        self._given: list[Address] = []
        self._remembered: list[Address] = []

    @property
    def seeds(self) -> list[Address]:
        """Those of before a restart are many, so each time some others of them."""
        some = self._rng.sample(self._remembered, min(remembered_asked_max, len(self._remembered)))
        return list(dict.fromkeys([*self._given, *self._overlay.lost, *some]))

    def give(self, seeds: Sequence[Address]) -> None:
        """Adds addresses to join by, now and whenever nobody is left."""
        self._given = list(dict.fromkeys([*self._given, *seeds]))[:seeds_max]

    def remember(self, peers: Sequence[KnownPeer]) -> None:
        """Adds nodes that were contacts before a restart."""
        addresses = dict.fromkeys([*self._remembered, *(peer.address for peer in peers)])
        self._remembered = list(addresses)[:peers_on_disk_max]

    async def join(self) -> int:
        """Asks all seeds; when one answers, walks to our own id, so that our neighbours and we know each other.

        Returns how many answered.
        """
        answers = await asyncio.gather(*(self._overlay.ping(seed) for seed in self.seeds))
        count = sum(answered for answered, _ in answers)
        if count:
            await self.walk(self._overlay.id)
        return count

    async def join_at_last(self) -> None:
        """Joins again and again, with growing pauses, until somebody is there."""
        pause = _pause_seconds_min
        while not self._overlay.contacts:
            await asyncio.sleep(pause * self._rng.uniform(0.8, 1.2))
            pause = min(2 * pause, join_pause_seconds_max)
            await self.join()
        await self.explore()

    async def rejoin(self) -> None:
        """As on joining, without the pauses."""
        await self.join()
        await self.explore()

    async def explore(self, walks: int = _walks_on_joining, peers_max: int = contacts_per_reply_max) -> None:
        """Walks to random targets, one in each part of the id space."""
        for part in range(walks):
            target = int((part + self._rng.random()) / walks * (1 << 8 * NODE_ID_BYTES))
            await self.walk(target.to_bytes(NODE_ID_BYTES, "big"), peers_max=peers_max)

    async def refresh(self, walks: int) -> None:
        """The look around every few minutes: our neighbourhood, and a few random places."""
        await self.walk(self._overlay.id, peers_max=REPLICAS)
        await self.explore(walks, REPLICAS)

    async def look_for_others(self) -> None:
        """Asks silent contacts, and one seed: when one answers that was not a contact, two parts of a swarm met."""
        self._overlay.check_stale()
        strange = [seed for seed in self.seeds if not self._overlay.knows(seed)]
        if strange and answer_of(await _settled(self._overlay.ping(self._rng.choice(strange)))):
            await self.refresh(_walks_on_merging)

    async def walk(
        self,
        target: bytes,
        peers_max: int = contacts_per_reply_max,
        *,
        beginning: Iterable[Peer] = (),
        answered: Iterable[NodeId] = (),
        silent: Iterable[NodeId] = (),
        on_answer: Callable[[Lookup], None] = lambda lookup: None,
    ) -> Lookup:
        """Looks for the nodes nearest to a target.

        Of the nodes to begin with, those that have `answered` just now, or were `silent`, are not asked again.
        """
        overlay = self._overlay
        lookup = Lookup(
            target,
            overlay.id,
            [*beginning, *overlay.nearest(target)],
            for_value=False,
            hedge_seconds=overlay.patience.hedge_seconds,
            now=asyncio.get_running_loop().time(),
        )
        for node in answered:
            lookup.answered(node, ())
        for node in silent:
            lookup.failed(node)
        await crawl(overlay, lookup, peers_max=peers_max, on_answer=on_answer)
        return lookup


async def _settled(call: asyncio.Future[Result]) -> asyncio.Future[Result]:
    await asyncio.wait([call])
    return call
