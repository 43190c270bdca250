import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.coalescing import CoalescingWindow


class Wakes:
    """A port in virtual time: wakes of one kind, one after the other, as far apart as their share of the time says."""

    def __init__(self) -> None:
        self.window = CoalescingWindow()
        self.now = 100.0

    def run(self, seconds: float, busy: float, share: float, datagrams: int) -> list[float]:
        """What the window said after each wake."""
        held = []
        end = self.now + seconds
        while self.now < end:
            held.append(self.window.held_seconds(self.now, self.now + busy, datagrams))
            self.now += busy / share
        return held


@pytest.fixture
def wakes():
    return Wakes()


def test_it_opens_when_single_packets_take_most_of_the_time(wakes):
    held = wakes.run(0.2, busy=0.001, share=0.8, datagrams=1)
    assert held[0] == 0
    assert held[-1] == limits.coalescing_seconds_max
    assert wakes.window.opened == 1


def test_it_stays_closed_at_half_the_capacity(wakes):
    assert not any(wakes.run(5, busy=0.001, share=0.5, datagrams=1))


def test_it_stays_closed_where_whole_frames_come_in_one_wake(wakes):
    assert not any(wakes.run(5, busy=0.005, share=0.95, datagrams=12))


def test_it_stays_open_for_its_term_although_it_lowers_the_load(wakes):
    wakes.run(0.2, busy=0.001, share=0.8, datagrams=1)
    assert all(wakes.run(limits.coalescing_term_seconds - 0.2, busy=0.0005, share=0.2, datagrams=3))


def test_after_its_term_it_closes_when_the_load_has_fallen(wakes):
    wakes.run(0.2, busy=0.001, share=0.8, datagrams=1)
    wakes.run(limits.coalescing_term_seconds, busy=0.0005, share=0.2, datagrams=3)
    assert not any(wakes.run(5, busy=0.0005, share=0.2, datagrams=1))
    assert wakes.window.opened == 1


def test_after_its_term_it_opens_again_when_the_load_without_it_is_the_same(wakes):
    held = wakes.run(20, busy=0.001, share=0.8, datagrams=1)
    assert wakes.window.opened == pytest.approx(20 / (limits.coalescing_term_seconds + 0.1), abs=1)
    assert held.count(0.0) < 0.1 * len(held)


def test_many_cheap_wakes_with_reports_do_not_hide_the_costly_single_packets(wakes):
    for _ in range(300):
        wakes.window.held_seconds(wakes.now, wakes.now + 0.00005, 40)
        wakes.run(0.001, busy=0.001, share=0.8, datagrams=1)
    assert wakes.window.opened


def test_few_single_wakes_after_a_long_rest_are_no_load(wakes):
    wakes.run(0.05, busy=0.001, share=0.9, datagrams=1)
    wakes.now += 10
    assert not any(wakes.run(0.05, busy=0.001, share=0.9, datagrams=1))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(0, 0.5), st.integers(1, 256)), max_size=200))
def test_it_never_holds_for_longer_than_its_bound(wakes_and_pauses):
    window, now = CoalescingWindow(), 0.0
    for busy, pause, datagrams in wakes_and_pauses:
        assert window.held_seconds(now, now + busy, datagrams) in (0.0, limits.coalescing_seconds_max)
        now += busy + pause


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.005), st.floats(1, 10), st.integers(1, 256)), max_size=200))
def test_whoever_rests_as_long_as_he_works_never_waits(wakes_and_rests):
    window, now = CoalescingWindow(), 0.0
    for busy, rest, datagrams in wakes_and_rests:
        assert window.held_seconds(now, now + busy, datagrams) == 0.0
        now += busy * (1 + rest)
