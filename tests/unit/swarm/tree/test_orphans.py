"""A relay that lost its parent: whom it asks, in which order, what it keeps, and when it gives up."""

import pytest

from foundation import limits
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Consume,
    Delegated,
    Ended,
    EndReason,
    Leave,
    Position,
    Purpose,
    RefusalReason,
    Refused,
    Release,
    Report,
)
from swarm.tree.actions import Attach, Connect, Detach, Lookup, Over, Settled
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def _relay_with_backups(core: Core, *numbers: int, rank: int = 0) -> int:
    """This node hangs below 1 with rank 1, and has these backups, linked."""
    request = core.relay()
    backups = tuple(Backup(record(number).encoded, rank, 10) for number in numbers)
    core.receive(1, Backups(request, P, backups))
    core.link(*numbers)
    core.actions()
    return request


def _consumes(core: Core) -> dict[bytes, Consume]:
    return {to: message for to, message in core.sent() if isinstance(message, Consume)}


def _lose_at_once(core: Core, request: int) -> int:
    """The parent goes, is asked again and accepts: the request of the new bond."""
    core.receive(1, Ended(request, P, EndReason.SILENT))
    core.advance(limits.failover_pause_seconds)
    core.owned_by(1)
    request = core.one(Consume).request
    core.accepted_by(1, request)
    core.actions()
    return request


# --- whom it asks ---


def test_an_orphan_asks_two_backups_at_once(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.unlink(1)
    asked = _consumes(core)
    assert asked.keys() == {node(2), node(3)}
    assert {consume.purpose for consume in asked.values()} == {Purpose.FAILOVER}


def test_the_first_backup_to_accept_is_the_parent_and_the_second_is_released(core: Core) -> None:
    _relay_with_backups(core, 2, 3)
    core.unlink(1)
    asked = _consumes(core)
    core.accepted_by(3, asked[node(3)].request, above=(1,))
    assert core.one(Attach).parent == node(3)
    core.accepted_by(2, asked[node(2)].request, above=(1,))
    assert core.one(Release) == Release(asked[node(2)].request, P)
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.parent == node(3)


def test_an_orphan_says_what_it_misses_and_of_which_session() -> None:
    core = Core(positions=(Position("video", 77),))
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(), epoch=5))
    core.receive(1, Backups(request, P, (Backup(record(2).encoded, 0, 10),)))
    core.link(2)
    core.actions()
    core.unlink(1)
    consume = _consumes(core)[node(2)]
    assert (consume.epoch, consume.resume) == (5, (Position("video", 77),))


def test_a_parent_that_fell_silent_is_left_though_its_link_is_up(core: Core) -> None:
    _relay_with_backups(core, 2)
    core.tree.parent_silent(node(1), core.now)
    assert _consumes(core).keys() == {node(2)}


