"""An owner finds its tree more carriers: how many, whom it asks, what it believes, and when it gives up."""

from dataclasses import replace

import pytest

from foundation import limits
from swarm.messages import Accepted, Consume, Find, Message, Offer, Places, Probe, Probed, Recruit, Recruited, Report
from swarm.record import Contact
from swarm.tree.actions import Ask
from tests.unit.swarm.tree.relay_core import Core, P, Q, leave, node, record


@pytest.fixture
def owner() -> Core:
    """An owner of 20 slots, a quarter of which are for its viewers, that knows 40 others."""
    core = Core(slots=20)
    core.others = [record(number).contact for number in range(10, 50)]
    core.own()
    return core


def _asks(core: Core, kind: type[Message]) -> list[Ask]:
    return [action for action in core.actions() if isinstance(action, Ask) and isinstance(action.message, kind)]


def _find(core: Core, number: int, places: int, region: str = "", room: int = 0) -> Places:
    answer = core.tree.asked(node(number), Find(P, places, region, room), core.now)
    assert isinstance(answer, Places)
    return answer


def _number(contact: Contact) -> int:
    return next(number for number in range(100) if node(number) == contact.node)


def _probed(contact: Contact, room: int = 15, carries: bool = False) -> Probed:
    return Probed(record(_number(contact)).encoded, 4, room, room, carries)


def _recruits(core: Core, waiting: int) -> list[Ask]:
    """So many viewers find no place, and everybody who is probed has room."""
    _find(core, 1, waiting)
    for ask in _asks(core, Probe):
        core.tree.answered(ask.key, _probed(ask.contact), core.now)
    return _asks(core, Recruit)


