"""A network of datagrams in memory and virtual time: delays, losses, dead hosts, cuts; the same for the same seed."""

import random
from collections import Counter
from collections.abc import Callable, Iterable

from foundation.address import Address
from tests.sim.virtual import VirtualLoop

Receiver = Callable[[bytes, Address], None]


class Datagrams:
    """Hosts have one address each; who is not attached, or silenced, is just not there."""

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        delay_seconds: tuple[float, float] = (0.03, 0.05),
        loss: float = 0.0,
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.delay_seconds = delay_seconds
        self.loss = loss
        self.sent: Counter[Address] = Counter()
        self.log: list[tuple[bytes, Address, Address]] = []
        self._receivers: dict[Address, Receiver] = {}
        self._silent: set[Address] = set()
        self._side: dict[Address, int] = {}

    def attach(self, address: Address, receiver: Receiver) -> Callable[[bytes, Address], None]:
        """Puts a host on the network; returns what it sends with."""
        self._receivers[address] = receiver
        return lambda data, destination: self.send(data, address, destination)

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        assert isinstance(data, bytes)
        self.sent[source] += 1
        self.log.append((data, source, destination))
        if self.rng.random() >= self.loss:
            self.loop.call_later(self.rng.uniform(*self.delay_seconds), self._deliver, data, source, destination)

    def silence(self, addresses: Iterable[Address]) -> None:
        """These hosts neither send nor receive from now on."""
        self._silent |= set(addresses)

    def revive(self, addresses: Iterable[Address]) -> None:
        self._silent -= set(addresses)

    def cut(self, one_side: Iterable[Address]) -> None:
        """Nothing passes between these hosts and the others; an empty side heals the cut."""
        self._side = dict.fromkeys(one_side, 1)

    def _deliver(self, data: bytes, source: Address, destination: Address) -> None:
        apart = self._side.get(source) != self._side.get(destination)
        if not apart and not {source, destination} & self._silent and destination in self._receivers:
            self._receivers[destination](data, source)