def test_backups_with_a_link_come_before_those_without(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.unlink(2)
    core.unlink(1)
    assert _consumes(core).keys() == {node(3), node(4)}


def test_a_backup_that_does_not_answer_is_passed_over_but_may_still_answer(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.unlink(1)
    asked = _consumes(core)
    core.advance(limits.failover_patience_seconds)
    assert _consumes(core).keys() == {node(4)}
    core.accepted_by(2, asked[node(2)].request, above=(1,))
    assert core.one(Attach).parent == node(2)


def test_a_silent_backup_is_given_up_in_the_end(core: Core) -> None:
    _relay_with_backups(core, 2)
    core.unlink(1)
    asked = _consumes(core)
    core.advance(limits.failover_patience_seconds + limits.answer_seconds_max)
    core.actions()
    core.accepted_by(2, asked[node(2)].request, above=(1,))
    assert core.one(Release)


def test_an_orphan_with_children_asks_a_backup_as_deep_as_itself_after_those_that_may_take_it(core: Core) -> None:
    request = core.relay()
    named = ((2, 1), (3, 1), (4, 0), (5, 0))
    core.receive(1, Backups(request, P, tuple(Backup(record(number).encoded, rank, 10) for number, rank in named)))
    core.link(2, 3, 4, 5)
    core.feed(6)
    core.unlink(1)
    assert _consumes(core).keys() == {node(4), node(5)}


def test_children_are_let_go_in_the_end_when_carriers_beside_are_fed_and_the_owner_cannot_be_reached() -> None:
    core = Core()
    _relay_with_backups(core, 2, rank=1)
    core.feed(3)
    core.unlink(1)
    began = core.now
    while core.tree.load.children:
        for to, message in core.sent():
            if to == node(2) and isinstance(message, Consume):
                core.receive(2, Refused(message.request, P, RefusalReason.RANK))
        core.owned_by(None)
        core.tree.link_failed(node(1), core.now)
        core.receive(3, Report(1, P, 1, 1, spare=1, size=1))
        core.advance(0.1)
    assert limits.cut_off_seconds <= core.now - began < limits.owner_absent_seconds_max / 2
    assert core.tree.carriage(P) is not None
    asked = [message for to, message in core.sent() if to == node(2) and isinstance(message, Consume)]
    assert asked[-1].rank_below is None
    core.accepted_by(2, asked[-1].request, rank=1, above=(1,))
    assert core.one(Attach).parent == node(2)


def test_the_owner_is_asked_when_no_backup_has_a_place(core: Core) -> None:
    _relay_with_backups(core, 2, 3)
    core.unlink(1)
    for to, consume in _consumes(core).items():
        core.receive(2 if to == node(2) else 3, Refused(consume.request, P, RefusalReason.BUSY))
    assert core.one(Lookup) == Lookup(P, fresh=True)
    core.owned_by(1)
    assert core.one(Connect).contact.node == node(1)


def test_a_lost_parent_is_asked_last(core: Core) -> None:
    _relay_with_backups(core, 2)
    core.unlink(1)
    core.link(1)
    request = _consumes(core)[node(2)].request
    core.receive(2, Delegated(request, P, (record(1).encoded, record(3).encoded)))
    assert core.one(Connect).contact.node == node(3)


def test_an_orphan_never_asks_its_own_children(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    core.actions()
    core.owned_by(3)
    core.link(3)
    core.receive(3, Delegated(core.one(Consume).request, P, (record(2).encoded,)))
    assert not any(isinstance(message, Consume) for _, message in core.sent())


def test_an_orphan_remembers_its_owner_when_the_directory_does_not_know_it(core: Core) -> None:
    core.relay()
    core.unlink(1)
    core.actions()
    core.owned_by(None)
    assert core.one(Connect).contact.node == node(1)


def test_a_lost_pipe_is_left_and_sought_anew(core: Core) -> None:
    request = core.relay()
    core.tree.pipe_lost(P, node(1), core.now)
    done = core.actions()
    assert messages(done) == [Leave(request, P)]
    assert Lookup(P, fresh=True) in done


def test_how_long_it_waits_for_an_answer_follows_from_the_round_trip(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.rtts = {node(2): 0.05, node(3): 0.05}
    core.unlink(1)
    core.actions()
    core.advance(limits.failover_patience_rtts * 0.05)
    assert _consumes(core).keys() == {node(4)}


def test_the_third_backup_is_dialed_before_it_is_its_turn(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.unlink(4)
    core.unlink(1)
    assert core.one(Connect) == Connect(record(4).contact)


# --- what it keeps ---


def test_an_orphan_with_children_asks_for_a_lower_rank_and_keeps_them(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    assert core.one(Lookup) == Lookup(P, fresh=True)
    core.owned_by(1)
    core.link(1)
    consume = core.one(Consume)
    assert consume.rank_below == 1
    core.accepted_by(1, consume.request, ssrc=2000)
    done = core.actions()
    assert Attach(P, node(1), tracks(2000)) in done
    assert core.tree.load.children == 1


def test_an_orphan_with_children_refuses_a_parent_of_its_own_rank(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    core.actions()
    core.owned_by(3)
    core.link(3)
    consume = core.one(Consume)
    core.accepted_by(3, consume.request, rank=1, above=(1,))
    assert core.one(Release) == Release(consume.request, P)
    assert core.tree.load.children == 1


def test_a_leaf_takes_any_rank(core: Core) -> None:
    core.relay()
    core.unlink(1)
    core.actions()
    core.owned_by(3)
    core.link(3)
    consume = core.one(Consume)
    assert consume.rank_below is None
    core.accepted_by(3, consume.request, rank=7, above=(1,))
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.rank == 8


def _refused_round(core: Core, number: int = 1) -> None:
    """The owner answers, and has no place."""
    core.advance(limits.owner_lookup_seconds)
    core.actions()
    core.owned_by(number)
    for _, consume in core.sent():
        if isinstance(consume, Consume):
            core.receive(number, Refused(consume.request, P, RefusalReason.BUSY))
    core.actions()


def test_children_are_let_go_after_two_rounds_in_which_the_owner_lived_and_refused(core: Core) -> None:
    core.accepted_by(1, core.asks_owner().request, rank=1, above=(9,))
    core.actions()
    core.feed(2)
    core.unlink(1)
    core.link(9)
    core.actions()
    core.owned_by(9)
    core.receive(9, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    assert core.tree.load.children == 1
    core.advance(limits.failover_pause_seconds)
    core.owned_by(9)
    core.receive(9, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    assert core.one(Ended) == Ended(1, P, EndReason.LOST)
    core.advance(limits.owner_lookup_seconds)
    core.owned_by(9)
    assert core.one(Consume).rank_below is None


def test_right_below_the_owner_children_are_let_go_after_one_round(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    core.link(1)
    core.actions()
    core.owned_by(1)
    core.receive(1, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    assert core.one(Ended) == Ended(1, P, EndReason.LOST)


def test_who_is_refused_for_want_of_leave_looks_for_the_owner_at_once(core: Core) -> None:
    _relay_with_backups(core, 2, 3, 4)
    core.unlink(1)
    request = _consumes(core)[node(2)].request
    core.receive(2, Refused(request, P, RefusalReason.CAPABILITY))
    assert core.one(Lookup) == Lookup(P, fresh=True)


def test_a_subtree_waits_for_an_owner_that_is_gone_and_looks_for_it_every_second(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    looked = 0
    for _ in range(int(limits.owner_absent_seconds_max) - 2):
        core.advance(1.0)
        core.receive(2, Report(1, P, 1, 1, 1, 1))
        looked += any(isinstance(action, Lookup) for action in core.actions())
        core.owned_by(None)
        core.tree.link_failed(node(1), core.now)
    assert looked >= limits.owner_absent_seconds_max - 5
    assert core.tree.load == type(core.tree.load)(1, 1)
    core.advance(5)
    done = core.actions()
    assert Detach(P, EndReason.LOST) in done
    assert Settled(P, "v", Over(EndReason.LOST)) in done
    assert Ended(1, P, EndReason.LOST) in messages(done)
    core.advance(10)
    assert core.tree.pending() == 0


def test_a_publisher_that_is_back_at_another_node_feeds_all_who_waited(core: Core) -> None:
    core.relay()
    core.feed(2)
    core.unlink(1)
    core.actions()
    core.owned_by(1)
    core.tree.link_failed(node(1), core.now)
    core.advance(limits.owner_lookup_seconds)
    core.actions()
    core.tree.owner_found(P, record(5).contact, core.now, epoch=9)
    core.link(5)
    request = core.one(Consume).request
    core.receive(5, Accepted(request, P, 0, (node(5),), tracks(7), epoch=9))
    assert core.one(Attach) == Attach(P, node(5), tracks(7), same_source=False)
    assert core.tree.load.children == 1


def test_carriers_of_a_session_that_is_over_are_not_taken(core: Core) -> None:
    core.relay()
    core.unlink(1)
    core.actions()
    core.tree.owner_found(P, record(5).contact, core.now, epoch=9)
    core.link(5)
    core.receive(5, Delegated(core.one(Consume).request, P, (record(6).encoded,)))
    core.link(6)
    core.receive(6, Accepted(core.one(Consume).request, P, 1, (node(1), node(6)), tracks(), epoch=8))
    assert core.one(Release)


def test_a_lie_about_the_session_is_corrected_by_the_lease(core: Core) -> None:
    request = core.asks_owner().request
    core.receive(1, Accepted(request, P, 0, (node(1),), tracks(), epoch=2**62))
    core.unlink(1)
    core.actions()
    core.tree.owner_found(P, record(5).contact, core.now, epoch=9)
    core.link(5)
    core.receive(5, Accepted(core.one(Consume).request, P, 0, (node(5),), tracks(), epoch=9))
    assert core.one(Attach).parent == node(5)


# --- when it gives up ---


def test_an_orphan_that_nobody_needs_lets_go_at_once(core: Core) -> None:
    core.relay()
    core.release()
    core.actions()
    core.unlink(1)
    assert Detach(P, EndReason.IDLE) in core.actions()


def test_a_leaf_that_the_living_owner_refuses_for_long_ends_the_stream(core: Core) -> None:
    core.relay()
    core.unlink(1)
    core.link(1)
    core.actions()
    core.owned_by(1)
    core.receive(1, Refused(core.one(Consume).request, P, RefusalReason.BUSY))
    for _ in range(int(limits.pull_seconds_max) + 3):
        _refused_round(core)
    assert core.tree.carriage(P) is None
    core.advance(10)
    assert core.tree.pending() == 0


def test_a_parent_that_is_lost_again_and_again_ends_the_stream(core: Core) -> None:
    request = core.relay()
    began = core.now
    while core.now - began < limits.owner_absent_seconds_max:
        request = _lose_at_once(core, request)
    core.receive(1, Ended(request, P, EndReason.SILENT))
    assert Detach(P, EndReason.LOST) in core.actions()


def test_a_parent_that_stayed_for_a_while_starts_the_count_anew(core: Core) -> None:
    request = core.relay()
    for _ in range(9):
        core.advance(limits.parent_stable_seconds)
        core.actions()
        request = _lose_at_once(core, request)
    assert core.tree.carriage(P) is not None
