"""A watched link in virtual time: media and answers come over a path with a round trip, until the other end stops."""

import heapq
from random import Random

import pytest
from aioice.stun import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import RemoteError
from media import stun
from media.link_watch import LinkWatch
from media.path_checks import PathChecks

PASSWORD = "p" * 32


class Watched:
    """One end with its timer; the other one answers checks, and sends media every `gap` seconds."""

    def __init__(self, rtt: float = 0.02, gap: float | None = 0.033, *, dialed: bool = False) -> None:
        self.now, self.rtt, self.gap = 0.0, rtt, gap
        self.checks = PathChecks("a:b", PASSWORD, Random(1), {"ICE-CONTROLLED": 1})
        self.watch = LinkWatch(self.checks, dialed, 0.0)
        self.watch.set_busy(True, gap is not None, 0.0)
        self.heard_at = 0.0
        self.sent: list[float] = []
        self.alive_until = float("inf")
        self.stopped: tuple[float, float] = (float("inf"), float("inf"))
        """From when to when the other end does nothing; it goes on where it was."""
        self.lost = 0.0
        self._rng = Random(2)
        self._events: list[tuple[float, int, bytes | None]] = []
        self._number = 0
        if gap is not None:
            self._at(0.0, None)

    def run(self, end: float) -> float | None:
        """When the other end was found to be gone; `None` when it was not."""
        while True:
            timer = max(self.now, self.watch.timeout(self.heard_at))
            arrival = self._events[0][0] if self._events else float("inf")
            if min(timer, arrival) > end:
                self.now = end
                return None
            self.now = max(self.now, min(timer, arrival))
            if arrival <= timer:
                self._arrives(heapq.heappop(self._events)[2])
            elif (check := self.watch.poll(self.now, self.heard_at)) is not None:
                self._checked(check)
            if self.watch.silent:
                return self.now

    def _checked(self, check: bytes) -> None:
        self.sent.append(self.now)
        there = self._awake(self.now + self.rtt / 2)
        if there < self.alive_until and self._rng.random() >= self.lost:
            self._at(there + self.rtt / 2, stun.success_response(parse_message(check), ("192.0.2.1", 1), PASSWORD))

    def _arrives(self, answer: bytes | None) -> None:
        if self.now - self.rtt / 2 >= self.alive_until:
            return
        self.heard_at = self.now
        if answer is not None:
            self.checks.answered(answer, self.now)
        elif self.gap is not None:
            self.watch.media(self.now)
            sent = self._awake(self.now - self.rtt / 2 + self.gap)
            if sent < self.alive_until:
                self._at(sent + self.rtt / 2, None)

    def _awake(self, at: float) -> float:
        begins, ends = self.stopped
        return ends if begins <= at < ends else at

    def _at(self, when: float, answer: bytes | None) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, answer))


@pytest.mark.parametrize("gap", [0.005, 0.02, 0.033])
@pytest.mark.parametrize("dialed", [False, True])
def test_a_dead_parent_is_known_within_300_ms_whoever_dialed(gap: float, dialed: bool) -> None:
    link = Watched(gap=gap, dialed=dialed)
    assert link.run(10.0) is None
    link.alive_until = link.now
    found = link.run(20.0)
    assert found is not None
    assert 0.15 < found - 10.0 <= 0.3


def test_a_parent_with_its_media_costs_hardly_a_check() -> None:
    link = Watched()
    assert link.run(60.0) is None
    assert len(link.sent) <= 14


def test_a_muted_parent_is_not_dead() -> None:
    link = Watched()
    link.run(5.0)
    link.gap = None
    assert link.run(65.0) is None
    assert len(link.sent) < 60


def test_a_muted_parent_that_dies_is_known_by_its_keepalives() -> None:
    link = Watched(dialed=True)
    link.run(5.0)
    link.gap = None
    link.run(20.0)
    link.alive_until = link.now
    found = link.run(40.0)
    assert found is not None
    assert found - 20.0 < 1.6


def test_a_parent_that_was_stopped_for_100_ms_is_not_dead() -> None:
    for start in range(20):
        link = Watched()
        begins = 5.0 + start * 0.002
        link.stopped = (begins, begins + 0.1)
        assert link.run(10.0) is None


