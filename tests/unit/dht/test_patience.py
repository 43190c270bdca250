import pytest

from dht.patience import Patience


def after(seconds: float) -> Patience:
    patience = Patience()
    for _ in range(100):
        patience.observe(seconds)
    return patience


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.08, 0.3, 1.0, 100.0])
def test_a_second_try_comes_after_the_hedge_and_before_the_end(seconds: float) -> None:
    patience = after(seconds)
    assert patience.retransmit_seconds < patience.give_up_seconds <= 1.2


def test_on_loopback_the_lower_bounds_hold() -> None:
    patience = after(0.0005)
    assert (patience.hedge_seconds, patience.retransmit_seconds, patience.give_up_seconds) == (0.05, 0.15, 0.5)


def test_on_a_slow_path_one_waits_longer() -> None:
    patience = after(0.25)
    assert patience.hedge_seconds == pytest.approx(0.25, rel=0.01)
    assert patience.give_up_seconds == pytest.approx(1.0, rel=0.01)


def test_one_late_answer_changes_little() -> None:
    patience = after(0.04)
    patience.observe(1.0)
    assert patience.round_trip_seconds < 0.2


def test_where_round_trips_differ_the_hedge_is_later_and_at_most_half_a_round_trip_more() -> None:
    patience = Patience()
    for seconds in [0.09, 0.11] * 50:
        patience.observe(seconds)
    assert 0.13 < patience.hedge_seconds < 0.15
    for seconds in [0.01, 0.39] * 50:
        patience.observe(seconds)
    assert patience.hedge_seconds == 1.5 * patience.round_trip_seconds
