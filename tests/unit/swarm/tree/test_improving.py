"""Hanging better: for a gain that is worth it, and rarely."""

import pytest

from foundation import limits
from swarm.messages import Accepted, Backup, Backups, Consume, Report
from tests.unit.swarm.tree.relay_core import Core, P, node, record, tracks

_REPORT = Report(request=1, producer=P, relay_room=1, viewer_room=1, spare=1, size=1)


@pytest.fixture
def core() -> Core:
    return Core()


def _far_away(core: Core, delay_ms: int = 100, backup_ms: int = 10, rank: int = 1) -> int:
    """Fed by 1 with such a delay; 2 is a backup with a link, and that near to the owner."""
    core.rtts = {node(1): 0.0, node(2): 0.0}
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 2, (node(9), node(8), node(1)), tracks(), delay_ms=delay_ms))
    core.tree.pipe_flowing(P, node(1), core.now)
    core.receive(1, Backups(request, P, (Backup(record(2).encoded, rank, backup_ms),)))
    core.link(2)
    core.actions()
    return request


def _asked(core: Core) -> list[Consume]:
    return [message for to, message in core.sent() if isinstance(message, Consume) and to == node(2)]


def _wait(core: Core) -> None:
    core.advance(2 * limits.improvement_seconds)


def test_the_delay_is_the_sum_of_half_the_round_trips(core: Core) -> None:
    core.rtts = {node(1): 0.05}
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(), delay_ms=40))
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.delay_ms == 65


def test_a_backup_that_is_much_nearer_becomes_the_parent(core: Core) -> None:
    _far_away(core)
    _wait(core)
    [consume] = _asked(core)
    assert consume.purpose == "move"


@pytest.mark.parametrize(("delay_ms", "backup_ms"), [(100, 61), (30, 11), (10, 0), (100, 100)])
def test_a_small_gain_is_not_worth_it(core: Core, delay_ms: int, backup_ms: int) -> None:
    _far_away(core, delay_ms, backup_ms)
    _wait(core)
    assert _asked(core) == []


def test_the_round_trip_to_the_backup_counts(core: Core) -> None:
    _far_away(core)
    core.rtts[node(2)] = 0.2
    _wait(core)
    assert _asked(core) == []


def test_a_backup_whose_round_trip_is_not_known_is_not_taken(core: Core) -> None:
    _far_away(core)
    del core.rtts[node(2)]
    _wait(core)
    assert _asked(core) == []


def test_a_node_with_children_does_not_move_to_one_as_deep_as_itself(core: Core) -> None:
    _far_away(core, rank=3)
    core.feed(5)
    for _ in range(12):
        core.advance(5)
        core.receive(5, _REPORT)
    assert _asked(core) == []


def test_a_node_moves_once_in_half_a_minute_at_most(core: Core) -> None:
    _far_away(core)
    seen = 0
    for _ in range(int(4 * limits.improvement_seconds)):
        core.advance(1)
        seen += len(_asked(core))
    assert 1 <= seen <= 4
