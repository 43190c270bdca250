"""A few simulated nodes by hand, for tests that need one certain situation; every invariant is checked on the way."""

import os
import random
from uuid import UUID

from swarm.messages import Message
from swarm.simulate.audience import Viewer
from swarm.simulate.host import Host
from swarm.simulate.invariants import CHECK_SECONDS, Invariants, left_over
from swarm.simulate.scenario import Scenario
from swarm.simulate.world import World

P, Q = UUID(int=1), UUID(int=2)

_END_SECONDS = 100.0


def seeds(count: int) -> range:
    """The seeds a test runs with; `SWARMD_SIM_FACTOR=50` runs it with fifty times as many."""
    return range(count * int(os.environ.get("SWARMD_SIM_FACTOR", "1")))


class Swarm:
    """Nodes and viewers where the test puts them; messages go through their bytes."""

    def __init__(self, seed: int, late: float = 0.0, repeated: float = 0.0, honest: bool = True) -> None:
        self.rng = random.Random(seed)
        self.world = World(Scenario(seed=seed, regions=2, late=late))
        self.world.network.through_bytes = True
        self.world.network.repeated = repeated
        self.invariants = Invariants(self.world, grace=5.0 if late else 0.0, honest=honest)
        self.honest = honest
        self.sent: list[Message] = []
        self.world.network.on_message = lambda sender, receiver, message: self.sent.append(message)

    @property
    def nodes(self) -> list[Host]:
        return list(self.world.hosts.values())

    def add(self, slots: int) -> Host:
        return self.world.add(slots)

    def publish(self, host: Host, producer: UUID = P) -> None:
        self.world.publish(host, producer)

    def watch(self, host: Host, producer: UUID = P, within: float = 0.0) -> None:
        """Somebody comes to this node, at once or some time within so many seconds."""
        delay = self.rng.uniform(0, within)
        self.world.events.after(delay, self.world.audience.arrive, producer, host.region, host)

    def run(self, seconds: float) -> None:
        end = self.world.events.now + seconds
        while self.world.events.now < end:
            self.world.events.run_until(min(end, self.world.events.now + CHECK_SECONDS))
            if self.honest:
                self.invariants.everywhere()

    def viewers(self) -> list[Viewer]:
        return list(self.world.audience.viewers.values())

    def sees(self, viewer: Viewer) -> bool:
        """Whether it is served, and the pipes up to the owner are whole."""
        feed = self.world.feeding.get(viewer.host.id, viewer.producer) if viewer.host is not None else None
        return feed is not None and feed.fed

    def carries(self, host: Host, producer: UUID = P) -> bool:
        """Whether the stream reaches this node."""
        feed = self.world.feeding.get(host.id, producer)
        return feed is not None and feed.fed

    def ends_with_nothing(self) -> None:
        """Publishers and viewers go: every slot, pipe, request and deadline has to be gone a little later."""
        for viewer in self.viewers():
            self.world.audience.depart(viewer)
        for producer in list(self.world.owners):
            self.world.unpublish(producer)
        self.run(_END_SECONDS)
        assert list(left_over(self.world)) == []