def test_viewers_without_a_place_set_off_as_many_searches_as_they_need(owner: Core) -> None:
    _find(owner, 1, 200)
    probes = _asks(owner, Probe)
    waiting, coming, room = 200 - 8, 8 * limits.demand_seconds, limits.recruit_fill * 50
    assert len(probes) == limits.recruit_probes * -(-(waiting + coming) // room)


def test_no_more_than_so_many_are_looked_for_at_a_time(owner: Core) -> None:
    _find(owner, 1, 4000)
    _find(owner, 2, 4000)
    assert len(_asks(owner, Probe)) == limits.recruits_max * limits.recruit_probes


def test_the_asker_is_told_to_come_again(owner: Core) -> None:
    answer = _find(owner, 1, 200)
    assert answer.retry_ms == int(limits.find_retry_seconds * 1000)


def test_the_best_of_those_probed_is_recruited_with_the_owner_s_leave(owner: Core) -> None:
    _find(owner, 1, 20)
    probes = _asks(owner, Probe)
    for ask, room in zip(probes, (3, 15, 7), strict=True):
        owner.tree.answered(ask.key, _probed(ask.contact, room), owner.now)
    [recruit] = _asks(owner, Recruit)
    assert recruit.contact.node == probes[1].contact.node
    assert recruit.message == Recruit(P, record(0).encoded, leave(node(0), recruit.contact.node))


def test_answers_to_probes_are_not_waited_for_for_long(owner: Core) -> None:
    _find(owner, 1, 20)
    ask, *_ = _asks(owner, Probe)
    owner.tree.answered(ask.key, _probed(ask.contact), owner.now)
    assert _asks(owner, Recruit) == []
    owner.advance(limits.recruit_seconds_max)
    assert [recruit.contact.node for recruit in _asks(owner, Recruit)] == [ask.contact.node]


def test_who_carries_the_stream_or_has_no_room_or_lies_about_itself_is_not_recruited(owner: Core) -> None:
    _find(owner, 1, 20)
    for ask, answer in zip(
        _asks(owner, Probe),
        (Probed(record(9).encoded, 4, 15, 15), Probed(b"forged", 4, 15, 15), Recruited(4, 15, 15)),
        strict=True,
    ):
        owner.tree.answered(ask.key, answer, owner.now)
    assert _asks(owner, Recruit) == []
    _find(owner, 1, 20)
    for ask in _asks(owner, Probe):
        carries = _number(ask.contact) % 2 == 0
        owner.tree.answered(ask.key, _probed(ask.contact, 15 if carries else 0, carries), owner.now)
    assert _asks(owner, Recruit) == []


def test_a_recruit_s_room_is_handed_out_at_once(owner: Core) -> None:
    for ask in _recruits(owner, 30):
        owner.tree.answered(ask.key, Recruited(4, 15, 15), owner.now)
    places = _find(owner, 1, 15).places
    assert sum(place.count for place in places) == 15


def test_a_recruit_that_declines_is_not_counted_with(owner: Core) -> None:
    for ask in _recruits(owner, 30):
        owner.tree.answered(ask.key, Recruited(0, 0, 0), owner.now)
    assert _find(owner, 1, 15).places == ()
    assert owner.tree.counters["recruits_in_vain"] > 0


def test_a_recruit_that_is_not_heard_of_again_is_forgotten(owner: Core) -> None:
    [ask, *_] = _recruits(owner, 20)
    owner.tree.answered(ask.key, Recruited(4, 15, 15), owner.now)
    owner.advance(limits.recruit_pool_seconds)
    assert owner.tree.counters["recruits_lost"] == 1
    assert node(_number(ask.contact)) not in {place.node for place in _find(owner, 1, 5).places}


def test_the_others_that_had_room_are_recruited_next_without_a_probe(owner: Core) -> None:
    [ask] = _recruits(owner, 20)
    owner.tree.answered(ask.key, Recruited(4, 15, 15), owner.now)
    _find(owner, 1, 60)
    done = [action for action in owner.actions() if isinstance(action, Ask)]
    assert sum(isinstance(ask.message, Recruit) for ask in done) == 2


def test_a_node_that_offers_itself_is_recruited_without_a_probe(owner: Core) -> None:
    owner.tree.asked(node(77), Offer(record(77).encoded, 4, 15, 15), owner.now)
    _find(owner, 1, 20)
    assert [ask.contact.node for ask in _asks(owner, Recruit)] == [node(77)]


def test_an_offer_comes_in_handy_at_once_where_viewers_wait(owner: Core) -> None:
    owner.others = []
    _find(owner, 1, 20)
    assert _asks(owner, Recruit) == []
    owner.tree.asked(node(77), Offer(record(77).encoded, 4, 15, 15), owner.now)
    assert [ask.contact.node for ask in _asks(owner, Recruit)] == [node(77)]


def test_an_offer_in_another_s_name_or_without_room_or_of_long_ago_is_none(owner: Core) -> None:
    owner.tree.asked(node(77), Offer(record(78).encoded, 4, 15, 15), owner.now)
    owner.tree.asked(node(79), Offer(record(79).encoded, 4, 0, 0), owner.now)
    owner.tree.asked(node(80), Offer(record(80).encoded, 4, 15, 15), owner.now)
    owner.advance(limits.offer_seconds)
    _find(owner, 1, 20)
    assert _asks(owner, Recruit) == []


def test_an_asker_with_room_is_the_recruit_itself(owner: Core) -> None:
    while owner.tree._state.soft_room():
        owner.want(viewer=f"v{owner.tree.load.viewers}")
    answer = _find(owner, 2, 20, room=15)
    assert (answer.places, answer.retry_ms) == ((), 0)
    assert owner.tree.counters["recruits_begun"] == 1


def test_an_asker_that_does_not_begin_is_not_told_so_again_and_again(owner: Core) -> None:
    _find(owner, 2, 20, room=15)
    assert _find(owner, 2, 20, room=15).retry_ms > 0


def test_where_nobody_has_room_what_is_spare_is_handed_out(owner: Core) -> None:
    owner.others = []
    owner.feed(1)
    owner.receive(1, Report(1, P, 2, 0, 9, 1))
    _find(owner, 3, owner.tree._state.soft_room())
    assert {place.node: place.count for place in _find(owner, 2, 12).places} == {node(1): 9}


def test_recruits_hang_below_the_shallowest_with_room_and_not_all_at_the_owner(owner: Core) -> None:
    owner.feed(1, room=9)
    owner.others = owner.others[10:]
    for number in range(2, 16):
        owner.asked_by(number)
    owner.actions()
    parents = {recruit.message.parent for recruit in _recruits(owner, 60) if isinstance(recruit.message, Recruit)}
    assert parents
    assert record(0).encoded not in parents, "a quarter of its slots is for those that fail over"


def test_who_owns_nothing_recruits_nobody() -> None:
    relay = Core(slots=20)
    relay.relay(1)
    relay.others = [record(number).contact for number in range(10, 50)]
    relay.tree.asked(node(2), Find(P, 100), relay.now)
    assert _asks(relay, Probe) == []


def test_a_find_about_a_stream_that_is_not_here_is_not_answered(owner: Core) -> None:
    assert owner.tree.asked(node(1), Find(Q, 3), owner.now) is None


def test_when_the_stream_ends_what_was_under_way_comes_to_nothing(owner: Core) -> None:
    _find(owner, 1, 200)
    probes = _asks(owner, Probe)
    owner.tree.unproduced(P, owner.now)
    for ask in probes:
        owner.tree.answered(ask.key, _probed(ask.contact), owner.now)
    assert _asks(owner, Recruit) == []
    owner.advance(limits.recruit_pool_seconds + limits.delegation_debit_seconds)
    assert owner.tree.pending() == 0


# --- being recruited ---


@pytest.fixture
def idle() -> Core:
    core = Core(slots=20)
    core.others = [record(number).contact for number in range(1, 20)]
    return core


def _recruited(core: Core, producer: type(P) = P, **more: object) -> Recruited:  # type: ignore[valid-type]
    capability = more.get("capability", leave(node(1), core.me, producer))
    parent = more.get("parent", record(1).encoded)
    answer = core.tree.asked(node(1), Recruit(producer, parent, capability), core.now)  # type: ignore[arg-type]
    assert isinstance(answer, Recruited)
    return answer


def test_an_idle_node_says_how_much_room_it_has(idle: Core) -> None:
    assert idle.tree.asked(node(1), Probe(P), idle.now) == Probed(record(0).encoded, 20, 16, 18, False)


def test_a_recruit_takes_the_stream_from_the_parent_named_with_the_leave_it_was_given(idle: Core) -> None:
    assert _recruited(idle) == Recruited(20, 16, 18)
    idle.link(1)
    assert idle.one(Consume).capability == leave(node(1), idle.me)


def test_a_recruit_belongs_to_one_recruiter_for_a_while(idle: Core) -> None:
    _recruited(idle)
    assert _recruited(idle, Q) == Recruited(0, 0, 0)
    probed = idle.tree.asked(node(2), Probe(Q), idle.now)
    assert isinstance(probed, Probed)
    assert probed.viewer_room == 0
    idle.advance(limits.recruit_pool_seconds)
    assert _recruited(idle, Q).viewer_room == 16


def test_a_second_recruitment_for_the_same_stream_is_declined(idle: Core) -> None:
    _recruited(idle)
    idle.advance(limits.recruit_pool_seconds)
    assert _recruited(idle) == Recruited(0, 0, 0)


@pytest.mark.parametrize("capability", [b"", b"forged", leave(node(1), node(2)), leave(node(1), node(0), Q)])
def test_nobody_is_recruited_without_the_owner_s_leave(idle: Core, capability: bytes) -> None:
    assert _recruited(idle, capability=capability) == Recruited(0, 0, 0)
    assert idle.actions() == []


@pytest.mark.parametrize("parent", [b"forged", record(0).encoded])
def test_nobody_is_recruited_to_a_parent_that_cannot_be(idle: Core, parent: bytes) -> None:
    assert _recruited(idle, parent=parent) == Recruited(0, 0, 0)


def test_a_recruit_that_nobody_comes_to_keeps_its_stream_for_a_while_and_lets_go(idle: Core) -> None:
    _recruited(idle)
    idle.link(1)
    idle.accepted_by(1, idle.one(Consume).request)
    idle.advance(limits.recruit_linger_seconds - 1)
    assert idle.tree.carriage(P) is not None
    idle.advance(2)
    assert idle.tree.carriage(P) is None


def test_a_node_that_has_joined_offers_itself_to_a_few(idle: Core) -> None:
    idle.tree.joined(idle.now)
    offers = _asks(idle, Offer)
    assert [ask.message for ask in offers] == [Offer(record(0).encoded, 20, 16, 18)] * limits.offers_made
    assert len({ask.contact.node for ask in offers}) == limits.offers_made


def test_a_node_that_nobody_can_reach_offers_nothing(idle: Core) -> None:
    idle.tree._state.reachable = False
    idle.tree.joined(idle.now)
    assert _asks(idle, Offer) == []
    assert _recruited(idle) == Recruited(0, 0, 0)


def test_a_region_s_own_node_is_recruited_as_soon_as_it_answers(owner: Core) -> None:
    europeans = {number: replace(record(number), region="eu") for number in range(10, 50)}
    owner.tree._state.records._read_record = lambda encoded: europeans[int(encoded[7:])]
    _find(owner, 1, 20, region="eu")
    first, *_ = _asks(owner, Probe)
    owner.tree.answered(first.key, _probed(first.contact), owner.now)
    assert [ask.contact.node for ask in _asks(owner, Recruit)] == [first.contact.node]


def test_accepted_carries_the_owner_s_leave(owner: Core) -> None:
    owner.asked_by(1)
    done = owner.actions()
    answers = [action.answer for action in done if hasattr(action, "answer")]
    assert [answer.capability for answer in answers if isinstance(answer, Accepted)] == [leave(node(0), node(1))]
