"""How a carrier gives a stream on: every request new, repeated, stale, conflicting, and every child that lies."""

import pytest

from foundation import limits
from swarm.messages import (
    Consume,
    Delegated,
    Ended,
    EndReason,
    Leave,
    RefusalReason,
    Refused,
    Release,
    Report,
)
from swarm.tree.actions import Accept, Attach, Detach, Lookup, StopPipe
from tests.unit.swarm.tree.relay_core import Core, P, Q, leave, messages, named, node, record, records


@pytest.fixture
def owner() -> Core:
    core = Core()
    core.own()
    return core


def _reports(
    core: Core, number: int, room: int = 2, request: int = 1, candidates: tuple[tuple[int, int], ...] = ()
) -> None:
    """Child `number` reports, with candidates below it as (number, room)."""
    carriers = tuple(named(n, 2, below, below) for n, below in candidates)
    numbers = [n for n, _ in candidates]
    core.receive(number, Report(request, P, room, room, room, 1 + len(carriers), carriers, records(*numbers)))


def _children(core: Core) -> set[bytes]:
    carriage = core.tree.carriage(P)
    return set(carriage.children) if carriage else set()


# --- who is accepted ---


def test_a_child_is_accepted_with_rank_and_lineage(owner: Core) -> None:
    owner.asked_by(1, request=7)
    accept = owner.one(Accept)
    assert accept.child == node(1)
    assert (accept.answer.request, accept.answer.rank, accept.answer.lineage) == (7, 0, (owner.me,))
    assert owner.tree.load.children == 1


def test_a_repeated_request_is_counted_and_forgotten(owner: Core) -> None:
    owner.asked_by(1)
    owner.actions()
    owner.asked_by(1)
    assert owner.actions() == []
    assert owner.tree.counters["consume_duplicate"] == 1
    assert owner.tree.load.children == 1


def test_a_child_that_asks_anew_gets_a_new_pipe_in_its_old_slot(owner: Core) -> None:
    owner.feed(1, request=1)
    owner.asked_by(1, request=2)
    stop, accept = (action for action in owner.actions())
    assert stop == StopPipe(node(1), P)
    assert isinstance(accept, Accept)
    assert accept.answer.request == 2
    assert owner.tree.load.children == 1


def test_a_node_that_does_not_carry_says_so(owner: Core) -> None:
    owner.asked_by(1, producer=Q)
    assert owner.one(Refused) == Refused(1, Q, RefusalReason.NOT_CARRIED)


def test_a_node_above_is_no_child() -> None:
    relay = Core()
    relay.relay(1)
    relay.asked_by(1)
    assert relay.one(Refused).reason == RefusalReason.LOOP


@pytest.mark.parametrize(("rank_below", "accepted"), [(0, False), (1, False), (2, True), (None, True)])
def test_an_asker_with_children_is_fed_only_from_a_lower_rank(rank_below: int | None, accepted: bool) -> None:
    relay = Core()
    relay.relay(1)
    relay.asked_by(2, rank_below=rank_below)
    done = relay.actions()
    assert (
        [action for action in done if isinstance(action, Accept)] != []
        if accepted
        else messages(done) == [Refused(1, P, RefusalReason.RANK)]
    )


def test_a_tree_is_only_so_deep() -> None:
    relay = Core()
    request = relay.asks_owner(1).request
    relay.accepted_by(1, request, rank=14, above=tuple(range(2, limits.lineage_nodes_max)))
    relay.actions()
    relay.asked_by(90)
    assert relay.one(Refused).reason == RefusalReason.DEPTH


def test_a_request_without_a_link_is_not_looked_at(owner: Core) -> None:
    owner.receive(1, Consume(1, P))
    assert owner.actions() == []
    assert owner.tree.counters["message_without_link"] == 1


# --- who is delegated ---


def test_a_busy_carrier_names_its_children_the_roomiest_first(owner: Core) -> None:
    for number, room in ((1, 1), (2, 5), (3, 2)):
        owner.feed(number, room=room)
    owner.asked_by(9)
    assert owner.one(Delegated) == Delegated(1, P, records(2, 3, 1), leave(node(0), node(9)))
    assert owner.tree.load.children == 3


def test_a_carrier_below_with_room_comes_before_a_full_child() -> None:
    owner = Core(slots=1)
    owner.own()
    owner.feed(1, room=0)
    _reports(owner, 1, room=0, candidates=((5, 0), (6, 3)))
    owner.asked_by(9)
    assert owner.one(Delegated).candidates[0] == record(6).encoded


