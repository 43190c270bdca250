"""Small swarms, each drawn from one seed, in which everything goes wrong; the invariants are checked at every step."""

import random
from dataclasses import dataclass

from swarm.simulate.course import Course
from swarm.simulate.host import Host
from swarm.simulate.invariants import CHECK_SECONDS, Broken, Invariants, left_over
from swarm.simulate.scenario import Scenario
from swarm.simulate.world import START, World

_FAULT_SECONDS = 30.0
"""In which things go wrong."""

_CALM_SECONDS = 40.0
"""After which everybody has to be fed again: orphans wait, viewers come back after `Retry-After`."""

_SERVED_SECONDS = 15.0
"""In which somebody who comes in peace is served, though refused once or twice."""

_END_SECONDS = 100.0
"""After which nothing is left of a swarm whose users are gone: offers and invitations are remembered for a minute."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken` says what went wrong with this seed, empty for nothing."""

    seed: int
    events: int
    checks: int
    broken: str = ""

    @property
    def replay(self) -> str:
        return f"swarmd simulate --scenario faults --seed {self.seed}"


def drawn(seed: int) -> Scenario:
    """The small swarm of a seed."""
    rng = random.Random(seed)
    nodes, slots = rng.randint(10, 60), rng.randint(5, 14)
    return Scenario(
        name="faults",
        seed=seed,
        seconds=_FAULT_SECONDS,
        nodes=nodes,
        slots=slots,
        regions=rng.randint(1, 4),
        producers=rng.choice((1, 1, 2, 3)),
        zipf=rng.random() < 0.5,
        # Less than half: a third of the nodes may die, and each relay takes a slot.
        viewers=int(nodes * slots * rng.uniform(0.1, 0.4)),
        arrive_seconds=rng.choice((1.0, 10.0, 25.0)),
        doors=rng.choice((0, 0, 3)),
        watch_seconds=rng.choice((0.0, 20.0)),
        loss=rng.choice((0.0, 0.0, 0.05)),
        late=rng.choice((0.0, 0.0, 0.2)),
    )


def suffer(seed: int) -> Verdict:
    """One swarm from its beginning to its end."""
    scenario = drawn(seed)
    world = World(scenario)
    course = Course(world)
    course.plan()
    world.network.through_bytes = True
    invariants = Invariants(world, grace=5.0 if scenario.loss or scenario.late else 0.0)
    trouble = _Trouble(world, random.Random(seed + 1))
    trouble.plan()
    try:
        _run(world, invariants, START + _FAULT_SECONDS)
        trouble.over()
        _run(world, invariants, START + _FAULT_SECONDS + _CALM_SECONDS)
        _all_fed(world)
        _end(world, course)
        _run(world, invariants, world.events.now + _END_SECONDS)
        for left in left_over(world):
            raise Broken(f"at the end {left}")
    except AssertionError as exc:
        return Verdict(seed, world.events.done, invariants.checks, f"{type(exc).__name__}: {exc}")
    return Verdict(seed, world.events.done, invariants.checks)


def _run(world: World, invariants: Invariants, end: float) -> None:
    while world.events.now < end:
        world.events.run_until(min(end, world.events.now + CHECK_SECONDS))
        invariants.everywhere()


def _all_fed(world: World) -> None:
    """No viewer is without the stream when there has been peace for long."""
    for viewer in world.audience.viewers.values():
        if viewer.producer not in world.owners:
            continue
        if viewer.host is None and viewer.leaving is None:
            if world.events.now - max(viewer.first, viewer.dark_since) < _SERVED_SECONDS:
                continue
            raise Broken(f"{viewer.name} is not served after {_CALM_SECONDS:g} s of peace")
        host = viewer.host or viewer.leaving
        feed = world.feeding.get(host.id, viewer.producer) if host is not None else None
        if feed is None or not feed.fed:
            raise Broken(f"{viewer.name} sees nothing after {_CALM_SECONDS:g} s of peace")


def _end(world: World, course: Course) -> None:
    """Everybody goes."""
    world.audience.watch_seconds = 0.0
    for viewer in list(world.audience.viewers.values()):
        world.audience.depart(viewer)
    for producer in course.producers:
        world.unpublish(producer)


class _Trouble:
    """Deaths, arrivals, partitions, drains, lost links; all planned from the seed."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._on = True

    def plan(self) -> None:
        kinds = (
            self._kill, self._kill, self._kill_relay, self._kill_owner, self._join, self._join, self._cut_link,
            self._partition, self._drain, self._drain, self._flash, self._take_over,
        )  # fmt: skip
        for _ in range(self._rng.randint(2, max(3, self._world.scenario.nodes // 4))):
            self._world.events.at(START + self._rng.uniform(3.0, _FAULT_SECONDS - 1), self._rng.choice(kinds))
        if self._rng.random() < 0.2:
            self._world.events.at(START + self._rng.uniform(10.0, 25.0), self._massacre)

    def over(self) -> None:
        """No more of it: what was lost on the way was the last."""
        self._on = False
        self._world.network.cut = set()
        self._world.network.loss = self._world.network.late = 0.0

    def _victim(self) -> Host | None:
        mortal = [host for host in self._world.alive if host not in self._world.owners.values()]
        return self._rng.choice(mortal) if len(mortal) > 0.66 * self._world.scenario.nodes else None

    def _kill(self) -> None:
        victim = self._victim()
        if victim is not None:
            self._world.crash(victim)

    def _kill_relay(self) -> None:
        relays = [host for host in self._world.alive if host.pipes and host not in self._world.owners.values()]
        if relays and self._victim() is not None:
            self._world.crash(self._rng.choice(relays))

    def _kill_owner(self) -> None:
        owners = sorted(self._world.owners.values(), key=lambda host: host.name)
        if owners and len(self._world.alive) > 5:
            self._world.crash(self._rng.choice(owners))

    def _massacre(self) -> None:
        mortal = [host for host in self._world.alive if host not in self._world.owners.values()]
        for host in self._rng.sample(mortal, len(mortal) // 4):
            self._world.crash(host)

    def _join(self) -> None:
        self._world.add()

    def _drain(self) -> None:
        victim = self._victim()
        if victim is not None:
            self._world.leave(victim, stays=self._rng.random() < 0.3)

    def _take_over(self) -> None:
        """The publisher appears elsewhere."""
        for producer in list(self._world.owners)[:1]:
            self._world.take_over(self._rng.choice(self._world.alive), producer)

    def _cut_link(self) -> None:
        wires = list(self._world.network.wires.values())
        if wires:
            self._world.network.close(self._rng.choice(wires))

    def _partition(self) -> None:
        if not self._world.network.cut:
            self._world.partition(self._rng.uniform(0.1, 0.5), self._rng.uniform(0.5, 8.0))

    def _flash(self) -> None:
        """A few more viewers at once."""
        for producer in list(self._world.owners)[:1]:
            for _ in range(self._rng.randint(1, self._world.scenario.slots)):
                self._world.audience.arrive(producer, self._rng.randrange(self._world.scenario.regions))
