from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.burst import Burst
from media.history import History
from media.rtp import parse_header
from tests.unit.media.rtp_samples import packet


def burst(
    *numbers: int, now: float = 0.0, keyframes: tuple[int, ...] = (), timestamp: int = 0, size: int = 10
) -> Burst:
    """`keyframes` are numbers, not places."""
    made = Burst(now)
    for number in numbers:
        data = packet(1, number, timestamp, bytes(size))
        made.add(data, parse_header(data), number, number in keyframes)
    return made


def test_what_came_is_found_and_nothing_else() -> None:
    history = History()
    made = burst(5, 7, timestamp=90, now=3.0)
    history.add(made)
    assert history.get(7) == (made.packets[1], 90, 3.0)
    assert (history.get(6), len(history), history.bytes_) == (None, 2, 44)
    history.clear()
    assert (history.get(7), len(history), history.bytes_, history.highest) == (None, 0, 0, None)


def test_the_oldest_go_first_by_age_and_by_bytes() -> None:
    history = History()
    history.add(burst(1, now=0.0))
    history.add(burst(2, now=1.0))
    history.add(burst(3, now=limits.history_seconds_max + 0.5))
    assert [history.get(number) is not None for number in (1, 2, 3)] == [False, True, True]
    numbers = iter(range(10, 10_000))
    for _ in range(80):
        history.add(burst(*(next(numbers) for _ in range(40)), now=5.0, size=1400))
    assert limits.history_bytes_max - 60_000 < history.bytes_ <= limits.history_bytes_max


def test_a_group_is_the_last_keyframe_and_all_that_followed() -> None:
    history = History()
    assert history.group(0.0) is None
    history.add(burst(1, 2, keyframes=(1,)))
    history.add(burst(3, 5, 4, keyframes=(3,), timestamp=9))
    history.add(burst(6))
    assert history.group(0.1) == [3, 4, 5, 6]


def test_a_keyframe_with_several_starts_begins_with_its_first_one_however_they_came() -> None:
    history = History()
    history.add(burst(4, 2, 3, keyframes=(4, 3), timestamp=9))
    history.add(burst(1, keyframes=(1,), timestamp=5))
    assert history.group(0.0) == [3, 4]


def test_a_group_too_old_or_too_large_is_none() -> None:
    history = History()
    history.add(burst(1, keyframes=(1,)))
    assert history.group(limits.keyframe_group_seconds_max) == [1]
    assert history.group(limits.keyframe_group_seconds_max + 0.01) is None
    for first in range(2, 2 + limits.keyframe_group_packets_max, 32):
        history.add(burst(*range(first, first + 32)))
    assert history.group(0.0) is None
    history.add(burst(5000, keyframes=(5000,), timestamp=1))
    for number in range(5001, 5001 + limits.keyframe_group_bytes_max // 1412 + 1):
        assert history.group(0.0) is not None
        history.add(burst(number, size=1400))
    assert history.group(0.0) is None


def test_a_hole_may_be_filled_for_a_while() -> None:
    history = History()
    history.add(burst(1, 3, keyframes=(1,)))
    assert history.group(limits.keyframe_group_hole_seconds_max) == [1, 3]
    assert history.group(limits.keyframe_group_hole_seconds_max + 0.01) is None
    history.add(burst(2, now=0.7))
    assert history.group(1.0) == [1, 2, 3]


def test_a_keyframe_that_was_dropped_begins_no_group() -> None:
    history = History()
    history.add(burst(1, now=0.0, keyframes=(1,)))
    history.add(burst(2, now=limits.history_seconds_max + 1))
    assert history.group(0.5) is None


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_over_long_histories_bounds_hold_and_the_newest_are_kept(seed: int) -> None:
    rng, history, now, number = Random(seed), History(), 0.0, -50
    for _ in range(400):
        now += rng.choice([0.001, 0.02, 0.5])
        numbers = [number + at for at in range(rng.randrange(1, 40))]
        number = numbers[-1] + rng.randrange(1, 5)
        rng.shuffle(numbers)
        made = burst(
            *numbers, now=now, keyframes=tuple(n for n in numbers if rng.random() < 0.01), size=rng.randrange(1400)
        )
        history.add(made)
        assert all(history.get(n) is not None for n in numbers)
        assert history.bytes_ <= limits.history_bytes_max
        assert len(history) <= limits.history_packets_max
        group = history.group(now)
        assert group is None or (group == sorted(group) and group[-1] == history.highest)
    history.add(burst(number + 9, now=now + limits.history_seconds_max + 1, size=3))
    assert (len(history), history.bytes_) == (1, 15)


def test_all_from_a_number_on_is_given_while_nothing_of_it_has_left() -> None:
    history = History()
    assert history.since(5) is None
    history.add(burst(65_530, 65_531, 65_533, 65_536, now=0.0))
    assert history.since(65_531) == (65_531, [65_531, 65_533, 65_536])
    assert history.since(65_532) == (65_532, [65_533, 65_536])
    assert history.since(3) == (65_539, [])
    assert history.since(65_529) is None
    history.add(burst(65_537, now=limits.history_seconds_max + 1))
    assert history.since(65_536 & 0xFFFF) is None
    assert history.since(1) == (65_537, [65_537])
    history.clear()
    assert history.since(1) is None
