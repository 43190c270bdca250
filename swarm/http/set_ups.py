"""How many sessions of one client network may wait for their client: nobody takes all places where sessions begin."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from foundation import limits
from swarm.http.budgets import network_of
from swarm.http.problems import TOO_MANY_SET_UPS, Refusal


class SetUps:
    """Offers under answer, and sessions answered whose client is not connected yet."""

    def __init__(self, waiting: Callable[[str], bool]) -> None:
        """`waiting` tells whether a session of this id is there whose client has not completed its handshake."""
        self._waiting = waiting
        self._answering: Counter[bytes] = Counter()
        self._answered: dict[str, bytes] = {}

    @contextmanager
    def place(self, ip: str) -> Iterator[Callable[[str], None]]:
        """For one offer, while it is answered; call what it yields with the session's id, if there is one in the end.

        Raises `Refusal` (429).
        """
        network = network_of(ip)
        self._answered = {session: whose for session, whose in self._answered.items() if self._waiting(session)}
        taken = self._answering[network] + sum(whose == network for whose in self._answered.values())
        if taken >= limits.set_ups_per_network_max:
            raise Refusal(TOO_MANY_SET_UPS)
        self._answering[network] += 1
        try:
            yield lambda session: self._answered.__setitem__(session, network)
        finally:
            self._answering[network] -= 1
            if not self._answering[network]:
                del self._answering[network]


SET_UPS = web.AppKey("set-ups", SetUps)
"""Where handlers find the `SetUps` of their application."""
