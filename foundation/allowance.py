"""A token bucket: so much at once, so much per second in the long run."""


class Allowance:
    """Starts full. Sans-IO: `now` is seconds of any clock that never goes back."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = now

    def spend(self, now: float) -> bool:
        """Takes one; false when there is none, and then nothing is taken."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = max(self._at, now)
        if self._left < 1:
            return False
        self._left -= 1
        return True
