"""Regions, and how long a datagram takes between them."""

import random

_NAMES = ("eu", "us", "ap", "sa", "af", "me")

_ONE_WAY_MS = (
    (5.0, 45.0, 85.0, 95.0, 70.0, 40.0),
    (45.0, 5.0, 75.0, 60.0, 100.0, 80.0),
    (85.0, 75.0, 5.0, 140.0, 110.0, 60.0),
    (95.0, 60.0, 140.0, 5.0, 120.0, 120.0),
    (70.0, 100.0, 110.0, 120.0, 5.0, 60.0),
    (40.0, 80.0, 60.0, 120.0, 60.0, 5.0),
)
"""Half of the round trips that public clouds publish between their regions, rounded; 5 ms inside of one."""

_JITTER_SHARE = 0.15
"""Of the way's own time: queues on long ways are longer, and few are above this."""

_JITTER_SECONDS = 0.001
"""On top, everywhere: a process that was just busy."""

regions_max = len(_NAMES)


class Geography:
    """The first `regions` of six; every delay gets its own jitter."""

    def __init__(self, regions: int, rng: random.Random) -> None:
        assert 1 <= regions <= regions_max
        self.names = _NAMES[:regions]
        self._base = [[ms / 1000 for ms in row[:regions]] for row in _ONE_WAY_MS[:regions]]
        self._random = rng.random

    def one_way(self, a: int, b: int) -> float:
        """Seconds for one datagram between two regions (indices into `names`)."""
        base = self._base[a][b]
        return base + (base * _JITTER_SHARE + _JITTER_SECONDS) * self._random()

    def rtt(self, a: int, b: int) -> float:
        """The usual round trip between two regions."""
        return 2 * self._base[a][b]
