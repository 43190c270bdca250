"""Whole swarms of relay trees: everybody is fed, nobody too often, and nothing is left when all is over."""

import pytest

from foundation import limits
from swarm.actions import Carried, Full, NotFound
from swarm.tree_walk import nested
from swarm.wire import encode
from tests.sim.relay_net import Net, P, Q, seeds


def ends_with_nothing(net: Net) -> None:
    """Publishers and viewers go: every slot, pipe, request and deadline has to be gone a little later."""
    net.viewers_insist = False
    for node in net.nodes:
        if node.alive:
            for producer, viewers in list(node.tree._state.viewers.items()):
                for viewer in list(viewers):
                    net.release(node, viewer, producer)
            for carriage in node.tree.carriages():
                if carriage.owned:
                    net.unpublish(node, carriage.producer)
    net.run(60)
    for node in net.nodes:
        if node.alive:
            assert node.tree.pending() == 0
            assert node.sources == {}
    assert {key: ssrc for key, ssrc in net.pipes.items() if net.by_id[key[0]].alive} == {}


@pytest.mark.parametrize("seed", seeds(40))
def test_everybody_who_wants_a_stream_is_fed(seed: int) -> None:
    net = Net(seed)
    nodes = [net.add(net.rng.randint(2, 6)) for _ in range(net.rng.randint(5, 50))]
    net.publish(nodes[0])
    for node in nodes[1:]:
        net.at(net.rng.uniform(0, 5), lambda node=node: net.insist(node))  # type: ignore[misc]
    net.run(40)
    assert all(net.flows(node) for node in nodes)
    assert max(net.depth(node) for node in nodes) < limits.lineage_nodes_max
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(10))
def test_an_owner_with_one_slot_feeds_a_chain(seed: int) -> None:
    net = Net(seed)
    owner = net.add(1)
    relays = [net.add(2) for _ in range(6)]
    net.publish(owner)
    for relay in relays:
        assert net.want(relay, "viewer")
        net.run(3)
    assert sorted(net.depth(relay) for relay in relays) == [1, 2, 3, 4, 5, 6]
    assert all(net.flows(relay) for relay in relays)
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(10))
def test_a_herd_at_an_owner_with_one_slot_forms_a_chain_too(seed: int) -> None:
    net = Net(seed)
    owner = net.add(1)
    relays = [net.add(2) for _ in range(8)]
    net.publish(owner)
    for relay in relays:
        net.want(relay, "viewer")
    net.run(20)
    assert all(net.flows(relay) for relay in relays)
    ends_with_nothing(net)


def test_the_first_to_ask_a_free_owner_is_fed_in_a_few_round_trips() -> None:
    net = Net(1)
    owner, relay = net.add(5), net.add(5)
    net.publish(owner)
    net.want(relay, "viewer")
    net.run(0.5)
    assert relay.outcomes == [(P, Carried())]


def test_a_stream_that_nobody_owns_is_not_found() -> None:
    net = Net(1)
    node = net.add(5)
    net.want(node, "viewer")
    net.run(1)
    assert [type(outcome) for _, outcome in node.outcomes] == [NotFound]
    assert node.tree.pending() == 0


