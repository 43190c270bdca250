"""How a node gets a stream: every answer new, repeated, late, wrong, and none at all."""

import pytest

from foundation import limits
from swarm.messages import (
    Consume,
    Delegated,
    Ended,
    EndReason,
    Leave,
    Lineage,
    RefusalReason,
    Refused,
    Release,
    Report,
)
from swarm.tree.actions import Attach, Carried, Connect, Detach, Full, Lookup, NotFound, Over, Send, Settled
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def _refuses(core: Core, number: int, request: int, reason: str = RefusalReason.NOT_CARRIED) -> None:
    core.receive(number, Refused(request, P, reason))


def _delegates(core: Core, number: int, request: int, *candidates: int) -> None:
    core.receive(number, Delegated(request, P, tuple(record(n).encoded for n in candidates)))


# --- the way to a carrier ---


def test_a_wish_begins_with_a_lookup(core: Core) -> None:
    assert core.want()
    assert core.one(Lookup) == Lookup(P, fresh=False)


def test_the_owner_is_linked_and_asked(core: Core) -> None:
    core.want()
    core.actions()
    core.owned_by(1)
    assert core.one(Connect) == Connect(record(1).contact)
    core.link(1)
    consume = core.one(Consume)
    assert (consume.tried, consume.delegations, consume.rank_below) == ((), 0, None)


def test_a_linked_owner_is_asked_at_once(core: Core) -> None:
    core.link(1)
    core.want()
    core.actions()
    core.owned_by(1)
    assert [type(message) for _, message in core.sent()] == [Consume]


def test_many_viewers_make_one_pull() -> None:
    core = Core(slots=5)
    for number in range(3):
        core.want(viewer=f"v{number}")
    core.one(Lookup)


def test_acceptance_attaches_settles_and_confirms(core: Core) -> None:
    request = core.asks_owner().request
    core.accepted_by(1, request)
    done = core.actions()
    assert Attach(P, node(1), tracks()) in done
    assert Settled(P, "v", Carried()) in done
    [report] = messages(done)
    assert isinstance(report, Report)
    assert report.request == request
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert (carriage.rank, carriage.lineage) == (1, (node(1), node(0)))


def test_a_repeated_acceptance_changes_nothing(core: Core) -> None:
    request = core.relay()
    core.accepted_by(1, request)
    assert core.actions() == []


def test_a_pipe_that_was_opened_anew_is_taken(core: Core) -> None:
    request = core.relay()
    core.accepted_by(1, request, ssrc=2000)
    assert core.one(Attach) == Attach(P, node(1), tracks(2000))


def test_a_late_acceptance_is_released(core: Core) -> None:
    request = core.asks_owner().request
    core.advance(limits.answer_seconds_max)
    core.actions()
    core.accepted_by(1, request)
    assert core.one(Release) == Release(request, P)


@pytest.mark.parametrize("known", [True, False])
def test_an_acceptance_nobody_asked_for_is_released(core: Core, known: bool) -> None:
    core.asks_owner() if known else core.link(1)
    core.accepted_by(1, 4711)
    assert core.one(Release) == Release(4711, P)
    assert core.tree.carriage(P) is None


def test_an_acceptance_by_another_node_than_the_one_asked_is_released(core: Core) -> None:
    request = core.asks_owner().request
    core.link(2)
    core.accepted_by(2, request)
    assert core.one(Release) == Release(request, P)
    core.accepted_by(1, request)
    assert core.one(Attach).parent == node(1)


@pytest.mark.parametrize("above", [(0,), (3, 0, 4), tuple(range(2, 2 + limits.lineage_nodes_max - 1))])
def test_an_acceptance_that_would_close_a_circle_or_is_too_deep_is_released(core: Core, above: tuple[int, ...]) -> None:
    request = core.asks_owner().request
    core.accepted_by(1, request, above=above)
    assert core.one(Release) == Release(request, P)
    assert core.tree.carriage(P) is None


def test_an_acceptance_whose_lineage_does_not_end_with_its_sender_is_released(core: Core) -> None:
    request = core.asks_owner().request
    core.link(2)
    answer = core.accepted_by(2, request)
    core.actions()
    core.receive(1, answer)
    assert core.one(Release) == Release(request, P)


