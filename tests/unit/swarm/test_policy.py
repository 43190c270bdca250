"""The default placement policy."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.identity import NodeKey, swarm_id
from swarm.policy import Candidate, DefaultPolicy, Load, Measured
from swarm.record import NodeRecord

_slots = st.one_of(st.none(), st.integers(1, 300))
_measured = st.one_of(
    st.none(),
    st.builds(
        Measured,
        pressure=st.floats(0, 3),
        slots=st.one_of(st.none(), st.integers(0, 400)),
        busy=st.sampled_from([(), ("cpu",), ("lag", "packets")]),
    ),
)
_loads = st.builds(Load, st.integers(0, 300), st.integers(0, 100), st.booleans(), st.integers(0, 2000), _measured)
_property = settings(deadline=None, max_examples=200)


def _candidate(seed: int, rank: int, relay_room: int, viewer_room: int = 0, region: str = "") -> Candidate:
    public = NodeKey.from_seed(bytes([seed]) * 32).public
    record = NodeRecord(swarm_id("test"), public, (("127.0.0.1", 7400),), b"\0" * 32, "", region=region)
    return Candidate(record, rank, relay_room, viewer_room)


@pytest.mark.parametrize(
    ("slots", "load", "viewer_room", "relay_room"),
    [
        (1, Load(0, 0), 1, 1),
        (1, Load(1, 0), 0, 0),
        (1, Load(0, 0, owns=True, others=9), 1, 1),
        (2, Load(0, 0), 1, 2),
        (2, Load(1, 0), 0, 1),
        (2, Load(0, 1), 1, 1),
        (2, Load(1, 1), 0, 0),
        (2, Load(0, 0, owns=True, others=9), 1, 2),
        (3, Load(0, 0, owns=True, others=9), 2, 3),
        (200, Load(100, 20), 80, 80),
    ],
)
def test_viewers_leave_slots_to_relays(slots: int, load: Load, viewer_room: int, relay_room: int) -> None:
    policy = DefaultPolicy(slots)
    assert policy.room(load, for_relay=False) == viewer_room
    assert policy.room(load, for_relay=True) == relay_room


@pytest.mark.parametrize(
    ("owns", "others", "held"),
    [(False, 0, 1), (False, 3, 3), (False, 1000, 4), (True, 0, 1), (True, 7, 7), (True, 1000, 60)],
)
def test_an_owner_holds_most_slots_back_for_relays_but_no_more_than_there_are_nodes(
    owns: bool, others: int, held: int
) -> None:
    assert DefaultPolicy(100).room(Load(0, 0, owns, others), for_relay=False) == 100 - held


@_property
@given(_slots, _loads, st.booleans())
def test_there_is_no_room_exactly_when_busy_and_never_less(slots: int | None, load: Load, for_relay: bool) -> None:
    policy = DefaultPolicy(slots)
    room = policy.room(load, for_relay)
    assert room >= 0
    assert policy.busy(load, for_relay) == (room == 0)


@_property
@given(_slots, _loads, st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_more_copies_leave_no_more_room(
    slots: int | None, load: Load, viewers: int, children: int, owned: bool
) -> None:
    policy = DefaultPolicy(slots)
    fuller = replace(load, viewers=load.viewers + viewers, children=load.children + children)
    for for_relay in (False, True):
        assert policy.room(fuller, for_relay) <= policy.room(load, for_relay)
    assert policy.soft_room(fuller) <= policy.soft_room(load)
    assert policy.children_room(fuller, children, owned) <= policy.children_room(load, 0, owned)


@_property
@given(_slots, _loads.filter(lambda load: load.measured is not None), st.floats(0, 2), st.integers(0, 50))
def test_more_pressure_and_fewer_measured_slots_leave_no_more_room(
    slots: int | None, load: Load, pressure: float, fewer: int
) -> None:
    policy, measured = DefaultPolicy(slots), load.measured
    assert measured is not None
    left = None if measured.slots is None else max(0, measured.slots - fewer)
    tighter = replace(load, measured=replace(measured, pressure=measured.pressure + pressure, slots=left))
    for for_relay in (False, True):
        assert policy.room(tighter, for_relay) <= policy.room(load, for_relay)
        assert policy.room(replace(load, measured=replace(measured, busy=("cpu",))), for_relay) == 0


@_property
@given(_slots, _loads, st.integers(0, 100), st.booleans())
def test_soft_room_and_childrens_room_are_part_of_the_room(
    slots: int | None, load: Load, children: int, owned: bool
) -> None:
    policy = DefaultPolicy(slots)
    assert 0 <= policy.soft_room(load) <= policy.room(load, for_relay=False)
    assert 0 <= policy.children_room(load, children, owned) <= policy.room(load, for_relay=True)


@_property
@given(_slots, _loads)
def test_where_a_viewer_fits_a_relay_fits_too(slots: int | None, load: Load) -> None:
    policy = DefaultPolicy(slots)
    assert policy.room(load, for_relay=True) >= policy.room(load, for_relay=False)


@pytest.mark.parametrize(
    ("slots", "load", "soft", "hard"),
    [
        (1, Load(0, 0), 1, 1),
        (2, Load(0, 0), 1, 1),
        (3, Load(0, 0), 2, 2),
        (100, Load(0, 0, others=99), 80, 96),
        (100, Load(70, 0, others=99), 10, 26),
        (100, Load(80, 0, others=99), 0, 16),
        (100, Load(70, 1, others=99), 4, 26),
        (100, Load(74, 1, others=99), 0, 22),
        (100, Load(40, 40, others=99), 0, 20),
    ],
)
def test_viewers_fill_a_leaf_softly_to_four_fifths_and_one_with_children_to_three_quarters(
    slots: int, load: Load, soft: int, hard: int
) -> None:
    assert DefaultPolicy(slots).soft_room(load) == soft
    assert DefaultPolicy(slots).room(load, for_relay=False) == hard


def test_a_relay_takes_32_children_of_a_stream_and_an_owner_60() -> None:
    policy, load = DefaultPolicy(100), Load(0, 0, others=99)
    assert policy.children_room(load, 30, owned=False) == limits.relay_children_max - 30
    assert policy.children_room(load, 30, owned=True) == limits.owner_children_max - 30
    assert policy.children_room(load, 40, owned=False) == 0
    assert policy.room(load, for_relay=True) == 100


def test_far_from_any_limit_the_operators_number_counts() -> None:
    relaxed = Load(10, 0, measured=Measured(pressure=0.3, slots=20))
    tight = Load(10, 0, measured=Measured(pressure=0.6, slots=20))
    assert DefaultPolicy(100).room(relaxed, for_relay=True) == 90
    assert DefaultPolicy(100).room(tight, for_relay=True) == 10
    assert DefaultPolicy(15).room(tight, for_relay=True) == 5


def test_without_a_number_what_is_measured_counts_and_without_that_a_guess() -> None:
    assert DefaultPolicy().room(Load(10, 0, measured=Measured(slots=500)), for_relay=True) == 490
    assert DefaultPolicy().room(Load(10, 0), for_relay=True) == limits.unmeasured_slots - 10


def test_room_comes_before_depth_and_depth_before_more_room() -> None:
    full, deep, shallow, roomy = (
        _candidate(1, 1, 0),
        _candidate(2, 3, 9),
        _candidate(3, 2, 1),
        _candidate(4, 2, 5),
    )
    assert DefaultPolicy(1).rank([full, deep, shallow, roomy], for_relay=True) == [roomy, shallow, deep, full]


def test_viewers_are_ranked_by_the_room_for_viewers() -> None:
    relays_only, viewers_too = _candidate(1, 1, 5, 0), _candidate(2, 2, 1, 1)
    assert DefaultPolicy(1).rank([relays_only, viewers_too], for_relay=False) == [viewers_too, relays_only]


def test_viewers_stay_in_their_region_where_it_has_room() -> None:
    far, near, full = _candidate(1, 1, 0, 9, "us"), _candidate(2, 3, 0, 1, "eu"), _candidate(3, 1, 0, 0, "eu")
    assert DefaultPolicy(1).rank([far, full, near], for_relay=False, region="eu") == [near, far, full]


def test_relays_prefer_a_shallow_parent_to_one_of_their_region() -> None:
    shallow, near = _candidate(1, 1, 1, 0, "us"), _candidate(2, 2, 9, 0, "eu")
    assert DefaultPolicy(1).rank([near, shallow], for_relay=True, region="eu") == [shallow, near]


def test_equals_keep_their_order() -> None:
    candidates = [_candidate(seed, 1, 1) for seed in (3, 1, 2)]
    assert DefaultPolicy(1).rank(candidates, for_relay=True) == candidates


@pytest.mark.parametrize(
    ("slots", "streams", "held"), [(6, 1, 1), (6, 2, 2), (6, 5, 3), (2, 2, 1), (100, 1, 4), (100, 9, 4), (1, 3, 0)]
)
def test_a_slot_is_held_back_for_the_tree_of_each_stream(slots: int, streams: int, held: int) -> None:
    assert DefaultPolicy(slots).held_back(Load(0, 0, others=99, streams=streams)) == held