def test_whom_the_asker_has_tried_and_the_asker_itself_are_not_named() -> None:
    owner = Core(slots=2)
    owner.own()
    owner.feed(1)
    owner.feed(2)
    _reports(owner, 2, candidates=((9, 5),))
    owner.asked_by(9, tried=(node(1),))
    assert owner.one(Delegated).candidates == (record(2).encoded,)
    owner.asked_by(8, tried=(node(1), node(2), node(9)))
    assert owner.one(Refused) == Refused(1, P, RefusalReason.BUSY)


def test_an_asker_with_children_is_sent_to_lower_ranks_only() -> None:
    owner = Core(slots=1)
    owner.own()
    owner.feed(1)
    _reports(owner, 1, candidates=((5, 3),))
    owner.asked_by(9, rank_below=2)
    assert owner.one(Delegated).candidates == (record(1).encoded,)


def test_slots_that_were_handed_out_count_as_taken_for_a_while() -> None:
    owner = Core(slots=2)
    owner.own()
    owner.feed(1, room=1)
    owner.feed(2, room=1)
    firsts = []
    for number in (7, 8):
        owner.asked_by(number)
        firsts.append(owner.one(Delegated).candidates[0])
    assert set(firsts) == {record(1).encoded, record(2).encoded}
    assert owner.tree.pending() > 0
    owner.advance(limits.delegation_debit_seconds)
    owner.asked_by(9)
    owner.one(Delegated)


def test_debits_hold_against_a_newer_report() -> None:
    owner = Core(slots=2)
    owner.own()
    owner.feed(1, room=2)
    owner.feed(2, room=1)
    owner.asked_by(7)
    assert owner.one(Delegated).candidates[0] == record(1).encoded
    _reports(owner, 1, room=1)
    owner.asked_by(8)
    assert owner.one(Delegated).candidates[0] == record(2).encoded


def test_an_asker_at_its_last_delegation_is_debited_nothing() -> None:
    owner = Core(slots=2)
    owner.own()
    owner.feed(1, room=2)
    owner.feed(2, room=1)
    for number in (7, 8):
        owner.asked_by(number, delegations=limits.delegations_max)
        assert owner.one(Delegated).candidates[0] == record(1).encoded


# --- who waits ---


def test_a_request_waits_for_the_pull_that_is_under_way() -> None:
    core = Core()
    request = core.asks_owner(1).request
    core.asked_by(2)
    assert core.actions() == []
    core.accepted_by(1, request)
    assert core.one(Accept).child == node(2)


def test_a_request_that_waited_for_nothing_is_refused() -> None:
    core = Core()
    request = core.asks_owner(1).request
    core.asked_by(2)
    core.receive(1, Refused(request, P, RefusalReason.BUSY))
    assert Refused(1, P, RefusalReason.NOT_CARRIED) in messages(core.actions())


def test_a_request_waits_only_so_long() -> None:
    core = Core()
    core.asks_owner(1)
    core.asked_by(2)
    core.advance(limits.held_seconds_max)
    assert core.one(Refused).reason == RefusalReason.NOT_CARRIED


def test_two_nodes_that_ask_each_other_do_not_wait_for_each_other() -> None:
    core = Core()
    core.asks_owner(1)
    core.asked_by(1)
    assert core.one(Refused).reason == RefusalReason.NOT_CARRIED


def test_only_so_many_requests_wait() -> None:
    core = Core()
    core.asks_owner(1)
    for number in range(2, 3 + limits.held_requests_max):
        core.asked_by(number)
    assert core.one(Refused).reason == RefusalReason.NOT_CARRIED


def test_a_request_whose_link_is_lost_waits_no_more() -> None:
    core = Core()
    request = core.asks_owner(1).request
    core.asked_by(2)
    core.unlink(2)
    core.accepted_by(1, request)
    assert not any(isinstance(action, Accept) for action in core.actions())


# --- who stays, and who goes ---


def test_a_child_that_never_reports_loses_its_slot(owner: Core) -> None:
    owner.asked_by(1)
    owner.one(Accept)
    owner.advance(limits.child_confirm_seconds_max)
    done = owner.actions()
    assert StopPipe(node(1), P) in done
    assert messages(done) == [Ended(1, P, EndReason.SILENT)]
    assert owner.tree.load.children == 0


def test_a_child_that_goes_on_reporting_stays(owner: Core) -> None:
    owner.feed(1)
    for _ in range(20):
        owner.advance(limits.report_keepalive_seconds)
        _reports(owner, 1)
    assert _children(owner) == {node(1)}
    owner.advance(limits.child_silence_seconds_max)
    assert _children(owner) == set()


@pytest.mark.parametrize("kind", [Leave, Release])
def test_a_child_that_leaves_frees_its_slot(owner: Core, kind: type[Leave | Release]) -> None:
    owner.feed(1)
    owner.receive(1, kind(1, P))
    assert owner.one(StopPipe) == StopPipe(node(1), P)
    owner.receive(1, kind(1, P))
    assert owner.actions() == []
    assert owner.tree.load.children == 0


