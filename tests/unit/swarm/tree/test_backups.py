"""Backups: whom a parent names to which child, what a child makes of it, and to whom a link is kept."""

from dataclasses import replace

import pytest

from foundation import limits
from swarm.messages import Backup, Backups
from swarm.tree.actions import Connect
from tests.unit.swarm.tree.relay_core import Core, P, node, record


@pytest.fixture
def core() -> Core:
    return Core(slots=20)


def _told(core: Core) -> dict[int, list[int]]:
    """The children that were told, by number, and whom each was named."""
    numbers = {record(number).node: number for number in range(40)}
    encoded = {record(number).encoded: number for number in range(40)}
    return {
        numbers[to]: [encoded[backup.record] for backup in message.backups]
        for to, message in core.sent()
        if isinstance(message, Backups)
    }


def _names(core: Core, request: int, *numbers: int, rank: int = 1, parent: int = 1) -> None:
    core.receive(parent, Backups(request, P, tuple(Backup(record(n).encoded, rank, 5 * n) for n in numbers)))


def _known(core: Core) -> list[bytes]:
    carriage = core.tree.carriage(P)
    assert carriage is not None
    return [backup.node for backup in carriage.backups]


# --- what a parent names ---


def test_an_owner_names_its_children_to_each_other(core: Core) -> None:
    core.own()
    for number in (1, 2, 3):
        core.feed(number)
    core.advance(limits.backups_seconds)
    told = _told(core)
    assert {child: set(named) for child, named in told.items()} == {1: {2, 3}, 2: {1, 3}, 3: {1, 2}}


def test_an_only_child_is_told_nothing(core: Core) -> None:
    core.own()
    core.feed(1)
    core.advance(limits.backups_seconds)
    assert _told(core) == {}


def test_no_child_is_named_more_often_than_its_share(core: Core) -> None:
    core.own()
    for number in range(1, 13):
        core.feed(number)
    core.advance(2 * limits.backups_seconds)
    told = _told(core)
    named = [number for numbers in told.values() for number in numbers]
    assert len(told) == 12
    assert max(named.count(number) for number in range(1, 13)) <= limits.backups_max + 2


def test_a_child_without_room_is_not_named(core: Core) -> None:
    core.own()
    core.feed(1)
    core.feed(2)
    core.feed(3, room=0)
    core.advance(limits.backups_seconds)
    assert all(3 not in named for named in _told(core).values())


def test_a_relay_names_what_its_parent_named_then_its_parent(core: Core) -> None:
    request = core.relay()
    core.feed(2)
    _names(core, request, 7, 8)
    core.actions()
    core.advance(limits.backups_seconds)
    [(child, named)] = _told(core).items()
    assert child == 2
    assert set(named[:2]) == {7, 8}
    assert named[2:] == [1], "the parent is the owner here, and is named once"


def test_the_owner_is_named_last(core: Core) -> None:
    request = core.asks_owner().request
    core.accepted_by(1, request, rank=1, above=(9,))
    core.actions()
    core.feed(2)
    _names(core, request, 7, 8, 9)
    core.advance(limits.backups_seconds)
    assert _told(core)[2][2:] == [1, 9]


def test_a_child_is_told_again_only_when_something_changed(core: Core) -> None:
    core.own()
    core.feed(1)
    core.feed(2)
    core.advance(limits.backups_seconds)
    assert _told(core) == {1: [2], 2: [1]}
    core.advance(limits.child_silence_seconds_max / 2)
    assert _told(core) == {}


def test_a_backup_that_is_gone_is_replaced_within_seconds(core: Core) -> None:
    core.own()
    for number in (1, 2, 3):
        core.feed(number)
    core.advance(limits.backups_seconds)
    core.actions()
    core.unlink(3)
    core.advance(limits.backups_seconds)
    assert _told(core) == {1: [2], 2: [1]}


def test_a_herd_of_children_is_told_at_most_once_in_a_few_seconds(core: Core) -> None:
    core.own()
    for number in range(1, 7):
        core.feed(number)
        core.advance(0.4)
    told = [to for to, message in core.sent() if isinstance(message, Backups)]
    assert all(told.count(node(number)) <= 1 for number in range(1, 7))


# --- what a child makes of it ---


def test_links_to_the_first_few_are_made_and_kept(core: Core) -> None:
    request = core.relay()
    _names(core, request, 2, 3, 4, 5)
    core.advance(0.1)
    dialed = [action.contact.node for action in core.actions() if isinstance(action, Connect)]
    assert dialed == [node(2), node(3), node(4)]
    assert core.tree.uses_link(node(2))
    assert not core.tree.uses_link(node(5))


def test_links_are_kept_to_those_of_its_region_first(core: Core) -> None:
    core.tree._state.me = replace(record(0), region="eu")
    request = core.relay()
    carriage = core.tree.carriage(P)
    assert carriage is not None
    _names(core, request, 2, 3, 4, 5)
    carriage.backups = tuple(
        replace(known, record=replace(known.record, region="eu" if known.node == node(5) else "us"))
        for known in carriage.backups
    )
    core.advance(0.1)
    dialed = [action.contact.node for action in core.actions() if isinstance(action, Connect)]
    assert dialed == [node(5), node(2), node(3)]


def test_no_link_is_kept_to_a_node_above(core: Core) -> None:
    request = core.asks_owner().request
    core.accepted_by(1, request, rank=1, above=(9,))
    core.actions()
    _names(core, request, 9, 2)
    core.advance(0.1)
    assert core.one(Connect).contact.node == node(2)
    assert not core.tree.uses_link(node(9))


def test_a_lost_link_to_a_backup_is_made_anew(core: Core) -> None:
    request = core.relay()
    core.tree.pipe_flowing(P, node(1), core.now)
    _names(core, request, 2)
    core.advance(0.1)
    core.link(2)
    core.actions()
    core.unlink(2)
    core.advance(limits.backups_seconds)
    assert core.one(Connect).contact.node == node(2)


def test_a_backup_that_cannot_be_reached_is_forgotten(core: Core) -> None:
    request = core.relay()
    _names(core, request, 2, 3)
    core.tree.link_failed(node(2), core.now)
    assert _known(core) == [node(3)]


def test_forged_records_this_node_its_parent_and_its_children_are_no_backups(core: Core) -> None:
    request = core.relay()
    core.feed(5)
    named = (b"forged", *(record(n).encoded for n in (0, 5)))
    core.receive(
        1, Backups(request, P, (*(Backup(encoded, 0, 0) for encoded in named), Backup(record(2).encoded, 0, 0)))
    )
    assert _known(core) == [node(2)]
    _names(core, request, 1, 3, 3)
    assert _known(core) == [node(3)]


@pytest.mark.parametrize(("number", "offset"), [(1, 1), (2, 0)])
def test_backups_of_another_bond_or_by_another_node_change_nothing(core: Core, number: int, offset: int) -> None:
    request = core.relay()
    core.link(2)
    core.receive(number, Backups(request + offset, P, (Backup(record(3).encoded, 0, 0),)))
    assert _known(core) == []
    assert core.tree.counters["backups_stale"] == 1


def test_a_flood_of_backups_dials_no_more_than_a_few_a_second(core: Core) -> None:
    request = core.relay()
    dialed = 0
    for number in range(2, 32):
        _names(core, request, number, number + 1)
        core.advance(0.1)
        dialed += sum(isinstance(action, Connect) for action in core.actions())
    assert dialed <= 2 * limits.warm_backups_max
