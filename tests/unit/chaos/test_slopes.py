"""Regression that a few odd samples do not bend."""

import pytest

from tests.chaos.slopes import growth, slope


def test_a_line_has_its_slope_whatever_a_fifth_of_its_points_say() -> None:
    points = [(float(at), 2.0 * at) for at in range(50)]
    points[7::5] = [(at, 1000.0) for at, _ in points[7::5]]
    assert slope(points) == pytest.approx(2.0, abs=0.3)


def test_noise_around_a_level_is_flat() -> None:
    assert slope([(float(at), 70.0 + at % 3) for at in range(60)]) == pytest.approx(0.0, abs=0.01)


def test_growth_is_the_slope_over_the_whole_series() -> None:
    assert growth([(10.0, 1.0), (20.0, 2.0), (30.0, 3.0)]) == pytest.approx(2.0)


@pytest.mark.parametrize("points", [[], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 9.0)]])
def test_nothing_to_compare_is_flat(points: list[tuple[float, float]]) -> None:
    assert slope(points) == growth(points) == 0.0
