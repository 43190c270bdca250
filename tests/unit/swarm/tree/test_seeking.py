"""Local viewers: served here, sent on, or waiting for one answer for them all; and when a node begins to carry."""

from dataclasses import replace
from uuid import UUID

import pytest

from foundation import limits
from swarm.messages import Consume, Find, Place, Places, Report
from swarm.tree.actions import Action, Ask, Carried, Elsewhere, Full, Lookup, NotFound, Outcome, Settled
from tests.unit.swarm.tree.relay_core import Core, P, messages, node, record


@pytest.fixture
def core() -> Core:
    """A node in a swarm that is not small."""
    core = Core(slots=20)
    core.others = [record(number).contact for number in range(1, 20)]
    return core


def _outcomes(done: list[Action]) -> dict[str, Outcome]:
    return {action.viewer: action.outcome for action in done if isinstance(action, Settled)}


def _place(number: int, count: int = 1) -> Place:
    return Place(node(number), f"http://n{number}", count)


def _asks(core: Core, *viewers: str) -> Ask:
    """Some viewers wait, the owner is found, and asked."""
    for viewer in viewers:
        assert not core.want(viewer=viewer)
    core.one(Lookup)
    core.owned_by(1)
    return core.one(Ask)


def test_a_viewer_of_a_stream_that_is_elsewhere_is_sent_there(core: Core) -> None:
    ask = _asks(core, "v")
    assert (ask.contact, ask.message) == (record(1).contact, Find(P, 1, "", core.tree._state.soft_room()))
    core.tree.answered(ask.key, Places(P, (_place(2),)), core.now)
    assert core.one(Settled) == Settled(P, "v", Elsewhere(("http://n2",)))
    assert core.tree.pending() == 0


def test_many_viewers_are_one_question(core: Core) -> None:
    ask = _asks(core, "a", "b", "c")
    assert isinstance(ask.message, Find)
    assert ask.message.places == 3
    core.tree.answered(ask.key, Places(P, (_place(2, 2), _place(3, 1))), core.now)
    told = _outcomes(core.actions())
    assert sorted(str(outcome) for outcome in told.values()) == sorted(
        str(Elsewhere((url,))) for url in ("http://n2", "http://n2", "http://n3")
    )


def test_those_that_come_while_it_is_asked_are_in_the_next_question(core: Core) -> None:
    ask = _asks(core, "a")
    core.want(viewer="b")
    core.tree.answered(ask.key, Places(P, (_place(2, 1),)), core.now)
    assert _outcomes(core.actions()).keys() == {"a"}
    core.advance(limits.find_pause_seconds_min)
    core.answers(Places(P, (_place(3, 1),)))
    assert _outcomes(core.actions()) == {"b": Elsewhere(("http://n3",))}


def test_it_asks_again_after_the_pause_that_the_owner_names(core: Core) -> None:
    ask = _asks(core, "v")
    core.tree.answered(ask.key, Places(P, (), retry_ms=200), core.now)
    core.advance(0.19)
    assert core.actions() == []
    core.advance(0.02)
    assert isinstance(core.one(Ask).message, Find)


def test_one_that_waits_for_long_takes_a_place_in_any_region(core: Core) -> None:
    core.tree._state.me = replace(record(0), region="eu")
    ask = _asks(core, "v")
    assert isinstance(ask.message, Find)
    assert ask.message.region == "eu"
    core.tree.answered(ask.key, Places(P, (), retry_ms=400), core.now)
    core.advance(0.4)
    again = core.one(Ask).message
    assert isinstance(again, Find)
    assert again.region == ""


def test_where_there_is_no_place_this_node_carries_it(core: Core) -> None:
    ask = _asks(core, "v")
    core.tree.answered(ask.key, Places(P, ()), core.now)
    core.owned_by(1)
    core.link(1)
    core.accepted_by(1, core.one(Consume).request)
    assert _outcomes(core.actions()) == {"v": Carried()}


def test_where_there_is_no_place_and_no_slot_it_is_full() -> None:
    core = Core(slots=1)
    core.others = [record(number).contact for number in range(1, 20)]
    core.own()
    core.want(viewer="mine")
    core.actions()
    core.want(viewer="v")
    core.advance(limits.want_seconds_max)
    assert _outcomes(core.actions()) == {"v": Full()}


