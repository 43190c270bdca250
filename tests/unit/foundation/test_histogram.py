from hypothesis import given
from hypothesis import strategies as st

from foundation.histogram import Histogram


def test_nothing_was_counted_in_a_new_one() -> None:
    assert Histogram([0.1, 1]).describe() == {"count": 0, "sum": 0.0, "buckets": {"0.1": 0, "1": 0}}


def test_a_bucket_counts_what_is_at_most_its_bound() -> None:
    histogram = Histogram([0.1, 1])
    for value in (0.05, 0.1, 0.5, 7):
        histogram.observe(value)
    assert histogram.describe() == {"count": 4, "sum": 7.65, "buckets": {"0.1": 2, "1": 3}}


@given(st.lists(st.floats(0, 10)), st.lists(st.floats(0, 10), unique=True).map(sorted))
def test_every_bucket_is_right_for_any_values(values: list[float], bounds: list[float]) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    assert histogram.buckets == [sum(value <= bound for value in values) for bound in bounds]
    assert histogram.count == len(values)
