"""Questions of this node without a link that await their answers; each ends in time, whatever the shell does."""

from collections.abc import Callable

from foundation import limits
from swarm.messages import Message
from swarm.record import Contact
from swarm.tree.actions import Ask
from swarm.tree.state import RelayState

Then = Callable[[Message | None, float], None]
"""Given the answer, None for none, and the time."""


class Asks:
    """Whoever asks says what to do with the answer."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._open: dict[int, Then] = {}

    def __len__(self) -> int:
        return len(self._open)

    def put(
        self, contact: Contact, message: Message, then: Then, now: float, seconds: float = limits.ask_seconds_max
    ) -> None:
        """Asks; `then` is called once, with None after `seconds`."""
        if len(self._open) >= limits.asks_open_max:
            self._state.counters["asks_refused"] += 1
            then(None, now)
            return
        key = self._state.new_request()
        self._open[key] = then
        self._state.deadlines.set(("answer", key), now + seconds)
        self._state.do(Ask(key, contact, message))

    def answered(self, key: int, message: Message | None, now: float) -> None:
        then = self._open.pop(key, None)
        if then is None:
            self._state.counters["answer_stale"] += 1
            return
        self._state.deadlines.clear(("answer", key))
        then(message, now)

    def expired(self, key: int, now: float) -> None:
        self._open.pop(key)(None, now)
