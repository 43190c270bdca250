"""Workers are started in order, started again with growing pauses, and given up; in virtual time."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import process_limits as limits
from swarm.workers.supervision import Failure, Kill, Start, Supervision


def begun(workers: int) -> Supervision:
    core = Supervision(workers, random.Random(1))
    core.begin(0.0)
    return core


def serving(workers: int) -> Supervision:
    """All have been ready at time 0."""
    core = begun(workers)
    for worker in range(workers):
        list(core.poll(0.0))
        core.ready(worker, 0.0)
    return core


def test_the_first_worker_starts_alone_and_the_others_when_it_is_ready() -> None:
    core = begun(3)
    assert list(core.poll(0.0)) == [Start(0)]
    assert list(core.poll(1.0)) == []
    core.ready(0, 1.0)
    assert not core.complete
    assert sorted(action.worker for action in core.poll(1.0)) == [1, 2]
    core.ready(2, 2.0)
    core.ready(1, 2.0)
    assert core.complete
    assert core.timeout() is None


@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_that_ends_before_all_have_been_ready_fails_the_whole(worker: int) -> None:
    core = begun(2)
    list(core.poll(0.0))
    if worker == 1:
        core.ready(0, 0.0)
        list(core.poll(0.0))
    assert core.ended(worker, "port in use", 1.0) is None
    assert core.failure == Failure(worker, "port in use", True)


def test_the_first_failure_is_the_one_that_is_told() -> None:
    core = begun(2)
    core.ended(0, "first", 1.0)
    core.ended(1, "second", 1.0)
    assert core.failure == Failure(0, "first", True)


def test_a_worker_that_says_nothing_is_killed() -> None:
    core = begun(1)
    assert list(core.poll(0.0)) == [Start(0)]
    assert core.timeout() == limits.worker_start_seconds_max
    assert list(core.poll(limits.worker_start_seconds_max)) == [Kill(0)]
    core.ended(0, "was ended by SIGKILL", 40.0)
    assert core.failure is not None


def test_a_worker_that_dies_is_started_again_after_a_pause() -> None:
    core = serving(2)
    pause = core.ended(1, "gone", 100.0)
    assert pause == pytest.approx(0.5, rel=0.2)
    assert core.timeout() == 100.0 + pause
    assert list(core.poll(100.0)) == []
    assert list(core.poll(100.0 + pause)) == [Start(1)]
    assert core.failure is None


def test_the_first_worker_starting_again_starts_no_other() -> None:
    core = serving(2)
    pause = core.ended(0, "gone", 100.0)
    assert pause is not None
    assert list(core.poll(100.0 + pause)) == [Start(0)]
    core.ready(0, 101.0)
    assert list(core.poll(200.0)) == []


def test_pauses_double_up_to_a_bound_and_then_the_worker_is_given_up() -> None:
    core, now, pauses = serving(2), 0.0, []
    while (pause := core.ended(1, "died", now)) is not None:
        pauses.append(pause)
        now += pause
        assert list(core.poll(now)) == [Start(1)]
        core.ready(1, now)
    assert len(pauses) == limits.worker_restarts_max
    nominal = [min(0.5 * 2**index, limits.worker_pause_seconds_max) for index in range(len(pauses))]
    assert pauses == [pytest.approx(value, rel=0.2) for value in nominal]
    assert core.failure is not None
    assert not core.failure.at_start
    assert core.failure.worker == 1
    assert f"died, {limits.worker_restarts_max + 1} times in a row" in core.failure.reason


def test_a_worker_that_lived_long_begins_with_short_pauses_again() -> None:
    core, now = serving(1), 0.0
    for _ in range(3 * limits.worker_restarts_max):
        now += 1.01 * limits.worker_stable_seconds
        pause = core.ended(0, "died", now)
        assert pause == pytest.approx(0.5, rel=0.2)
        now += pause
        list(core.poll(now))
        core.ready(0, now)
    assert core.failure is None


def test_a_worker_that_is_never_ready_again_counts_as_short_lived() -> None:
    core, now = serving(1), 0.0
    for _ in range(limits.worker_restarts_max):
        pause = core.ended(0, "port in use", now)
        assert pause is not None
        now += pause + 2 * limits.worker_stable_seconds
        assert Start(0) in list(core.poll(now))
    assert core.ended(0, "port in use", now) is None


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("re"), st.floats(0, 100)), max_size=60))
def test_whatever_happens_no_worker_is_started_twice(
    history: list[tuple[int, str, float]],
) -> None:
    core, now, alive = begun(4), 0.0, set[int]()
    for worker, event, later in history:
        now += later
        for action in core.poll(now):
            if isinstance(action, Start):
                assert action.worker not in alive
                alive.add(action.worker)
        if worker in alive and event == "r":
            core.ready(worker, now)
        elif worker in alive:
            alive.discard(worker)
            core.ended(worker, "died", now)
        if core.failure is not None:
            return
        assert not core.complete or core.timeout() is not None or alive == {0, 1, 2, 3}