def test_candidates_are_asked_in_their_order_and_told_whom_we_tried(core: Core) -> None:
    request = core.asks_owner().request
    _delegates(core, 1, request, 2, 3)
    assert core.one(Connect).contact.node == node(2)
    core.link(2)
    second = core.one(Consume)
    assert (second.tried, second.delegations) == ((node(1),), 1)
    _refuses(core, 2, second.request, RefusalReason.BUSY)
    assert core.one(Connect).contact.node == node(3)
    core.link(3)
    third = core.one(Consume)
    assert set(third.tried) == {node(1), node(2)}
    core.accepted_by(3, third.request, rank=1, above=(1,))
    assert core.one(Attach).parent == node(3)


def test_no_node_is_asked_twice_and_this_node_never(core: Core) -> None:
    request = core.asks_owner().request
    _delegates(core, 1, request, 0, 1, 2)
    core.link(2)
    second = core.one(Consume)
    _delegates(core, 2, second.request, 1, 0, 2)
    core.finds_no_place()
    assert core.one(Settled) == Settled(P, "v", Full())


def test_delegations_in_a_row_are_bounded(core: Core) -> None:
    request = core.asks_owner().request
    for number in range(2, 2 + limits.delegations_max):
        _delegates(core, number - 1, request, number)
        core.link(number)
        consume = core.one(Consume)
        request = consume.request
    assert consume.delegations == limits.delegations_max
    _delegates(core, number, request, 90)
    core.finds_no_place()
    assert core.one(Settled) == Settled(P, "v", Full())
    assert core.tree.counters["delegations_exceeded"] == 1


def test_forged_candidates_are_left_out(core: Core) -> None:
    request = core.asks_owner().request
    core.receive(1, Delegated(request, P, (b"forged", record(2).encoded)))
    assert core.one(Connect).contact.node == node(2)
    assert core.tree.counters["candidates_invalid"] == 1


@pytest.mark.parametrize("kind", ["delegated", "refused"])
def test_answers_nobody_waits_for_are_counted_and_forgotten(core: Core, kind: str) -> None:
    request = core.asks_owner().request
    core.link(2)
    for number, asked in ((1, request + 1), (2, request)):
        if kind == "delegated":
            _delegates(core, number, asked, 3)
        else:
            _refuses(core, number, asked)
    assert core.actions() == []
    assert core.tree.counters["answer_stale"] == 2


def test_a_candidate_that_cannot_be_linked_or_does_not_answer_is_passed_over(core: Core) -> None:
    request = core.asks_owner().request
    _delegates(core, 1, request, 2, 3, 4)
    core.actions()
    core.tree.link_failed(node(2), core.now)
    assert core.one(Connect).contact.node == node(3)
    core.link(3)
    core.actions()
    core.advance(limits.answer_seconds_max)
    assert core.one(Connect).contact.node == node(4)


def test_a_link_lost_before_the_answer_is_dialed_once_more(core: Core) -> None:
    core.asks_owner()
    core.unlink(1)
    assert core.one(Connect).contact.node == node(1)
    core.link(1)
    assert core.one(Consume).tried == ()
    core.unlink(1)
    assert core.one(Lookup) == Lookup(P, fresh=True)


# --- no way to a carrier ---


def test_a_stream_nobody_owns_is_not_found(core: Core) -> None:
    core.want()
    core.owned_by(None)
    outcome = core.one(Settled).outcome
    assert isinstance(outcome, NotFound)
    assert core.tree.load.viewers == 0


def test_an_own_lease_of_yesterday_is_no_owner(core: Core) -> None:
    core.want()
    core.owned_by(0)
    assert isinstance(core.one(Settled).outcome, NotFound)


def test_an_owner_that_has_it_no_more_is_looked_up_past_the_cache_once(core: Core) -> None:
    request = core.asks_owner().request
    _refuses(core, 1, request)
    assert core.one(Lookup) == Lookup(P, fresh=True)
    core.owned_by(1)
    _refuses(core, 1, core.one(Consume).request)
    assert isinstance(core.one(Settled).outcome, NotFound)


def test_an_owner_that_moved_is_found_at_its_new_place(core: Core) -> None:
    _refuses(core, 1, core.asks_owner().request)
    core.actions()
    core.owned_by(2)
    assert core.one(Connect).contact.node == node(2)


def test_a_full_owner_means_full(core: Core) -> None:
    _refuses(core, 1, core.asks_owner().request, RefusalReason.BUSY)
    core.finds_no_place()
    assert core.one(Settled) == Settled(P, "v", Full())


def test_a_reason_of_a_newer_version_counts_as_no_place(core: Core) -> None:
    _refuses(core, 1, core.asks_owner().request, "too-far")
    core.finds_no_place()
    assert core.one(Settled) == Settled(P, "v", Full())