def test_the_kth_viewer_makes_this_node_a_carrier_and_waits_for_neither_alone(core: Core) -> None:
    for number in range(limits.requests_before_relay):
        core.want(viewer=f"v{number}")
    lookups = [action for action in core.actions() if isinstance(action, Lookup)]
    assert len(lookups) == 2, "one for a place, one for a carrier"
    core.owned_by(1)
    core.link(1)
    done = core.actions()
    [consume] = [message for message in messages(done) if isinstance(message, Consume)]
    assert any(isinstance(action, Ask) for action in done)
    core.accepted_by(1, consume.request)
    core.advance(0.0)
    assert set(_outcomes(core.actions()).values()) == {Carried()}


def test_viewers_a_long_time_apart_do_not_make_it_a_carrier(core: Core) -> None:
    for number in range(3 * limits.requests_before_relay):
        core.want(viewer=f"v{number}")
        core.release(viewer=f"v{number}")
        core.advance(limits.requests_window_seconds / (limits.requests_before_relay - 2))
    assert P not in core.tree._state.pulls


def test_in_a_small_swarm_every_node_carries_what_it_is_asked_for() -> None:
    core = Core()
    core.others = [record(number).contact for number in range(1, limits.small_swarm_nodes)]
    assert core.want()
    assert core.tree._state.pulls.keys() == {P}


def test_a_viewer_that_was_sent_here_waits_for_the_stream_that_is_coming(core: Core) -> None:
    core.want(viewer="old", hops=limits.hops_settled)
    assert core.want(viewer="sent", hops=1)
    assert not core.want(viewer="new", hops=0)


def test_a_viewer_that_was_sent_on_often_is_served_wherever_a_slot_is_left(core: Core) -> None:
    assert core.want(hops=limits.hops_settled)


def test_a_viewer_that_was_sent_on_too_often_is_refused(core: Core) -> None:
    core.own()
    for number in range(20):
        core.tree.want(P, f"v{number}", core.now, limits.hops_settled)
    core.actions()
    core.want(viewer="late", hops=limits.hops_max)
    assert _outcomes(core.actions()) == {"late": Full()}


def test_a_carrier_that_is_well_filled_sends_viewers_below_first() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.feed(2, room=5)
    number = 0
    while core.tree._state.soft_room():
        number += 1
        core.want(viewer=f"w{number}")
    core.actions()
    core.want(viewer="next")
    assert _outcomes(core.actions()) == {"next": Elsewhere(("http://n2",))}


def test_a_relay_that_knows_nobody_below_gives_its_last_slots_itself() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.others = [record(number).contact for number in range(1, 20)]
    for number in range(17):
        assert core.want(viewer=f"w{number}"), "two slots are held back for relays, and one is taken"
    core.actions()
    core.want(viewer="last")
    assert core.one(Ask).contact == record(1).contact


def test_an_owner_that_nobody_knows_is_not_found(core: Core) -> None:
    core.want()
    core.one(Lookup)
    core.owned_by(None)
    assert isinstance(core.one(Settled).outcome, NotFound)
    assert core.tree.pending() == 0


def test_an_owner_that_does_not_answer_is_looked_up_afresh_and_then_asked_for_the_stream_itself(core: Core) -> None:
    ask = _asks(core, "v")
    core.tree.answered(ask.key, None, core.now)
    assert core.one(Lookup) == Lookup(P, fresh=True)
    core.owned_by(1)
    core.answers(None)
    assert core.tree._state.pulls.keys() == {P}


def test_an_answer_about_another_stream_is_none(core: Core) -> None:
    ask = _asks(core, "v")
    core.tree.answered(ask.key, Places(type(P)(int=9), (_place(2),)), core.now)
    assert core.one(Lookup).fresh


def test_nobody_is_sent_to_this_node_itself(core: Core) -> None:
    ask = _asks(core, "v")
    core.tree.answered(ask.key, Places(P, (_place(0),)), core.now)
    assert _outcomes(core.actions()) == {}


def test_an_answer_that_comes_twice_or_late_changes_nothing(core: Core) -> None:
    ask = _asks(core, "v")
    for _ in range(2):
        core.tree.answered(ask.key, Places(P, (_place(2),)), core.now)
    assert len(_outcomes(core.actions())) == 1
    assert core.tree.counters["answer_stale"] == 1


