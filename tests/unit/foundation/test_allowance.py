"""The token bucket."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.allowance import Allowance


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    allowance = Allowance(per_second=2, burst=3, now=0)
    assert [allowance.spend(0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.spend(0.4)
    assert allowance.spend(0.5)
    assert not allowance.spend(0.5)


def test_what_is_not_spent_is_kept_up_to_the_burst() -> None:
    allowance = Allowance(per_second=10, burst=2, now=0)
    assert [allowance.spend(1000) for _ in range(3)] == [True, True, False]


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    allowance = Allowance(per_second=1, burst=1, now=100)
    assert allowance.spend(100)
    assert not allowance.spend(50)
    assert not allowance.spend(100.5)
    assert allowance.spend(101)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 2), max_size=100))
def test_never_more_than_burst_and_rate_together(gaps: list[float]) -> None:
    allowance, now, spent = Allowance(per_second=3, burst=5, now=0), 0.0, 0
    for gap in gaps:
        now += gap
        spent += allowance.spend(now)
        assert spent <= 5 + 3 * now + 1e-6