@pytest.mark.parametrize("rtt", [0.1, 0.2, 0.4, 0.6])
def test_a_long_path_is_not_taken_for_a_dead_one(rtt: float) -> None:
    link = Watched(rtt=rtt)
    link.run(5.0)
    link.gap = None
    assert link.run(30.0) is None
    link.alive_until = link.now
    assert link.run(40.0) is not None


def test_streams_with_long_gaps_are_checked_and_not_given_up() -> None:
    link = Watched(gap=0.5)
    assert link.run(60.0) is None
    assert len(link.sent) < 20


def test_a_timer_that_rings_late_begins_its_doubt_anew() -> None:
    link = Watched()
    link.run(5.0)
    link.alive_until = link.now
    link.run(5.13)
    sent = len(link.sent)
    late = link.watch.timeout(link.heard_at) + 1.0
    assert link.watch.poll(late, link.heard_at) is not None
    assert not link.watch.silent
    link.now = late
    found = link.run(10.0)
    assert found is not None
    assert found - late < 0.2
    assert len(link.sent) >= sent + 2


def test_stalls_without_end_do_not_keep_a_dead_parent() -> None:
    link = Watched()
    link.run(5.0)
    now = link.now
    for _ in range(30):
        now = max(now, link.watch.timeout(link.heard_at)) + 0.2
        link.watch.poll(now, link.heard_at)
    assert link.watch.silent


def test_a_dead_child_is_known_within_5_s_and_one_that_stopped_for_a_second_is_kept() -> None:
    for dialed in (False, True):
        link = Watched(gap=None, dialed=dialed)
        assert link.run(30.0) is None
        link.stopped = (link.now, link.now + 1.0)
        assert link.run(60.0) is None
        link.alive_until = link.now
        found = link.run(70.0)
        assert found is not None
        assert found - 60.0 < 5.0


def test_an_idle_link_is_checked_from_both_ends_every_five_seconds() -> None:
    link = Watched(gap=None, dialed=True)
    link.watch.set_busy(False, False, 0.0)
    link.run(60.0)
    assert 11 <= len(link.sent) <= 13


def test_somebody_who_claims_the_address_of_a_live_link_gets_nothing_but_a_check_a_second() -> None:
    link = Watched()
    link.run(5.0)
    before = len(link.sent)
    for _ in range(1000):
        link.watch.suspect(link.now)
        assert link.run(link.now + 0.01) is None
    assert len(link.sent) - before <= 10 / limits.link_suspicion_gap_seconds + 4


@settings(deadline=None, max_examples=60)
@given(st.floats(0.001, 0.5), st.sampled_from([0.005, 0.02, 0.033, 0.1, 0.4]), st.floats(0, 0.03), st.booleans())
def test_a_living_end_is_never_given_up_and_a_dead_one_always(
    rtt: float, gap: float, lost: float, dialed: bool
) -> None:
    link = Watched(rtt=rtt, gap=gap, dialed=dialed)
    link.lost = lost
    assert link.run(20.0) is None
    link.alive_until = link.now
    found = link.run(30.0)
    assert found is not None
    doubtful = max(0.1, min(3 * gap, 0.3), 1.5 * gap)
    assert found - 20.0 <= rtt / 2 + doubtful + rtt + limits.link_parent_doubt_seconds + 0.01


def test_an_answer_to_nothing_is_refused() -> None:
    checks = PathChecks("a:b", PASSWORD, Random(1), {})
    answer = stun.success_response(parse_message(checks.request(0.0)), ("192.0.2.1", 1), PASSWORD)
    checks.answered(answer, 0.1)
    with pytest.raises(RemoteError):
        checks.answered(answer, 0.2)


@settings(deadline=None, max_examples=50)
@given(st.floats(1.0, 5.0), st.floats(0.05, 0.2))
def test_one_stall_of_the_other_end_does_not_make_its_death_known_later(begins: float, lasts: float) -> None:
    link = Watched()
    link.stopped = (begins, begins + lasts)
    dies = begins + lasts + 0.5
    link.alive_until = dies
    found = link.run(dies + 5.0)
    assert found is not None
    assert dies < found <= dies + link.rtt / 2 + 0.3, "what was on its way when it died is heard a little later"


def test_gaps_that_come_again_and_again_are_usual() -> None:
    link = Watched(gap=0.4)
    link.run(10.0)
    before = len(link.sent)
    link.run(20.0)
    assert len(link.sent) - before <= 2 * 10 / limits.link_check_idle_seconds
