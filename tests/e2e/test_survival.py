"""Nodes die, leave and come while viewers watch: nobody needs a new session, and of what can be kept no frame is lost.

How long the viewers' gaps are is printed, not asserted: `python -m benchmarks.survival` measures that.
"""

import math

import pytest

from benchmarks.survival import Seen, drain, joining, kill, owner

VIEWERS = 6


def show(seen: Seen) -> None:
    gaps = ", ".join(f"{1000 * gap:.0f}" for gap in sorted(seen.gaps))
    print(f"gaps {gaps} ms; {seen.seconds:.2f} s; {seen.frames_missing} frames missing")


@pytest.mark.timeout(240)
async def test_viewers_below_a_relay_that_is_killed_miss_no_frame_and_keep_their_sessions() -> None:
    seen = await kill(VIEWERS)
    show(seen)
    assert seen.sessions_lost == 0
    assert (seen.frames_missing, seen.packets_twice, seen.sequence_numbers_missing) == (0, 0, 0)


@pytest.mark.timeout(240)
async def test_viewers_below_a_relay_that_is_told_to_end_notice_nothing() -> None:
    seen = await drain(VIEWERS)
    show(seen)
    assert seen.exit_code == 0
    assert seen.sessions_lost == 0
    assert (seen.frames_missing, seen.packets_twice, seen.sequence_numbers_missing) == (0, 0, 0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("turn", [0, 1], ids=["a-carrier", "a-stranger"])
async def test_a_publisher_that_lost_its_node_comes_back_by_another_and_its_viewers_go_on(turn: int) -> None:
    seen = await owner(VIEWERS, turn)
    show(seen)
    assert math.isfinite(seen.seconds)
    assert seen.sessions_lost == 0
    assert (seen.frames_missing, seen.packets_twice) == (0, 0)


@pytest.mark.timeout(240)
async def test_a_node_that_joins_a_full_swarm_serves_those_who_come_next() -> None:
    seen = await joining(3)
    show(seen)
    assert math.isfinite(seen.seconds)
    assert seen.sessions_lost == 0
