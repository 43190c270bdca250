from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.catch_up import CatchUp, Squeeze
from media.history import History, Kept
from media.rtp import timestamp_distance
from tests.unit.media.test_history import burst

Sent = list[tuple[int, Kept]]


def group_of(frames: int, per_frame: int, size: int, start: int = 0) -> tuple[History, list[int]]:
    """A group of frames at 30/s which ends at the time 10, and its numbers."""
    history = History()
    for frame in range(frames):
        numbers = range(frame * per_frame, (frame + 1) * per_frame)
        now = 10.0 - (frames - 1 - frame) / 30
        history.add(burst(*numbers, now=now, keyframes=(0,), timestamp=(start + 3000 * frame) & 0xFFFFFFFF, size=size))
    group = history.group(10.0)
    assert group is not None
    return history, group


def ran(catching: CatchUp, now: float) -> tuple[Sent, list[tuple[float, int]]]:
    """Everything it sends when it is polled as it wants, and when how many bytes went."""
    sent: Sent = []
    steps = []
    while not catching.done:
        now = max(now, catching.timeout())
        before = len(sent)
        catching.poll(now, sent.extend)
        steps.append((now, sum(len(kept.packet) for _, kept in sent[before:])))
    return sent, steps


def test_a_group_goes_out_in_order_paced_over_a_fifth_of_a_second() -> None:
    history, group = group_of(60, 8, 1188)
    catching = CatchUp(history, group, 10.0)
    sent, steps = ran(catching, 10.0)
    assert [number for number, _ in sent] == list(range(480))
    assert 0.17 < steps[-1][0] - 10.0 < 0.21
    assert max(size for _, size in steps) < 0.011 * catching.bytes_per_second + 1200


def test_a_small_group_goes_at_once() -> None:
    history, group = group_of(2, 2, 900)
    catching = CatchUp(history, group, 10.0)
    sent: Sent = []
    catching.poll(10.0, sent.extend)
    assert (len(sent), catching.done) == (4, True)


def test_it_is_faster_than_the_stream_even_when_the_keyframe_is_just_coming() -> None:
    history, group = group_of(2, 40, 1188)
    catching = CatchUp(history, group, 10.0)
    assert catching.bytes_per_second >= 3 * 80 * 1200 / limits.catch_up_seconds


def test_live_packets_follow_and_none_from_before_the_keyframe() -> None:
    history, group = group_of(30, 8, 1188)
    catching = CatchUp(history, group, 10.0)
    sent: Sent = []
    catching.poll(10.0, sent.extend)
    live = burst(241, 240, -3, now=10.01, timestamp=90_000)
    history.add(live)
    catching.read_on(live.sequences)
    rest, _ = ran(catching, 10.01)
    assert [number for number, _ in sent + rest] == [*range(240), 241, 240]
    assert [catching.squeeze.timestamp(number, 90_000) for number in (240, 241)] == [90_000, 90_000]


def test_a_late_timer_sends_all_that_is_due_in_bursts() -> None:
    history, group = group_of(30, 8, 1188)
    sizes: list[int] = []
    catching = CatchUp(history, group, 10.0)
    catching.poll(10.5, lambda packets: sizes.append(len(packets)))
    assert sizes == [40] * 6
    assert catching.done


def test_what_left_the_cache_meanwhile_is_passed_over() -> None:
    history, group = group_of(30, 8, 1188)
    catching = CatchUp(history, group, 10.0)
    history.clear()
    sent, _ = ran(catching, 10.0)
    assert sent == []


def test_it_ends_in_time() -> None:
    history, group = group_of(2, 2, 10)
    catching = CatchUp(history, group, 10.0)
    assert not catching.expired(10.0 + limits.catch_up_seconds_max)
    assert catching.expired(10.01 + limits.catch_up_seconds_max)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 90), st.integers(0, 2**32 - 1), st.sampled_from([90, 1500, 3000, 6000]))
def test_squeezed_timestamps_rise_strictly_and_end_at_the_live_ones(frames: int, start: int, step: int) -> None:
    times = [(start + step * frame) & 0xFFFFFFFF for frame in range(frames)]
    squeeze = Squeeze(frames, times[-1])
    made = [squeeze.timestamp(frame, time) for frame, time in enumerate(times)]
    steps = [timestamp_distance(later, earlier) for earlier, later in pairwise(made)]
    assert all(0 < distance <= step / 16 + 1 for distance in steps)
    assert made[-1] == times[-1]


def test_the_anchor_is_the_newest_timestamp_also_where_they_wrap() -> None:
    history, group = group_of(30, 1, 10, start=0xFFFFFFFF - 30_000)
    squeeze = CatchUp(history, group, 10.0).squeeze
    assert squeeze == (30, (0xFFFFFFFF - 30_000 + 29 * 3000) & 0xFFFFFFFF)
