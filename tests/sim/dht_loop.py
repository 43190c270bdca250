"""A quicker `VirtualLoop` for swarms of thousands, and the network of datagrams that lives in its timer heap."""

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from foundation.address import Address
from tests.sim.virtual import Standstill, VirtualLoop

Receiver = Callable[[bytes, Address], None]


class QuickLoop(VirtualLoop):
    """Timers and datagrams are tuples in one heap: comparing asyncio's timer objects would take most of the time."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[float, int, Any, Any]] = []
        self._serials = itertools.count()

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._heap, (when, next(self._serials), timer, None))
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def post(self, when: float, receive: Callable[[Any], None], what: Any) -> None:
        """A call that cannot be cancelled."""
        heapq.heappush(self._heap, (when, next(self._serials), receive, what))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their time comes."""

    def _run_once(self) -> None:
        ready, heap = self._ready, self._heap
        while not ready and not self._stopping:
            if not heap:
                raise Standstill("nothing is left to wait for")
            when, _, what, argument = heapq.heappop(heap)
            timer = isinstance(what, asyncio.TimerHandle)
            if timer and what.cancelled():
                continue
            self._now = max(self._now, when)
            if timer:
                ready.append(what)
            else:
                what(argument)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()


class QuickNet:
    """Datagrams between addresses: delayed, lost, counted. `delay_seconds` is the least and the most, one way."""

    def __init__(self, loop: QuickLoop, rng: random.Random, delay_seconds: tuple[float, float], loss: float = 0.0):
        self.loss = loss
        self.packets: Counter[Address] = Counter()
        self.bytes: Counter[Address] = Counter()
        self._loop = loop
        self._rng = rng
        self._least, self._most = delay_seconds
        self._receivers: dict[Address, Receiver] = {}
        self._silent: set[Address] = set()
        self._side: dict[Address, int] = {}

    def attach(self, address: Address, receiver: Receiver) -> Callable[[bytes, Address], None]:
        """Puts a host on the network; returns what it sends with."""
        self._receivers[address] = receiver

        def send(data: bytes, destination: Address) -> None:
            self.packets[address] += 1
            self.bytes[address] += len(data)
            random_ = self._rng.random
            if self.loss and random_() < self.loss:
                return
            delay = self._least + (self._most - self._least) * random_()
            self._loop.post(self._loop._now + delay, self._deliver, (data, address, destination))

        return send

    def silence(self, addresses: Iterable[Address]) -> None:
        """These hosts neither send nor receive from now on."""
        self._silent |= set(addresses)

    def revive(self, addresses: Iterable[Address]) -> None:
        self._silent -= set(addresses)

    def cut(self, one_side: Iterable[Address]) -> None:
        """Nothing passes between these hosts and the others; an empty side heals the cut."""
        self._side = dict.fromkeys(one_side, 1)

    def forget_counts(self) -> None:
        self.packets.clear()
        self.bytes.clear()

    def _deliver(self, datagram: tuple[bytes, Address, Address]) -> None:
        data, source, destination = datagram
        if destination in self._silent or source in self._silent or destination not in self._receivers:
            return
        if self._side and self._side.get(source) != self._side.get(destination):
            return
        self._receivers[destination](data, source)