def test_a_swarm_without_room_says_so() -> None:
    net = Net(1)
    net.viewers_insist = False
    owner, relay, late = net.add(1), net.add(1), net.add(1)
    net.publish(owner)
    net.want(relay, "viewer")
    net.run(2)
    net.want(late, "viewer")
    net.run(8)
    assert relay.outcomes == [(P, Carried())]
    assert late.outcomes == [(P, Full())]
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(10))
def test_the_whole_tree_is_seen_from_every_node(seed: int) -> None:
    net = Net(seed)
    nodes = [net.add(3) for _ in range(12)]
    net.publish(nodes[0])
    for node in nodes[1:]:
        net.want(node, "viewer")
    net.run(20)
    for node in nodes:
        node.tree.tree(P, net.now)
        net.settle(node)
    net.run(3)
    for node in nodes:
        [known] = node.trees
        assert {shown.node for shown in known.nodes} == {other.id for other in nodes}
        assert sum(shown.viewers for shown in known.nodes) == 11
        root = nested(known.nodes)
        assert root is not None
        assert root["node"] == nodes[0].id.hex()
    net.run(1)
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(40))
def test_deaths_and_churn_leave_every_living_viewer_fed(seed: int) -> None:
    net = Net(seed)
    nodes = [net.add(net.rng.randint(3, 6)) for _ in range(net.rng.randint(8, 30))]
    owner = nodes[0]
    net.publish(owner)
    net.publish(nodes[1], Q)
    for node in nodes[1:]:
        net.at(net.rng.uniform(0, 5), lambda node=node: net.insist(node))  # type: ignore[misc]
    for node in net.rng.sample(nodes, 5):
        net.at(net.rng.uniform(0, 5), lambda node=node: net.insist(node, Q))  # type: ignore[misc]
    net.run(10)
    for _ in range(len(nodes) // 4):
        victim = net.rng.choice(nodes[1:])
        if victim.alive:
            net.kill(victim)
        if net.links:
            net.unlink(*net.rng.choice(sorted(net.links)))
        net.run(net.rng.uniform(0, 4))
    net.run(60)
    for node in nodes:
        if node.alive and node is not owner:
            assert net.flows(node) if node.tree.viewers(P) else node.tree.busy()
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(20))
def test_late_and_repeated_messages_do_no_harm(seed: int) -> None:
    net = Net(seed, late=0.2, duplicated=0.1)
    nodes = [net.add(net.rng.randint(2, 5)) for _ in range(net.rng.randint(5, 20))]
    net.publish(nodes[0])
    for node in nodes[1:]:
        net.at(net.rng.uniform(0, 5), lambda node=node: net.insist(node))  # type: ignore[misc]
    net.run(90)
    assert all(net.flows(node) for node in nodes)
    ends_with_nothing(net)


def _bombarded(seed: int, parents_lie: bool) -> Net:
    """A swarm in which any node sends any message that anybody ever sent to any node it has a link with."""
    net = Net(seed)
    nodes = [net.add(net.rng.randint(2, 4)) for _ in range(8)]
    net.publish(nodes[0])
    for node in nodes[1:]:
        net.want(node, "viewer")
    net.run(0.5)
    net.honest = False
    for _ in range(600):
        net.run(0.02)
        if net.links:
            sender, receiver = net.rng.choice(sorted(net.links))
            message = net.rng.choice(net.sent)[2]
            carriage = net.by_id[receiver].tree.carriage(P)
            if parents_lie or carriage is None or carriage.parent != sender:
                net.inject(sender, receiver, message)
    net.run(60)
    return net


@pytest.mark.parametrize("seed", seeds(20))
def test_forged_and_replayed_messages_cost_nobody_the_stream(seed: int) -> None:
    net = _bombarded(seed, parents_lie=False)
    for node in net.nodes[1:]:
        assert net.flows(node) if node.tree.viewers(P) else node.tree.busy()
    ends_with_nothing(net)


@pytest.mark.parametrize("seed", seeds(20))
def test_lies_of_ones_own_parent_exceed_no_slot_and_leave_nothing(seed: int) -> None:
    ends_with_nothing(_bombarded(seed, parents_lie=True))


@pytest.mark.parametrize("seed", seeds(10))
def test_links_that_nobody_uses_may_be_closed_at_any_time(seed: int) -> None:
    net = Net(seed)
    nodes = [net.add(3) for _ in range(12)]
    net.publish(nodes[0])
    for node in nodes[1:]:
        net.at(net.rng.uniform(0, 10), lambda node=node: net.insist(node))  # type: ignore[misc]
    for _ in range(200):
        net.run(0.1)
        for a, b in sorted(net.links):
            if a < b and not net.by_id[a].tree.uses_link(b) and not net.by_id[b].tree.uses_link(a):
                net.unlink(a, b)
    net.run(10)
    assert all(net.flows(node) for node in nodes)
    ends_with_nothing(net)


def test_the_same_seed_gives_the_same_messages() -> None:
    traces = []
    for _ in range(2):
        net = Net(7)
        nodes = [net.add(2) for _ in range(10)]
        net.publish(nodes[0])
        for node in nodes[1:]:
            net.want(node, "viewer")
        net.run(10)
        traces.append([(a, b, encode(message)) for a, b, message in net.sent])
    assert traces[0] == traces[1]
    assert len(traces[0]) > 50
