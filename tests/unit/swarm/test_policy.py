"""The default placement policy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.identity import NodeKey, swarm_id
from swarm.policy import Candidate, DefaultPolicy, Load
from swarm.record import NodeRecord

_loads = st.builds(Load, st.integers(0, 20), st.integers(0, 20))


def _candidate(seed: int, rank: int, relay_room: int, viewer_room: int = 0) -> Candidate:
    public = NodeKey.from_seed(bytes([seed]) * 32).public
    record = NodeRecord(swarm_id("test"), public, (("127.0.0.1", 7400),), b"\0" * 32, "")
    return Candidate(record, rank, relay_room, viewer_room)


@pytest.mark.parametrize(
    ("slots", "load", "viewer_room", "relay_room"),
    [
        (1, Load(0, 0), 1, 1),
        (1, Load(1, 0), 0, 0),
        (2, Load(0, 0), 1, 2),
        (2, Load(1, 0), 0, 1),
        (2, Load(0, 1), 1, 1),
        (2, Load(1, 1), 0, 0),
        (200, Load(100, 20), 80, 80),
    ],
)
def test_viewers_leave_one_slot_to_relays(slots: int, load: Load, viewer_room: int, relay_room: int) -> None:
    policy = DefaultPolicy(slots)
    assert policy.room(load, for_relay=False) == viewer_room
    assert policy.room(load, for_relay=True) == relay_room


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 20), _loads, st.booleans())
def test_busy_means_no_room(slots: int, load: Load, for_relay: bool) -> None:
    policy = DefaultPolicy(slots)
    assert policy.busy(load, for_relay) == (policy.room(load, for_relay) == 0)


@settings(deadline=None, max_examples=200)
@given(st.integers(2, 20), _loads)
def test_where_a_viewer_fits_a_relay_fits_too(slots: int, load: Load) -> None:
    policy = DefaultPolicy(slots)
    assert policy.room(load, for_relay=True) >= policy.room(load, for_relay=False)


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


def test_equals_keep_their_order() -> None:
    candidates = [_candidate(seed, 1, 1) for seed in (3, 1, 2)]
    assert DefaultPolicy(1).rank(candidates, for_relay=True) == candidates
