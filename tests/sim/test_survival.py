"""Situations of swarms that lose something: the owner, a parent, a node that leaves. By chance: `test_simulate`."""

import pytest

from swarm.simulate.host import Host
from tests.sim.relay_world import P, Swarm, seeds


def _grown(seed: int, count: int = 16) -> tuple[Swarm, Host]:
    """A tree some levels deep with a viewer at every node but the owner, given second."""
    swarm = Swarm(seed)
    nodes = [swarm.add(swarm.rng.randint(3, 6)) for _ in range(count)]
    swarm.publish(nodes[0])
    for node in nodes[1:]:
        swarm.watch(node, within=5.0)
    swarm.run(25)
    return swarm, nodes[0]


def _carriers(swarm: Swarm) -> list[Host]:
    return [node for node in swarm.nodes if node.alive and node.tree.carriage(P) is not None]


@pytest.mark.parametrize("by_a_relay", [True, False])
@pytest.mark.parametrize("seed", seeds(10))
def test_a_publisher_that_comes_back_by_another_node_feeds_all_who_waited(seed: int, by_a_relay: bool) -> None:
    swarm, owner = _grown(seed)
    home = swarm.rng.choice([node for node in _carriers(swarm) if node is not owner]) if by_a_relay else swarm.add(6)
    swarm.world.crash(owner)
    swarm.world.owners.pop(P, None)
    swarm.run(swarm.rng.uniform(0.0, 4.0))
    if P not in swarm.world.owners:
        swarm.publish(home)
    swarm.run(40)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_of_two_owners_the_later_one_stays(seed: int) -> None:
    swarm, _ = _grown(seed)
    second = swarm.add(6)
    swarm.world.take_over(second, P)
    swarm.run(60)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    carriages = [carriage for node in _carriers(swarm) if (carriage := node.tree.carriage(P)) is not None]
    assert {carriage.lineage[0] for carriage in carriages} == {second.id}
    assert [carriage.lineage for carriage in carriages if carriage.owned] == [(second.id,)]
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_whoever_hangs_below_a_draining_node_is_never_without_the_stream(seed: int) -> None:
    swarm, owner = _grown(seed)
    for _ in range(2):
        swarm.watch(swarm.add(6))
    swarm.run(10)
    leaving = next(node for node in _carriers(swarm) if node is not owner and node.tree.load.children)
    below = [node for node in _carriers(swarm) if node is not leaving and swarm.carries(node)]
    leaving.drain()
    for _ in range(100):
        swarm.run(0.1)
        assert all(swarm.carries(node) for node in below if node.tree.carriage(P) is not None)
    leaving.undrain()
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_parents_that_fall_silent_again_and_again_cost_nobody_the_stream(seed: int) -> None:
    swarm, owner = _grown(seed)
    for _ in range(6):
        node = swarm.rng.choice([node for node in _carriers(swarm) if node is not owner])
        carriage = node.tree.carriage(P)
        if carriage is not None and carriage.parent is not None:
            node.tree.parent_silent(carriage.parent, swarm.world.events.now)
            node._settle()
        swarm.run(swarm.rng.uniform(0.0, 8.0))
    swarm.run(30)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()