@pytest.mark.parametrize("answer", [None, 1])
def test_everything_that_waits_ends(core: Core, answer: int | None) -> None:
    core.want()
    if answer is not None:
        core.owned_by(answer)
    core.advance(limits.pull_seconds_max + limits.relay_linger_seconds)
    assert isinstance(core.one(Settled).outcome, NotFound)
    assert core.tree.pending() == 0


def test_a_lookup_that_answers_twice_or_late_changes_nothing(core: Core) -> None:
    core.asks_owner()
    core.owned_by(2)
    assert core.actions() == []


# --- holding on, and letting go ---


def test_a_relay_without_viewers_lingers_and_leaves(core: Core) -> None:
    request = core.relay()
    core.release()
    core.advance(limits.relay_linger_seconds - 0.1)
    assert core.tree.carriage(P) is not None
    core.actions()
    core.advance(0.2)
    done = core.actions()
    assert Detach(P, EndReason.IDLE) in done
    assert messages(done) == [Leave(request, P)]
    core.advance(10)
    assert core.tree.pending() == 0


def test_a_viewer_who_comes_back_in_time_keeps_the_relay(core: Core) -> None:
    core.relay()
    core.release()
    core.advance(limits.relay_linger_seconds - 1)
    core.want(viewer="back")
    core.advance(limits.relay_linger_seconds)
    assert core.tree.carriage(P) is not None


def test_a_viewer_who_gave_up_while_the_pull_ran_leaves_a_relay_that_lingers(core: Core) -> None:
    request = core.asks_owner().request
    core.release()
    core.accepted_by(1, request)
    assert [type(action) for action in core.actions()].count(Settled) == 0
    core.advance(limits.relay_linger_seconds)
    assert core.tree.carriage(P) is None


def test_the_owners_end_is_final_and_told_to_children(core: Core) -> None:
    request = core.relay()
    core.feed(2)
    core.receive(1, Ended(request, P, EndReason.UNPUBLISHED))
    done = core.actions()
    assert Settled(P, "v", Over(EndReason.UNPUBLISHED)) in done
    assert Send(node(2), Ended(1, P, EndReason.UNPUBLISHED)) in done
    assert len(messages(done)) == 1
    assert core.tree.load == type(core.tree.load)(0, 0)


def test_the_end_told_by_a_relay_is_checked_with_the_owner(core: Core) -> None:
    request = core.asks_owner().request
    _delegates(core, 1, request, 2)
    core.link(2)
    second = core.one(Consume).request
    core.accepted_by(2, second, rank=1, above=(1,))
    core.actions()
    core.receive(2, Ended(second, P, EndReason.UNPUBLISHED))
    assert core.one(Lookup) == Lookup(P, fresh=True)


@pytest.mark.parametrize(("number", "offset"), [(1, 1), (2, 0)])
def test_an_end_of_another_bond_or_by_another_node_changes_nothing(core: Core, number: int, offset: int) -> None:
    request = core.relay()
    core.link(2)
    core.receive(number, Ended(request + offset, P, EndReason.LOST))
    assert core.actions() == []
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.fed


# --- the place in the tree ---


def test_a_new_lineage_is_taken_and_passed_on(core: Core) -> None:
    request = core.relay()
    core.feed(2)
    core.receive(1, Lineage(request, P, 0, (node(5), node(1))))
    [(to, told)] = core.sent()
    assert (to, told) == (node(2), Lineage(1, P, 1, (node(5), node(1), node(0))))
    core.receive(1, Lineage(request, P, 0, (node(5), node(1))))
    assert core.actions() == []


def test_a_rank_rises_only_without_children(core: Core) -> None:
    request = core.relay()
    core.receive(1, Lineage(request, P, 3, (node(1),)))
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.rank == 4
    core.feed(2)
    core.receive(1, Lineage(request, P, 4, (node(1),)))
    done = core.actions()
    assert Leave(request, P) in messages(done)
    assert Lookup(P, fresh=True) in done


def test_a_lineage_that_contains_this_node_is_left(core: Core) -> None:
    request = core.relay()
    core.receive(1, Lineage(request, P, 5, (node(0), node(1))))
    assert core.one(Leave) == Leave(request, P)


@pytest.mark.parametrize(("number", "offset"), [(1, 1), (2, 0)])
def test_a_lineage_of_another_bond_or_by_another_node_changes_nothing(core: Core, number: int, offset: int) -> None:
    request = core.relay()
    core.link(2)
    core.receive(number, Lineage(request + offset, P, 5, (node(9), node(number))))
    carriage = core.tree.carriage(P)
    assert carriage is not None
    assert carriage.rank == 1
    assert core.tree.counters["lineage_stale"] == 1
