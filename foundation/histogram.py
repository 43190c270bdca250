"""How often something took how long: counts per upper bound, as Prometheus counts them. Sans-IO."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any


class Histogram:
    """`bounds` are the upper bounds of the buckets, ascending; what is above the last is counted all the same."""

    def __init__(self, bounds: Sequence[float]) -> None:
        assert list(bounds) == sorted(bounds)
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Counts one; a value that is a bound belongs to it."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    @property
    def buckets(self) -> list[int]:
        """For each bound how many were at most as much."""
        return list(accumulate(self._counts[:-1]))

    def describe(self) -> dict[str, Any]:
        """`{"count", "sum", "buckets": {bound: how many were at most as much}}`, for JSON."""
        buckets = {f"{bound:g}": count for bound, count in zip(self.bounds, self.buckets, strict=True)}
        return {"count": self.count, "sum": round(self.sum, 6), "buckets": buckets}
