"""Changing a living parent: both feed for a moment, and whatever goes wrong leaves the old one."""

import pytest

from foundation import limits
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Consume,
    Ended,
    EndReason,
    Handover,
    Leave,
    Lineage,
    Purpose,
    RefusalReason,
    Refused,
    Release,
    Report,
)
from swarm.tree.actions import Attach, Connect, DropSource
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def _hands_over(core: Core, request: int, *numbers: int) -> None:
    core.receive(1, Handover(request, P, tuple(record(number).encoded for number in numbers)))


def _moving(core: Core) -> tuple[int, int]:
    """Fed by 1, which hands over to 2, which has accepted: both requests."""
    request = core.relay()
    core.tree.pipe_flowing(P, node(1), core.now)
    core.link(2)
    _hands_over(core, request, 2)
    consume = core.one(Consume)
    assert consume.purpose == Purpose.MOVE
    core.accepted_by(2, consume.request, above=(9,), ssrc=2000)
    return request, consume.request


def _parent(core: Core) -> bytes | None:
    carriage = core.tree.carriage(P)
    assert carriage is not None
    return carriage.parent


def test_the_old_parent_feeds_until_the_first_packet_of_the_new_one(core: Core) -> None:
    request, _ = _moving(core)
    done = core.actions()
    assert Attach(P, node(2), tracks(2000), keep_old=True) in done
    assert [type(message) for message in messages(done)] == [Report]
    assert _parent(core) == node(1)
    core.tree.pipe_flowing(P, node(2), core.now)
    done = core.actions()
    assert messages(done)[0] == Leave(request, P)
    assert DropSource(P, node(1)) in done
    assert _parent(core) == node(2)


def test_both_links_are_used_meanwhile(core: Core) -> None:
    _moving(core)
    assert core.tree.uses_link(node(1))
    assert core.tree.uses_link(node(2))


def test_a_new_parent_that_sends_nothing_is_left_and_the_old_one_stays(core: Core) -> None:
    _, moved = _moving(core)
    core.actions()
    core.advance(limits.parent_flow_seconds_max)
    done = core.actions()
    assert Leave(moved, P) in messages(done)
    assert DropSource(P, node(2)) in done
    assert _parent(core) == node(1)


@pytest.mark.parametrize("how", ["ended", "unlinked", "pipe"])
def test_a_new_parent_that_is_lost_on_trial_leaves_the_old_one(core: Core, how: str) -> None:
    _, moved = _moving(core)
    match how:
        case "ended":
            core.receive(2, Ended(moved, P, EndReason.LOST))
        case "unlinked":
            core.unlink(2)
        case _:
            core.tree.pipe_lost(P, node(2), core.now)
    assert _parent(core) == node(1)
    assert core.tree.counters["parents_lost"] == 0


def test_an_old_parent_that_dies_meanwhile_makes_the_new_one_the_parent(core: Core) -> None:
    _moving(core)
    core.unlink(1)
    assert _parent(core) == node(2)
    assert core.tree.counters["parents_lost"] == 0


def test_a_node_that_got_a_child_meanwhile_does_not_raise_its_rank(core: Core) -> None:
    request = core.relay()
    core.link(2)
    _hands_over(core, request, 2)
    moved = core.one(Consume).request
    core.accepted_by(2, moved, rank=4, above=(9,), ssrc=2000)
    core.actions()
    core.feed(3)
    core.tree.pipe_flowing(P, node(2), core.now)
    assert Leave(moved, P) in messages(core.actions())
    assert _parent(core) == node(1)


def test_a_rank_that_rose_on_trial_counts(core: Core) -> None:
    _, moved = _moving(core)
    core.feed(3)
    core.receive(2, Lineage(moved, P, 5, (node(9), node(2))))
    core.tree.pipe_flowing(P, node(2), core.now)
    assert _parent(core) == node(1)


def test_backups_that_the_new_parent_names_on_trial_are_kept(core: Core) -> None:
    _, moved = _moving(core)
    core.receive(2, Backups(moved, P, (Backup(record(7).encoded, 0, 0),)))
    core.tree.pipe_flowing(P, node(2), core.now)
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert [backup.node for backup in carriage.backups] == [node(7)]


