"""Places asked for ahead, at a node where many viewers arrive: they need not wait for the owner's answer."""

from collections import deque
from dataclasses import dataclass, field

from foundation import limits
from swarm.messages import Place
from swarm.record import Contact


@dataclass(slots=True)
class Stock:
    """The owner holds each place free for `delegation_debit_seconds`; here it is good for half of that."""

    owner: Contact
    asking: bool = False
    _places: deque[tuple[float, str, int]] = field(default_factory=deque)

    def put(self, places: list[Place], now: float) -> None:
        until = now + limits.delegation_debit_seconds / 2
        self._places.extend((until, place.url, place.count) for place in places)

    def take(self, now: float) -> str | None:
        """The base URL of one place, None when there is none."""
        while self._places:
            until, url, count = self._places.popleft()
            if until > now:
                if count > 1:
                    self._places.append((until, url, count - 1))
                return url
        return None

    def left(self, now: float) -> int:
        return sum(count for until, _, count in self._places if until > now)


def ahead(requests: deque[float], now: float) -> int:
    """Viewers that will come within `find_ahead_seconds`, if there are many: by the times of the last few requests."""
    if len(requests) < limits.requests_before_relay or now - requests[0] > limits.find_herd_seconds:
        return 0
    per_second = len(requests) / max(now - requests[0], 0.01)
    return min(int(per_second * limits.find_ahead_seconds), limits.find_ahead_max)
