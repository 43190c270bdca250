"""The meter of measured load, fed with counters in virtual time."""

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.load.capacity import Capacity
from swarm.load.meter import LoadMeter, Sample
from swarm.policy import DefaultPolicy, Load, Measured

CAPACITY = Capacity(packets_per_second=50_000, egress_bps=800e6, cpu=0.85, lag_seconds=0.1)
IDLE = Sample(0, 0, 0, 0.0, 0.0, 0)
SETTLED_SECONDS = 30


@dataclass
class Run:
    """A node under a steady load, sampled once a second."""

    meter: LoadMeter
    sample: Sample = IDLE
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.measured = self.meter.sample(self.sample, self.now)

    def go(
        self, seconds: int, *, packets: int = 0, size: int = 1200, blocked: int = 0, cpu: float = 0.0,
        lag: float = 0.0, copies: int = 0,
    ) -> Measured:  # fmt: skip
        for _ in range(seconds):
            last, self.now = self.sample, self.now + 1
            self.sample = Sample(
                last.sent + packets,
                last.sent_bytes + packets * size,
                last.blocked + blocked,
                last.cpu_seconds + cpu,
                lag,
                copies,
            )
            self.measured = self.meter.sample(self.sample, self.now)
        return self.measured


@pytest.fixture
def run() -> Run:
    return Run(LoadMeter(CAPACITY))


def test_what_is_steady_is_measured_as_it_is(run: Run) -> None:
    measured = run.go(SETTLED_SECONDS, packets=10_000, size=1000, cpu=0.4, lag=0.01, copies=40)
    assert measured.packets_per_second == pytest.approx(10_000, rel=0.01)
    assert measured.egress_bps == pytest.approx(80e6, rel=0.01)
    assert measured.cpu == pytest.approx(0.4, rel=0.01)
    assert measured.lag_seconds == pytest.approx(0.01, rel=0.01)
    assert measured.pressure == pytest.approx(0.4 / 0.85, rel=0.01)
    assert measured.busy == ()


def test_an_idle_node_has_room_for_assumed_viewers_from_its_first_sample(run: Run) -> None:
    assert run.measured.slots == 50_000 // 260
    assert run.go(60).slots == 50_000 // 260
    assert run.measured.pressure == 0


def test_small_streams_leave_room_for_more_copies_and_large_ones_for_fewer() -> None:
    small = Run(LoadMeter(CAPACITY)).go(SETTLED_SECONDS, packets=50 * 100, copies=100)
    large = Run(LoadMeter(CAPACITY)).go(SETTLED_SECONDS, packets=500 * 50, copies=50)
    assert small.slots is not None
    assert large.slots is not None
    assert 700 < small.slots < 1000
    assert 90 < large.slots < 115


def test_copies_of_a_muted_stream_do_not_count_as_free(run: Run) -> None:
    slots = run.go(SETTLED_SECONDS, copies=1000).slots
    assert slots is not None
    assert slots <= 1000 + 10 * 50_000 // 260


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("packets", {"packets": 51_000, "size": 100}),
        ("egress", {"packets": 45_000, "size": 2500}),
        ("cpu", {"cpu": 0.9}),
        ("lag", {"lag": 0.11}),
        ("blocked", {"packets": 1000, "blocked": 10}),
    ],
)
def test_a_measure_at_its_limit_makes_busy_and_is_named(name: str, load: dict[str, float], run: Run) -> None:
    run.go(SETTLED_SECONDS, copies=100, **load)  # type: ignore[arg-type]
    assert run.measured.busy == (name,)
    assert DefaultPolicy(1000).busy(Load(100, 0, measured=run.measured), for_relay=True)


def test_busy_ends_only_well_below_the_limit(run: Run) -> None:
    assert run.go(SETTLED_SECONDS, cpu=0.9).busy == ("cpu",)
    assert run.go(SETTLED_SECONDS, cpu=0.8).busy == ("cpu",)
    assert run.go(SETTLED_SECONDS, cpu=0.7).busy == ()
    assert run.go(SETTLED_SECONDS, cpu=0.8).busy == ()


def test_a_second_of_full_load_is_no_emergency(run: Run) -> None:
    run.go(10, cpu=0.1)
    assert run.go(1, cpu=1.0, lag=0.2, packets=60_000).busy == ()


def test_a_herd_is_counted_before_it_is_measured(run: Run) -> None:
    slots = run.go(SETTLED_SECONDS, packets=260 * 20, copies=20).slots
    assert slots is not None
    load = Load(150, 0, measured=run.measured)
    assert DefaultPolicy().room(load, for_relay=True) == slots - 150


def test_the_video_that_new_viewers_are_sent_at_once_is_not_taken_for_their_cost(run: Run) -> None:
    """Each gets up to 3 s at its start: taken for the rule, 100 of 190 slots would be all there are."""
    copies = 0
    for _ in range(10):
        copies += 10
        measured = run.go(1, packets=260 * (copies + 3 * 10), copies=copies)
        assert measured.slots is not None
        assert measured.slots > 125


