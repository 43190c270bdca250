"""Situations of whole swarms: chains, herds, no room, lies, links that are closed. What is drawn at random from a
seed, with every kind of accident, is in `test_simulate`.
"""

import pytest

from swarm.tree.walk import nested
from tests.sim.relay_world import P, Swarm, seeds


@pytest.mark.parametrize("seed", seeds(10))
def test_an_owner_with_one_slot_feeds_a_chain(seed: int) -> None:
    swarm = Swarm(seed)
    owner = swarm.add(1)
    relays = [swarm.add(2) for _ in range(5)]
    swarm.publish(owner)
    for relay in relays:
        swarm.watch(relay)
        swarm.run(5)
    swarm.run(20)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_a_herd_at_an_owner_with_one_slot_forms_a_chain_too(seed: int) -> None:
    swarm = Swarm(seed)
    owner = swarm.add(1)
    relays = [swarm.add(2) for _ in range(5)]
    swarm.publish(owner)
    for relay in relays:
        swarm.watch(relay)
    swarm.run(40)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()


def test_the_first_to_ask_is_served_in_a_few_round_trips() -> None:
    swarm = Swarm(1)
    owner, relay = swarm.add(5), swarm.add(5)
    swarm.publish(owner)
    swarm.watch(relay)
    swarm.run(1)
    assert [swarm.sees(viewer) for viewer in swarm.viewers()] == [True]


def test_a_stream_that_nobody_owns_is_not_found() -> None:
    swarm = Swarm(1)
    node = swarm.add(5)
    swarm.watch(node)
    swarm.run(2)
    assert swarm.world.audience.not_found == 1
    assert swarm.world.audience.full == 0
    swarm.ends_with_nothing()


def test_a_swarm_without_room_says_so() -> None:
    swarm = Swarm(1)
    owner, relay, late = swarm.add(1), swarm.add(1), swarm.add(1)
    swarm.publish(owner)
    swarm.watch(relay)
    swarm.run(3)
    swarm.watch(late)
    swarm.run(20)
    assert [swarm.sees(viewer) for viewer in swarm.viewers()] == [True, False]
    assert swarm.world.audience.full >= 1
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_the_whole_tree_is_seen_from_every_node(seed: int) -> None:
    swarm = Swarm(seed)
    nodes = [swarm.add(3) for _ in range(12)]
    swarm.publish(nodes[0])
    for node in nodes[1:]:
        swarm.watch(node)
    swarm.run(25)
    carriers = [node for node in nodes if swarm.carries(node)]
    for node in nodes:
        node.ask_tree(P)
    swarm.run(3)
    for node in nodes:
        [known] = node.trees
        assert {shown.node for shown in known.nodes} == {carrier.id for carrier in carriers}
        assert sum(shown.viewers for shown in known.nodes) == 11
        root = nested(known.nodes)
        assert root is not None
        assert root["node"] == nodes[0].id.hex()
    swarm.run(1)
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(20))
def test_late_and_repeated_messages_do_no_harm(seed: int) -> None:
    swarm = Swarm(seed, late=0.2, repeated=0.1)
    nodes = [swarm.add(swarm.rng.randint(3, 6)) for _ in range(swarm.rng.randint(6, 20))]
    swarm.publish(nodes[0])
    for node in nodes[1:]:
        swarm.watch(node, within=5)
    swarm.run(90)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()


def _bombarded(seed: int, parents_lie: bool) -> Swarm:
    """A swarm in which any node sends any message that anybody ever sent to any node it has a link with."""
    swarm = Swarm(seed, honest=False)
    nodes = [swarm.add(swarm.rng.randint(3, 5)) for _ in range(8)]
    swarm.publish(nodes[0])
    for node in nodes[1:]:
        swarm.watch(node)
    swarm.run(2)
    for _ in range(600):
        swarm.run(0.02)
        wires = list(swarm.world.network.wires.values())
        if wires and swarm.sent:
            wire = swarm.rng.choice(wires)
            receiver = swarm.rng.choice((wire.a, wire.b))
            sender = wire.other(receiver)
            carriage = receiver.tree.carriage(P)
            if sender.id in receiver.links and (parents_lie or carriage is None or carriage.parent != sender.id):
                receiver.message(sender.id, swarm.rng.choice(swarm.sent))
    swarm.run(60)
    return swarm


@pytest.mark.parametrize("seed", seeds(20))
def test_forged_and_replayed_messages_cost_nobody_the_stream(seed: int) -> None:
    swarm = _bombarded(seed, parents_lie=False)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(20))
def test_lies_of_ones_own_parent_exceed_no_slot_and_leave_nothing(seed: int) -> None:
    _bombarded(seed, parents_lie=True).ends_with_nothing()


@pytest.mark.parametrize("seed", seeds(10))
def test_links_that_nobody_uses_may_be_closed_at_any_time(seed: int) -> None:
    swarm = Swarm(seed)
    nodes = [swarm.add(4) for _ in range(12)]
    swarm.publish(nodes[0])
    for node in nodes[1:]:
        swarm.watch(node, within=10)
    for _ in range(200):
        swarm.run(0.1)
        for wire in list(swarm.world.network.wires.values()):
            if not wire.a.tree.uses_link(wire.b.id) and not wire.b.tree.uses_link(wire.a.id):
                swarm.world.network.close(wire)
    swarm.run(15)
    assert all(swarm.sees(viewer) for viewer in swarm.viewers())
    swarm.ends_with_nothing()
