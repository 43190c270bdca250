"""A node that is about to go: nobody new, children handed over, and an end that can be taken back."""

import pytest

from foundation import limits
from swarm.messages import (
    Backup,
    Backups,
    Consume,
    Ended,
    EndReason,
    Handover,
    Leave,
    Purpose,
    RefusalReason,
    Refused,
    Report,
)
from swarm.policy import DefaultPolicy
from swarm.tree.actions import Drained
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record


@pytest.fixture
def core() -> Core:
    return Core()


def _relay_with_child(core: Core) -> int:
    """Fed by 1, feeding 2, which was told of 7 and 8."""
    request = core.relay()
    core.receive(1, Backups(request, P, (Backup(record(7).encoded, 0, 0), Backup(record(8).encoded, 0, 0))))
    core.feed(2)
    core.advance(limits.backups_seconds)
    core.actions()
    return request


def _drain(core: Core) -> None:
    core.tree.drain(core.now)
    core.advance(0.01)


def test_children_are_told_whom_to_take_instead(core: Core) -> None:
    _relay_with_child(core)
    _drain(core)
    handover = core.one(Handover)
    assert {record(7).encoded, record(8).encoded, record(1).encoded} == set(handover.candidates)


def test_a_child_without_backups_is_sent_to_the_grandparent(core: Core) -> None:
    core.relay()
    core.feed(2)
    _drain(core)
    assert core.one(Handover) == Handover(1, P, (record(1).encoded,))


def test_each_child_is_told_once(core: Core) -> None:
    _relay_with_child(core)
    _drain(core)
    core.actions()
    core.tree.drain(core.now)
    core.advance(3)
    assert not any(isinstance(message, Handover) for message in messages(core.actions()))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_nobody_new_is_taken(core: Core, purpose: Purpose) -> None:
    core.own()
    _drain(core)
    core.actions()
    core.asked_by(3, purpose=purpose)
    assert core.one(Refused) == Refused(1, P, RefusalReason.DRAINING)


def test_its_reports_say_that_there_is_no_room(core: Core) -> None:
    core.relay()
    _drain(core)
    core.actions()
    core.advance(limits.report_seconds)
    report = next(message for message in messages(core.actions()) if isinstance(message, Report))
    assert (report.relay_room, report.viewer_room) == (0, 0)


def test_it_is_over_when_the_last_child_has_gone(core: Core) -> None:
    _relay_with_child(core)
    _drain(core)
    assert not any(isinstance(action, Drained) for action in core.actions())
    core.receive(2, Leave(1, P))
    core.advance(limits.drain_look_seconds)
    assert core.one(Drained)
    core.advance(5)
    assert not any(isinstance(action, Drained) for action in core.actions())


def test_without_children_it_is_over_at_once(core: Core) -> None:
    _drain(core)
    assert core.one(Drained)


def test_children_of_what_is_published_here_stay(core: Core) -> None:
    core.own()
    core.feed(2)
    _drain(core)
    done = core.actions()
    assert Drained() in done
    assert not any(isinstance(message, Handover) for message in messages(done))
    assert core.tree.load.children == 1


def test_a_publisher_that_ends_with_its_node_may_come_back_elsewhere(core: Core) -> None:
    core.own()
    core.feed(2)
    _drain(core)
    core.actions()
    core.tree.unproduced(P, core.now)
    assert core.one(Ended) == Ended(1, P, EndReason.LOST)


def test_taken_back_it_takes_others_and_tells_who_is_still_here(core: Core) -> None:
    _relay_with_child(core)
    _drain(core)
    core.actions()
    core.tree.undrain(core.now)
    assert core.one(Handover) == Handover(1, P, ())
    assert not core.tree.busy(for_relay=True)
    core.advance(1)
    core.actions()
    _drain(core)
    assert core.one(Handover).candidates


def test_a_policy_that_comes_meanwhile_decides_once_it_is_taken_back(core: Core) -> None:
    _drain(core)
    core.tree.replace_policy(DefaultPolicy(7), core.now)
    assert core.tree.busy(for_relay=True)
    core.tree.undrain(core.now)
    core.tree.undrain(core.now)
    assert not core.tree.busy(for_relay=True)
    core.advance(60)
    core.actions()
    assert core.tree.pending() == 0


def test_a_node_with_a_draining_parent_and_no_other_place_stays_until_that_ends(core: Core) -> None:
    request = core.relay()
    core.link(2)
    core.receive(1, Handover(request, P, (record(2).encoded,)))
    for _ in range(20):
        for to, message in core.sent():
            if isinstance(message, Consume) and to == node(2):
                core.receive(2, Refused(message.request, P, RefusalReason.BUSY))
        core.advance(1.0)
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.parent == node(1)