def test_streams_that_grow_cannot_be_joined_beyond_what_is_left(run: Run) -> None:
    run.go(SETTLED_SECONDS, packets=50 * 100, copies=100)
    measured = run.go(10, packets=440 * 100, copies=100)
    assert measured.busy == ()
    assert measured.slots is not None
    assert measured.slots < 150


def test_cpu_leaves_fewer_slots_once_it_is_half_used(run: Run) -> None:
    free = run.go(SETTLED_SECONDS, packets=2600, cpu=0.3, copies=10).slots
    tight = run.go(SETTLED_SECONDS, packets=2600, cpu=0.6, copies=10).slots
    assert free is not None
    assert tight is not None
    assert tight < 20 < free


def test_slots_that_hardly_change_are_no_news(run: Run) -> None:
    before = run.go(SETTLED_SECONDS, packets=26_000, size=100, copies=100).slots
    assert run.go(SETTLED_SECONDS, packets=26_500, size=100, copies=100).slots == before


def test_room_that_ends_is_news_however_small(run: Run) -> None:
    slots = run.go(SETTLED_SECONDS, packets=48_000, size=100, copies=190).slots
    assert slots is not None
    ended = run.go(SETTLED_SECONDS, packets=49_999, size=100, copies=197)
    assert ended.slots is not None
    assert ended.slots <= 198


def test_without_limits_nothing_is_tight() -> None:
    measured = Run(LoadMeter(Capacity())).go(SETTLED_SECONDS, packets=10**6, cpu=1.0, lag=1.0, copies=10)
    assert (measured.slots, measured.pressure, measured.busy) == (None, 0, ())


@pytest.mark.parametrize("jump", [-500.0, -0.01, 5.1, 3600.0])
def test_over_a_jump_of_the_clock_nothing_is_measured(jump: float, run: Run) -> None:
    before = run.go(10, packets=10_000, cpu=0.3, copies=40)
    run.now += jump
    sample = replace(run.sample, sent=run.sample.sent + 10**9, cpu_seconds=run.sample.cpu_seconds + 9, lag_seconds=9)
    assert run.meter.sample(sample, run.now) == before
    run.sample = sample
    assert run.go(1, packets=10_000, cpu=0.3, copies=40).cpu == pytest.approx(0.3, rel=0.1)


def test_counters_that_begin_anew_are_no_load(run: Run) -> None:
    before = run.go(10, packets=10_000, copies=40)
    assert run.meter.sample(replace(IDLE, copies=40), run.now + 1) == before


def test_two_samples_at_once_are_one(run: Run) -> None:
    before = run.go(10, packets=10_000, copies=40)
    assert run.meter.sample(replace(run.sample, sent=10**9), run.now + 0.001) == before


def test_load_that_ends_is_forgotten(run: Run) -> None:
    run.go(SETTLED_SECONDS, packets=60_000, cpu=1.0, lag=0.5, copies=300)
    measured = run.go(60)
    assert measured.busy == ()
    assert measured.pressure < 0.01
    assert measured.slots is not None
    assert measured.slots >= 150


_steps = st.lists(
    st.tuples(
        st.floats(-10, 20),
        st.integers(0, 10**6),
        st.integers(0, 10**4),
        st.floats(-1, 5),
        st.floats(-1, 100),
        st.integers(0, 2000),
    ),
    max_size=30,
)
_limit = st.one_of(st.just(math.inf), st.floats(1e-3, 1e9))


@settings(deadline=None, max_examples=200)
@given(st.builds(Capacity, _limit, _limit, _limit, _limit), _steps)
def test_whatever_is_read_no_measure_is_negative_and_busy_means_no_room(
    capacity: Capacity, steps: list[tuple[float, int, int, float, float, int]]
) -> None:
    meter, sample, now = LoadMeter(capacity), IDLE, 0.0
    for elapsed, sent, blocked, cpu, lag, copies in steps:
        now += elapsed
        sample = Sample(
            sample.sent + sent, sample.sent_bytes + 1200 * sent, sample.blocked + blocked, sample.cpu_seconds + cpu,
            lag, copies,
        )  # fmt: skip
        measured = meter.sample(sample, now)
        values = (measured.egress_bps, measured.packets_per_second, measured.cpu, measured.lag_seconds)
        assert all(math.isfinite(value) and value >= 0 for value in values)
        assert measured.pressure >= 0
        assert measured.slots is None or measured.slots >= 0
        for policy in (DefaultPolicy(), DefaultPolicy(100)):
            room = policy.room(Load(copies, 0, measured=measured), for_relay=True)
            assert room == 0 if measured.busy else room >= 0
