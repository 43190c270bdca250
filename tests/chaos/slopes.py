"""Whether a series is flat: robust regression, so that a few odd samples decide nothing."""

import statistics
from collections.abc import Sequence


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of points (Theil and Sen); 0 with fewer than two."""
    slopes = [
        (later - earlier) / (then - at)
        for index, (at, earlier) in enumerate(points)
        for then, later in points[index + 1 :]
        if then > at
    ]
    return statistics.median(slopes) if slopes else 0.0


def growth(points: Sequence[tuple[float, float]]) -> float:
    """What the slope comes to from the first point to the last one."""
    return slope(points) * (points[-1][0] - points[0][0]) if points else 0.0
