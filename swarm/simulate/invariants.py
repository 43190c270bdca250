"""What must be true of every swarm: at each moment of each node, and of all nodes together within a bounded time.

Local invariants are checked after every event of the node it touched; those that need several nodes at intervals.
Some may be broken for a moment, while messages are under way: these have a time after which they are a fault.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.simulate.host import Host
from swarm.simulate.world import World
from swarm.tree.carriage import Carriage

CHECK_SECONDS = 0.5
"""Between two looks at all nodes."""

_AGREE_SECONDS = limits.report_keepalive_seconds + 5.0
"""A child whose parent does not know it learns that with its next report, which may be late or lost once."""

_FORGET_SECONDS = limits.child_silence_seconds_max + limits.report_keepalive_seconds + 5.0
"""A parent forgets a child that is not there by its silence."""

_ORPHAN_SECONDS = 25.0
"""An orphan with a subtree tries twice with it, and once without: each try may meet dead nodes and late answers."""

_WAIT_SECONDS = limits.pull_seconds_max + 6.0
"""Every viewer that waits at a node gets an answer by then."""

_ROOM_SECONDS = 25.0
"""Until a tree can grow again when its relay slots went all at once."""

_TWO_PARENTS_SECONDS = 12.0
"""Making before breaking, or until a parent has noticed that its child is gone."""


class Broken(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """`world.check` and `everywhere` raise `Broken`, with what, where and when.

    `grace` is added to all times where messages are late; without `honest` nodes, what a liar says breaks nothing.
    """

    def __init__(self, world: World, grace: float = 0.0, honest: bool = True) -> None:
        self._world = world
        self._honest = honest
        self._grace = grace
        self._ranks: dict[tuple[NodeId, UUID], tuple[Carriage, int]] = {}
        self._since: dict[Hashable, float] = {}
        self._seen: set[Hashable] = set()
        self.checks = 0
        world.check = self.local

    def local(self, host: Host) -> None:
        """Whatever holds at every moment."""
        if not host.alive:
            return
        self.checks += 1
        tree = host.tree
        state, load, carriages = tree._state, tree.load, tree.carriages()
        children = viewers = 0
        for carriage in carriages:
            children += len(carriage.children)
            self._carriage(host, carriage)
        for wanted in state.viewers.values():
            viewers += len(wanted)
        self._hold(load.viewers + load.children <= host.slots, host, "more copies than slots")
        self._hold(load.children == children, host, "the count of children is not that of its sets")
        self._hold(load.viewers == viewers, host, "the count of viewers is not that of its sets")
        self._hold(not state.outbox, host, "an action was left undone")
        if state.pulls or children:
            self._hold(tree.next_timeout() is not None, host, "something waits without a deadline")
        timeout = tree.next_timeout()
        self._hold(
            timeout is None or timeout > self._world.events.now - 1e-6 or host.timer_at is not None,
            host,
            "a deadline has passed",
        )

    def everywhere(self) -> None:
        """Whatever holds between nodes."""
        self._seen.clear()
        for host in self._world.alive:
            self._viewers(host)
            for carriage in host.tree.carriages():
                self._bond(host, carriage)
        self._loops()
        self._owners()
        self._parents()
        self._relay_room()
        self._places()
        for key in [key for key in self._since if key not in self._seen]:
            del self._since[key]

    # --- one node ---

    def _carriage(self, host: Host, carriage: Carriage) -> None:
        self._hold(bool(carriage.lineage) and carriage.lineage[-1] == host.id, host, "a lineage of another node")
        self._hold(len(carriage.lineage) <= limits.lineage_nodes_max, host, "a lineage that is too long")
        key = host.id, carriage.producer
        if carriage.children:
            before = self._ranks.get(key)
            rose = before is not None and before[0] is carriage and carriage.rank > before[1]
            self._hold(not rose, host, "a rank rose while there are children")
            self._ranks[key] = carriage, carriage.rank
        else:
            self._ranks.pop(key, None)
        above = self._parent(carriage) if self._honest else None
        child = above.children.get(host.id) if above is not None else None
        if above is not None and child is not None and child.request == carriage.request:
            self._hold(above.rank < carriage.rank, host, "a parent's rank is not below its child's")

    def _viewers(self, host: Host) -> None:
        state, now = host.tree._state, self._world.events.now
        held = {viewer for viewers in state.viewers.values() for viewer in viewers}
        self._hold(host.watching.keys() <= held, host, "a viewer is served without a slot")
        self._hold(held <= host.watching.keys() | host.waiting.keys(), host, "a slot is held by nobody")
        for viewer in host.waiting.values():
            self._hold(now - viewer.posted_at < _WAIT_SECONDS, host, f"{viewer.name} waits without end")

    # --- several nodes ---

    def _bond(self, host: Host, carriage: Carriage) -> None:
        """Parent and child agree, within their times."""
        if carriage.parent is not None:
            above = self._parent(carriage)
            child = above.children.get(host.id) if above is not None else None
            agreed = child is not None and child.request == carriage.request
            self._within(
                agreed, _AGREE_SECONDS, ("parent", host.name, carriage.producer), "its parent does not know it"
            )
        for child in carriage.children.values():
            below = self._carriage_of(child.node, carriage.producer)
            agreed = below is not None and below.parent == host.id and below.request == child.request
            key = ("child", host.name, child.node, carriage.producer)
            self._within(agreed, _FORGET_SECONDS, key, "it keeps a child that is not there")
        if not carriage.fed:
            self._within(
                not self._could_be_fed(host, carriage), _ORPHAN_SECONDS,
                ("orphan", host.name, carriage.producer), "an orphan while there is room",
            )  # fmt: skip

    def _could_be_fed(self, host: Host, orphan: Carriage) -> bool:
        world = self._world
        owner = world.owners.get(orphan.producer)
        if owner is None or world.network.cut or not owner.alive:
            return False
        return any(
            feed.fed
            and (other := world.hosts[feed.node]).tree.load.copies < other.slots
            and not other.draining
            and (carriage := other.tree.carriage(orphan.producer)) is not None
            and carriage.rank < orphan.rank
            for feed in world.feeding.all()
            if feed.producer == orphan.producer and feed.node != host.id
        )

    def _loops(self) -> None:
        self._hold(not self._world.feeding.loops, None, "pipes form a circle")
        for host in self._world.alive:
            for carriage in host.tree.carriages():
                seen = {host.id}
                above: Carriage | None = carriage
                while above is not None and above.parent is not None:
                    parent = above.parent
                    self._hold(parent not in seen, host, "parents form a circle")
                    seen.add(parent)
                    above = self._carriage_of(parent, carriage.producer)

    def _owners(self) -> None:
        owners: Counter[tuple[UUID, int]] = Counter()
        for host in self._world.alive:
            for carriage in host.tree.carriages():
                if carriage.owned:
                    owners[carriage.producer, host.epochs.get(carriage.producer, 0)] += 1
        for (producer, epoch), count in owners.items():
            self._hold(count == 1, None, f"{count} nodes own {producer} in epoch {epoch}")

    def _parents(self) -> None:
        """Pipes into each node: one, or two for a while."""
        pipes: Counter[tuple[NodeId, UUID]] = Counter()
        for host in self._world.alive:
            pipes.update(host.pipes.keys())
        for (node, producer), count in pipes.items():
            key = ("pipes", node, producer)
            self._within(count <= 1, _FORGET_SECONDS, key, f"{count} parents feed one node")
            self._within(count <= 2, _TWO_PARENTS_SECONDS, (*key, 2), f"{count} parents feed one node")

    def _relay_room(self) -> None:
        """While any node is idle, there is a slot for it in every tree."""
        world = self._world
        if world.network.cut or not any(not host.tree.carriages() and not host.draining for host in world.alive):
            return
        for producer, owner in world.owners.items():
            feeds = [feed for feed in world.feeding.all() if feed.producer == producer and feed.fed]
            room = any(
                host.tree.load.copies < host.slots and not host.draining
                for host in (world.hosts[feed.node] for feed in feeds)
            )
            self._within(
                room or not owner.alive, _ROOM_SECONDS, ("room", producer), "no relay slot while nodes are idle"
            )

    def _places(self) -> None:
        """Every viewer is served at one node at most, and where it says."""
        seen: set[str] = set()
        for host in self._world.alive:
            for name, viewer in (*host.watching.items(), *host.waiting.items()):
                if viewer.leaving is host:
                    continue
                self._hold(name not in seen, host, f"{name} is in two places")
                seen.add(name)
                self._hold(viewer.host is host or viewer.posted_to is host, host, f"{name} does not know where it is")

    # --- parts ---

    def _parent(self, carriage: Carriage) -> Carriage | None:
        return self._carriage_of(carriage.parent, carriage.producer) if carriage.parent is not None else None

    def _carriage_of(self, node: NodeId, producer: UUID) -> Carriage | None:
        host = self._world.hosts.get(node)
        return host.tree.carriage(producer) if host is not None and host.alive else None

    def _within(self, true: bool, seconds: float, key: Hashable, what: str) -> None:
        """Broken when it was not true for so long."""
        if true:
            return
        self._seen.add(key)
        since = self._since.setdefault(key, self._world.events.now)
        if self._world.events.now - since > seconds + self._grace:
            raise Broken(f"{self._when()} {key}: {what}, for {self._world.events.now - since:.1f} s")

    def _hold(self, true: bool, host: Host | None, what: str) -> None:
        if not true:
            raise Broken(f"{self._when()} {host.name if host is not None else 'swarm'}: {what}")

    def _when(self) -> str:
        return f"at {self._world.events.now - 1000:.3f} s,"


def left_over(world: World) -> Iterator[str]:
    """What is still there when everything should be over."""
    for host in world.alive:
        if host.tree.pending():
            deadlines = sorted(map(str, host.tree._state.deadlines._current))
            yield f"{host.name} has {host.tree.pending()} things pending, with deadlines for {deadlines}"
        if host.pipes:
            yield f"{host.name} sends {len(host.pipes)} pipes"
        if host.watching or host.waiting:
            yield f"{host.name} has viewers"
    for feed in world.feeding.all():
        yield f"{world.hosts[feed.node].name} still has media of {feed.producer}"