def test_every_viewer_is_told_something_in_time(core: Core) -> None:
    core.want(viewer="a")
    core.advance(limits.want_seconds_max)
    assert _outcomes(core.actions()) == {"a": Full()}
    assert core.tree.pending() == 0


def test_an_owner_that_only_puts_off_is_not_waited_for(core: Core) -> None:
    ask = _asks(core, "v")
    for _ in range(100):
        core.tree.answered(ask.key, Places(P, (), retry_ms=100), core.now)
        core.advance(0.1)
        done = core.actions()
        asks = [action for action in done if isinstance(action, Ask)]
        if not asks:
            break
        [ask] = asks
    assert _outcomes(done) == {"v": Full()}


def test_a_viewer_that_goes_while_it_waits_is_forgotten(core: Core) -> None:
    ask = _asks(core, "v")
    core.release(viewer="v")
    core.tree.answered(ask.key, Places(P, (_place(2),)), core.now)
    assert core.actions() == []
    assert core.tree.pending() == 0


def test_only_so_many_viewers_wait(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "waiting_viewers_max", 2)
    for viewer in ("a", "b", "c"):
        core.want(viewer=viewer)
    assert _outcomes(core.actions()) == {"c": Full()}


def test_places_are_asked_for_ahead_where_a_herd_arrives() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.others = [record(number).contact for number in range(1, 20)]
    for number in range(25):
        core.want(viewer=f"w{number}")
        core.advance(0.01)
    asks = [action for action in core.actions() if isinstance(action, Ask)]
    core.tree.answered(asks[0].key, Places(P, (_place(2, 8),)), core.now)
    core.actions()
    core.want(viewer="first")
    asks = [action for action in core.actions() if isinstance(action, Ask)]
    ahead, of_the_first = asks
    assert isinstance(ahead.message, Find)
    assert isinstance(of_the_first.message, Find)
    assert ahead.message.places > of_the_first.message.places == 1
    core.tree.answered(ahead.key, Places(P, (_place(3, 8),)), core.now)
    core.want(viewer="second")
    assert _outcomes(core.actions())["second"] == Elsewhere(("http://n3",))


def test_a_report_is_news_when_viewers_were_taken() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.want(viewer="one")
    core.want(viewer="two")
    core.advance(limits.report_seconds)
    assert any(isinstance(message, Report) for _, message in core.sent())


def test_places_are_kept_for_the_streams_that_were_asked_for_last() -> None:
    seeking = Core().tree._seeking
    for number in range(limits.find_producers_max):
        seeking._keep_stock(UUID(int=number), record(1).contact)
    oldest = seeking._stocks[UUID(int=0)]
    seeking._keep_stock(UUID(int=0), record(1).contact)
    seeking._keep_stock(UUID(int=limits.find_producers_max), record(1).contact)
    assert len(seeking._stocks) == limits.find_producers_max
    assert seeking._stocks[UUID(int=0)] is oldest
    assert UUID(int=1) not in seeking._stocks


def _orphan(core: Core) -> None:
    """Carries the stream for a viewer, and has just lost its parent."""
    others, core.others = core.others, []
    core.relay()
    core.others = others
    core.unlink(1)
    core.actions()


def test_a_viewer_that_asks_an_orphan_waits_no_longer_than_elsewhere(core: Core) -> None:
    _orphan(core)
    core.want(viewer="late")
    core.advance(limits.want_seconds_max + 0.1)
    assert _outcomes(core.actions()) == {"late": Full()}


def test_a_viewer_that_asks_an_orphan_is_served_when_that_is_fed_again(core: Core) -> None:
    _orphan(core)
    core.want(viewer="late")
    core.owned_by(2)
    core.link(2)
    request = next(message for message in messages(core.actions()) if isinstance(message, Consume)).request
    core.accepted_by(2, request)
    core.advance(0.01)
    assert _outcomes(core.actions()) == {"late": Carried()}


def test_a_viewer_that_asks_an_orphan_is_sent_to_a_place_elsewhere(core: Core) -> None:
    _orphan(core)
    core.want(viewer="late")
    core.owned_by(2)
    ask = next(action for action in core.actions() if isinstance(action, Ask) and isinstance(action.message, Find))
    core.tree.answered(ask.key, Places(P, (_place(3),)), core.now)
    assert _outcomes(core.actions()) == {"late": Elsewhere(("http://n3",))}
