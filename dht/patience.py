"""How long to wait for an answer before asking another node, asking again, and giving up. Sans-IO.

The times follow the round trips that were seen (smoothed as in RFC 6298); the lower bounds keep a busy event loop on
the other side from passing for a dead node.
"""

from foundation.limits import call_seconds_max

_weight = 1 / 8
"""RFC 6298's alpha: the last eight or so samples count."""

_deviation_weight = 1 / 4
"""RFC 6298's beta."""


class Patience:
    """All nodes together: a lookup asks strangers, of whom nothing is known but that they are in the same swarm."""

    def __init__(self) -> None:
        self.round_trip_seconds = 0.1
        self.deviation_seconds = 0.05

    def observe(self, seconds: float) -> None:
        """One round trip of a request that was sent once (Karn: an answer to two requests measures neither)."""
        error = min(seconds, call_seconds_max) - self.round_trip_seconds
        self.deviation_seconds += (abs(error) - self.deviation_seconds) * _deviation_weight
        self.round_trip_seconds += error * _weight

    @property
    def hedge_seconds(self) -> float:
        """After this a lookup asks one node more: RFC 6298's time-out, or less where round trips differ much."""
        expected = self.round_trip_seconds + 4 * self.deviation_seconds
        return max(0.05, min(expected, 1.5 * self.round_trip_seconds))

    @property
    def retransmit_seconds(self) -> float:
        """After this the request is sent once more."""
        return min(max(0.15, 2 * self.round_trip_seconds), call_seconds_max / 2)

    @property
    def give_up_seconds(self) -> float:
        """After this the node counts as not answering."""
        return min(max(0.5, 4 * self.round_trip_seconds), call_seconds_max)
