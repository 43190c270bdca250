"""Rounds against an overlay that only notes what is stored where, in virtual time."""

import asyncio
from types import SimpleNamespace
from typing import Any

from dht.lease import Lease
from dht.overlay_calls import Result
from dht.peer import Peer
from dht.spreading import ENOUGH, Round, Spreading
from dht.store import Outcome
from tests.sim.virtual import VirtualLoop
from tests.unit.dht.samples import lease


def peers(first: int, count: int) -> list[Peer]:
    return [Peer(bytes([number]) * 20, ("192.0.2.1", number)) for number in range(first, first + count)]


class Net:
    """`nearest` is what a walk finds; who is in `silent` never answers."""

    def __init__(self) -> None:
        self.id = b"\xff" * 20
        self.contacts = 1
        self.patience = SimpleNamespace(hedge_seconds=0.1)
        self.nearest: list[Peer] = []
        self.named: list[Peer] = []
        self.silent: set[Peer] = set()
        self.stored: list[Peer] = []

    def keep(self, kept: Lease, sender: bytes) -> None:
        """The own store."""

    def store(self, peer: Peer, record: bytes, peers_max: int = 0, twice: bool = False) -> asyncio.Future[Result]:
        self.stored.append(peer)
        call: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        held = SimpleNamespace(outcome=Outcome.STORED, peers=tuple(self.named[:peers_max]))
        asyncio.get_running_loop().call_later(
            0.05, call.set_result, (False, None) if peer in self.silent else (True, held)
        )
        return call

    async def walk(self, target: bytes, peers_max: int, **_: Any) -> Any:
        return SimpleNamespace(nearest=lambda: list(self.nearest))


async def play(net: Net, spreading: Spreading, changed: bool, seq: int) -> Round:
    """One round, and whom it told."""
    net.stored.clear()
    round_ = Round(lease(seq=seq), changed)
    await spreading.run(round_)
    return round_


def run(story: Any) -> None:
    with VirtualLoop() as loop:
        net: Any = Net()
        spreading = Spreading(net, net, lambda lease, call: None, lambda lease: True)
        loop.run_until_complete(story(net, spreading))


async def move(net: Net, spreading: Spreading) -> None:
    """Holders 1 to 8 are replaced by 11 to 18 in a round without a change."""
    net.nearest = peers(1, 8)
    await play(net, spreading, True, 1)
    net.nearest, net.silent = peers(11, 8), set(peers(1, 8))
    await play(net, spreading, False, 2)
    net.silent = set()


def test_who_held_the_lease_of_before_is_told_of_a_change() -> None:
    async def story(net: Net, spreading: Spreading) -> None:
        await move(net, spreading)
        await play(net, spreading, True, 3)
        assert set(net.stored) == {*peers(1, 8), *peers(11, 8)}

    run(story)


def test_what_only_goes_on_former_holders_are_not_told() -> None:
    async def story(net: Net, spreading: Spreading) -> None:
        await move(net, spreading)
        await play(net, spreading, False, 3)
        assert set(net.stored) == set(peers(11, 8))

    run(story)


def test_former_holders_are_forgotten_when_their_lease_is_over() -> None:
    async def story(net: Net, spreading: Spreading) -> None:
        await move(net, spreading)
        await asyncio.sleep(46)
        await play(net, spreading, True, 3)
        assert set(net.stored) == set(peers(11, 8))

    run(story)


def test_former_holders_do_not_count_among_those_who_acknowledge() -> None:
    async def story(net: Net, spreading: Spreading) -> None:
        await move(net, spreading)
        net.silent = set(peers(11, 8))
        round_ = await play(net, spreading, True, 3)
        assert len(round_.held) >= ENOUGH
        assert round_.acknowledged == set()

    run(story)


def test_a_withdrawal_reaches_former_holders_too() -> None:
    async def story(net: Net, spreading: Spreading) -> None:
        await move(net, spreading)
        net.stored.clear()
        await spreading.run(Round(lease(seq=3, tombstone=True), True))
        assert set(net.stored) == {*peers(1, 8), *peers(11, 8)}

    run(story)
