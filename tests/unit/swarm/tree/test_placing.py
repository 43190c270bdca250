"""FIND at a carrier: its own room, its region's, and answers that fit a datagram."""

from dataclasses import replace

from foundation import limits
from swarm.messages import Find, Places, Report
from swarm.policy import Candidate
from swarm.wire import encode
from tests.unit.swarm.tree.relay_core import Core, P, named, node, record, records


def _owner(region: str = "", slots: int = 20) -> Core:
    core = Core(slots)
    core.tree._state.me = replace(record(0), region=region)
    core.own()
    return core


def _find(
    core: Core, places: int, region: str = "", asker: int = 50, avoid: tuple[bytes, ...] = ()
) -> dict[bytes, int]:
    answer = core.tree.asked(node(asker), Find(P, places, region, avoid=avoid), core.now)
    assert isinstance(answer, Places)
    return {place.node: place.count for place in answer.places}


def test_a_carrier_names_itself_while_viewers_are_wanted_there() -> None:
    core = _owner()
    assert _find(core, 3) == {node(0): 3}


def test_what_it_promised_of_its_own_room_is_not_promised_twice() -> None:
    core = _owner()
    first = _find(core, 1000)[node(0)]
    assert node(0) not in _find(core, 1000)
    core.advance(limits.delegation_debit_seconds)
    assert _find(core, 1000)[node(0)] == first


def test_carriers_of_the_viewer_s_region_come_first() -> None:
    core = _owner("eu")
    pool = core.tree._delegation.pool(P)
    for number, region in ((1, "us"), (2, "eu"), (3, "us")):
        pool.put(Candidate(replace(record(number), region=region), 1, 5, 5, 5), node(number))
    assert _find(core, 5, "us").keys() <= {node(1), node(3)}


def test_another_region_is_better_than_none() -> None:
    core = _owner("eu")
    assert _find(core, 2, "us") == {node(0): 2}


def test_nobody_is_sent_back_to_the_asker_or_to_whom_it_avoids() -> None:
    core = Core(slots=4)
    core.own()
    for number in (1, 2, 3):
        core.feed(number, room=5)
    found = _find(core, 9, asker=1, avoid=(node(2),))
    assert found.pop(node(3)) == 5
    assert found.keys() <= {node(0)}


def test_an_asker_that_is_a_carrier_is_full_until_it_says_otherwise() -> None:
    core = Core(slots=2)
    core.own()
    core.feed(1, room=5)
    _find(core, 1, asker=1)
    core.advance(limits.delegation_debit_seconds)
    assert node(1) not in _find(core, 20)
    core.receive(1, Report(1, P, 5, 4, 4, 1))
    assert node(1) in _find(core, 20)


def test_a_carrier_without_a_url_is_of_no_use_to_a_viewer() -> None:
    core = Core(slots=1)
    core.own()
    core.tree._delegation.pool(P).put(Candidate(replace(record(1), url=""), 1, 5, 5, 5), node(1))
    assert node(1) not in _find(core, 5)


def test_the_longest_answer_fits_a_datagram() -> None:
    core = _owner()
    pool = core.tree._delegation.pool(P)
    for number in range(1, 20):
        long = replace(record(number), url="http://" + "n" * (limits.node_record_url_bytes_max - 7))
        pool.put(Candidate(long, 1, 900, 900, 900), node(number))
    answer = core.tree.asked(node(50), Find(P, 4000), core.now)
    assert answer is not None
    assert len(encode(answer)) <= limits.ask_bytes_max


def test_a_child_that_claims_more_than_it_has_is_named_no_more_often_than_the_others() -> None:
    core = Core(slots=3)
    core.own()
    core.feed(1, room=0)
    liars = (named(8, 2, 10**6, 10**6), named(9, 2, 50, 50))
    core.receive(1, Report(1, P, 0, 0, 0, 3, liars, records(8, 9)))
    known = core.tree._delegation.pool(P).get(node(8))
    assert known is not None
    assert known.candidate.viewer_room == limits.claimed_room_max
    for _ in range(2):
        _find(core, 1, asker=8)  # it, of all nodes, asks for places elsewhere
    assert known is not core.tree._delegation.pool(P).get(node(8))
    assert node(8) not in _find(core, 60)
