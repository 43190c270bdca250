"""When a port lets datagrams gather before it reads them. Sans-IO.

A burst of one packet costs 5.6 µs for each consumer, one of three 3.2, one of twelve 1.7 (see `media.forward`). A
publisher that paces its packets singly makes bursts of one; under load it pays to read them a little later, together.

Measured by `python -m benchmarks.delay --producers 1 --viewers 80 --packets-per-frame 1 --cpu 88`: a node that uses
77 % of a core for 110,000 packets/s, 6.9 µs each, opens the window and passes on 140,000 with 61 %, 4.4 µs each; p50 of
its delay grows from 0.8 to 2.3 ms. A publisher's packets have to come closer than 2 ms for that: at 500/s and less each
still comes alone. A wake is 0.3 µs dearer for being watched.
"""

from foundation import limits


class CoalescingWindow:
    """Opens when the wakes of a port take much of its time although each of them brings little.

    Many datagrams in a wake are a reason to stay closed: publishers that send whole frames, or a node so busy that
    what comes in while it works forms bursts anyway. Waiting would add delay there and save nothing.

    The hysteresis is a term: an open window stays so for `coalescing_term_seconds`, then it is closed for as long as
    measuring takes, because only the load without it tells whether it is needed.
    """

    def __init__(self) -> None:
        self.opened = 0
        """How often it opened so far."""
        self._open_until = 0.0
        self._slice_began: float | None = None
        self._busy_seconds = 0.0
        self._weighted_datagrams = 0.0

    def held_seconds(self, began: float, ended: float, datagrams: int) -> float:
        """Takes note of one wake; how long after its beginning the port should read again, zero for at once."""
        if ended < self._open_until:
            return limits.coalescing_seconds_max
        if self._slice_began is None:
            self._slice_began = began
        busy = ended - began
        self._busy_seconds += busy
        self._weighted_datagrams += busy * datagrams
        elapsed = ended - self._slice_began
        if elapsed < limits.coalescing_slice_seconds:
            return 0.0
        if self._would_pay(elapsed):
            self.opened += 1
            self._open_until = ended + limits.coalescing_term_seconds
        self._slice_began, self._busy_seconds, self._weighted_datagrams = None, 0.0, 0.0
        return limits.coalescing_seconds_max if ended < self._open_until else 0.0

    def _would_pay(self, elapsed: float) -> bool:
        """Datagrams are counted by the time of their wakes: those of many cheap wakes with reports say nothing."""
        return (
            self._busy_seconds > limits.coalescing_share_min * elapsed
            and self._weighted_datagrams < limits.coalescing_datagrams_max * self._busy_seconds
        )