@pytest.mark.parametrize("kind", [Leave, Release])
@pytest.mark.parametrize(("number", "request_id", "producer"), [(1, 2, P), (2, 1, P), (1, 1, Q)])
def test_a_leave_of_another_bond_changes_nothing(
    owner: Core, kind: type[Leave | Release], number: int, request_id: int, producer: object
) -> None:
    owner.feed(1)
    owner.link(2)
    owner.receive(number, kind(request_id, producer))  # type: ignore[arg-type]
    assert _children(owner) == {node(1)}
    assert owner.tree.counters["leave_stale"] == 1


def test_a_lost_link_frees_every_slot_on_it(owner: Core) -> None:
    owner.own(Q)
    owner.feed(1)
    owner.asked_by(1, request=2, producer=Q)
    owner.actions()
    owner.unlink(1)
    assert owner.actions() == [StopPipe(node(1), P), StopPipe(node(1), Q)]
    assert owner.tree.load.children == 0


def test_a_pipe_that_cannot_be_opened_is_refused(owner: Core) -> None:
    owner.asked_by(1)
    owner.one(Accept)
    owner.tree.accept_failed(node(1), P, owner.now)
    assert owner.one(Refused).reason == RefusalReason.FAILED
    owner.tree.accept_failed(node(1), P, owner.now)
    owner.tree.accept_failed(node(1), Q, owner.now)
    assert owner.actions() == []
    assert owner.tree.load.children == 0


def test_the_end_of_a_publisher_is_told_to_every_child(owner: Core) -> None:
    owner.feed(1)
    owner.feed(2, request=5)
    owner.tree.unproduced(P, owner.now)
    done = owner.actions()
    assert messages(done) == [Ended(1, P, EndReason.UNPUBLISHED), Ended(5, P, EndReason.UNPUBLISHED)]
    assert not any(isinstance(action, Detach) for action in done)
    owner.advance(10)
    assert owner.tree.pending() == 0


# --- what children say ---


@pytest.mark.parametrize("producer", [P, Q])
def test_the_report_of_a_node_that_is_no_child_is_answered_with_the_truth(owner: Core, producer: object) -> None:
    owner.link(1)
    owner.receive(1, Report(9, producer, 1, 1, 1, 1))  # type: ignore[arg-type]
    assert owner.one(Ended) == Ended(9, producer, EndReason.NOT_A_CHILD)  # type: ignore[arg-type]


def test_a_report_of_an_older_bond_is_forgotten(owner: Core) -> None:
    owner.feed(1, request=2)
    _reports(owner, 1, room=99, request=1)
    assert owner.actions() == []
    assert owner.tree.counters["report_stale"] == 1


def test_forged_candidates_of_a_report_are_not_named() -> None:
    owner = Core(slots=1)
    owner.own()
    owner.feed(1, room=0)
    carriers = (named(7, 2, 9, 9), named(0, 2, 9, 9))
    owner.receive(1, Report(1, P, 0, 0, 0, 3, carriers, (b"forged", *records(0))))
    owner.asked_by(9)
    assert owner.one(Delegated).candidates == (record(1).encoded,)
    assert owner.tree.counters["candidates_invalid"] == 1


def test_a_child_cannot_claim_a_rank_above_its_own_for_what_is_below_it() -> None:
    owner = Core(slots=1)
    owner.own()
    owner.feed(1, room=1)
    owner.receive(1, Report(1, P, 1, 1, 1, 2, (named(5, 0, 9, 9),), records(5)))
    owner.asked_by(9)
    assert owner.one(Delegated).candidates == (record(1).encoded, record(5).encoded)


def test_a_relay_takes_no_child_while_it_is_an_orphan_but_answers_when_it_is_fed_again() -> None:
    relay = Core()
    relay.relay(1)
    relay.unlink(1)
    assert relay.one(Lookup).fresh
    relay.asked_by(2)
    assert relay.actions() == []
    relay.owned_by(1)
    relay.link(1)
    relay.accepted_by(1, relay.one(Consume).request, ssrc=2)
    done = relay.actions()
    assert [type(action) for action in done if isinstance(action, Attach | Accept)] == [Attach, Accept]


def test_a_stream_with_children_leaves_a_slot_to_one_that_has_none() -> None:
    core = Core(slots=3)
    core.own()
    core.own(Q)
    first, second = core.tree.carriage(P), core.tree.carriage(Q)
    assert first is not None
    assert second is not None
    for number in (1, 2):
        assert core.tree._state.relay_room(first) > 0
        core.feed(number)
    assert core.tree._state.relay_room(first) == 0
    assert core.tree._state.relay_room(second) == 1