def test_a_place_too_deep_is_released(core: Core) -> None:
    request = core.relay()
    core.feed(3)
    core.link(2)
    _hands_over(core, request, 2)
    consume = core.one(Consume)
    assert consume.rank_below == 1
    core.accepted_by(2, consume.request, rank=1, above=(9,))
    assert Release(consume.request, P) in messages(core.actions())
    assert _parent(core) == node(1)


def test_a_carrier_of_a_newer_session_takes_the_place_at_once(core: Core) -> None:
    request = core.relay()
    core.link(2)
    _hands_over(core, request, 2)
    moved = core.one(Consume).request
    core.receive(2, Accepted(moved, P, 0, (node(2),), tracks(2000), epoch=9))
    done = core.actions()
    assert Leave(request, P) in messages(done)
    assert Attach(P, node(2), tracks(2000), same_source=False) in done


# --- a parent that is about to go ---


def test_whoever_finds_no_other_parent_asks_again_a_little_later(core: Core) -> None:
    request = core.relay()
    core.link(2)
    _hands_over(core, request, 2)
    core.receive(2, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    core.actions()
    core.advance(limits.handover_retry_seconds)
    assert core.one(Consume)


def test_a_parent_that_stays_after_all_is_not_left(core: Core) -> None:
    request = core.relay()
    core.link(2)
    _hands_over(core, request, 2)
    core.receive(2, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    _hands_over(core, request)
    core.actions()
    core.advance(10)
    assert not any(isinstance(message, Consume) for message in messages(core.actions()))


def test_a_flood_of_handovers_is_one_move(core: Core) -> None:
    request = core.relay()
    for number in range(2, 30):
        _hands_over(core, request, number)
        _hands_over(core, request)
    assert core.one(Connect).contact.node == node(2)


def test_a_handover_to_nowhere_leaves_everything_as_it_was(core: Core) -> None:
    request = core.relay()
    core.receive(1, Handover(request, P, (b"forged", record(0).encoded, record(1).encoded)))
    assert core.sent() == []
    assert _parent(core) == node(1)


@pytest.mark.parametrize(("number", "offset"), [(1, 1), (2, 0)])
def test_a_handover_of_another_bond_or_by_another_node_changes_nothing(core: Core, number: int, offset: int) -> None:
    request = core.relay()
    core.link(2, 3)
    core.receive(number, Handover(request + offset, P, (record(3).encoded,)))
    assert core.sent() == []
    assert core.tree.counters["handover_stale"] == 1


# --- a parent that sends nothing ---


def _with_backup(core: Core) -> int:
    request = core.relay()
    core.receive(1, Backups(request, P, (Backup(record(2).encoded, 0, 0),)))
    core.link(2)
    core.actions()
    return request


def test_a_new_parent_that_sends_nothing_is_exchanged_for_one_that_does(core: Core) -> None:
    request = _with_backup(core)
    core.advance(limits.parent_flow_seconds_max)
    consume = next(message for _, message in core.sent() if isinstance(message, Consume))
    core.accepted_by(2, consume.request, above=(9,), ssrc=2000)
    core.tree.pipe_flowing(P, node(2), core.now)
    assert Leave(request, P) in messages(core.actions())
    assert _parent(core) == node(2)


def test_when_neither_sends_the_source_is_muted_and_the_parent_stays(core: Core) -> None:
    _with_backup(core)
    core.advance(limits.parent_flow_seconds_max)
    consume = next(message for _, message in core.sent() if isinstance(message, Consume))
    core.accepted_by(2, consume.request, above=(9,), ssrc=2000)
    core.advance(10 * limits.parent_flow_seconds_max)
    assert _parent(core) == node(1)
    assert sum(isinstance(message, Consume) for _, message in core.sent()) == 0


def test_a_parent_that_sends_is_kept(core: Core) -> None:
    _with_backup(core)
    core.tree.pipe_flowing(P, node(1), core.now)
    core.advance(limits.parent_flow_seconds_max)
    assert not any(isinstance(message, Consume) for _, message in core.sent())
