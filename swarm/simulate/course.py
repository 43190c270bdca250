"""A scenario's course: who arrives, leaves, dies and comes back when."""

import random
from uuid import UUID

from swarm.simulate.host import Host
from swarm.simulate.scenario import Scenario
from swarm.simulate.world import START, World, shares

_SETTLE_SECONDS = 2.0
"""Publishers are there before the first viewer."""

_CRASH_SHARE = 0.5
"""Of the nodes that leave; the others are told to."""


class Course:
    """Plans everything a scenario says, as events of its world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._scenario = world.scenario
        self._rng = random.Random(world.rng.getrandbits(64))
        self.producers = [UUID(int=self._rng.getrandbits(128), version=4) for _ in range(self._scenario.producers)]
        self._arrivals: list[tuple[float, UUID]] = []
        self.killed_at: float | None = None

    def plan(self) -> None:
        """Before the first event."""
        scenario, events = self._scenario, self._world.events
        for _ in range(scenario.nodes):
            self._world.add()
        for host, producer in zip(
            self._rng.sample(self._world.alive, len(self.producers)), self.producers, strict=True
        ):
            events.at(START + self._rng.random(), self._world.publish, host, producer)
        self._plan_arrivals()
        if scenario.churn:
            events.after(self._next_churn(), self._churn)
        for at, event in (
            (scenario.kill_at if scenario.kill else 0, self._kill),
            (scenario.kill_owner_at, self._kill_owner),
            (scenario.drain_at if scenario.drain else 0, self._drain),
            (scenario.partition_at, self._partition),
        ):
            if at:
                events.at(START + at, event)

    def _plan_arrivals(self) -> None:
        scenario, rng = self._scenario, self._rng
        counts = shares(scenario.viewers, scenario.producers, scenario.zipf)
        wanted = [producer for producer, count in zip(self.producers, counts, strict=True) for _ in range(count)]
        rng.shuffle(wanted)
        times = sorted(START + _SETTLE_SECONDS + rng.random() * scenario.arrive_seconds for _ in wanted)
        self._arrivals = list(zip(times, wanted, strict=True))[::-1]
        if self._arrivals:
            self._world.events.at(self._arrivals[-1][0], self._arrive)

    def _arrive(self) -> None:
        _, producer = self._arrivals.pop()
        self._world.audience.arrive(producer, self._rng.randrange(self._scenario.regions))
        if self._arrivals:
            self._world.events.at(self._arrivals[-1][0], self._arrive)

    def _next_churn(self) -> float:
        return self._rng.expovariate(self._scenario.nodes * self._scenario.churn / 3600)

    def _churn(self) -> None:
        """One node goes, another one comes."""
        host = self._rng.choice(self._world.alive)
        if self._rng.random() < _CRASH_SHARE:
            self._world.crash(host)
        else:
            self._world.leave(host)
        self._world.add()
        self._world.events.after(self._next_churn(), self._churn)

    def _kill(self) -> None:
        """Many at once; the owners live on, or there would be nothing to be fed with."""
        mortal = self._spared()
        for host in self._rng.sample(mortal, int(self._scenario.kill * len(mortal))):
            self._world.crash(host)
        self.killed_at = self._world.events.now

    def _kill_owner(self) -> None:
        owner = self._world.owners.get(self.producers[0])
        if owner is not None:
            self._world.crash(owner)
        self.killed_at = self._world.events.now

    def _drain(self) -> None:
        mortal = self._spared()
        for host in self._rng.sample(mortal, int(self._scenario.drain * len(mortal))):
            self._world.leave(host)

    def _partition(self) -> None:
        self._world.partition(0.5, self._scenario.partition_seconds)

    def _spared(self) -> list[Host]:
        owners = set(self._world.owners.values())
        return [host for host in self._world.alive if host not in owners]


def describe(scenario: Scenario) -> str:
    """A scenario in one line."""
    parts = [f"{scenario.nodes:,} nodes of {scenario.slots} slots", f"{scenario.viewers:,} viewers"]
    if scenario.producers > 1:
        parts.append(f"{scenario.producers} producers" + (" (Zipf)" if scenario.zipf else ""))
    if scenario.doors:
        parts.append(f"at {scenario.doors} nodes")
    for name in ("loss", "late", "churn", "kill", "drain"):
        if getattr(scenario, name):
            parts.append(f"{name} {getattr(scenario, name):.0%}")
    return ", ".join(parts) + f", seed {scenario.seed}"
