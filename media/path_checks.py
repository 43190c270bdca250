"""Binding requests on one path (RFC 8445), their answers, and the round trip these tell. Sans-IO."""

import random
from collections.abc import Mapping

from aioice.stun import Class, Message, Method

from foundation import limits
from foundation.errors import RemoteError
from media import stun

_srtt_gain = 1 / 8
"""RFC 6298 section 2."""


class PathChecks:
    """Every try is a transaction of its own, so that its answer tells the round trip."""

    def __init__(self, username: str, password: str, rng: random.Random, attributes: Mapping[str, int | None]) -> None:
        """`attributes` are in every request, such as the role."""
        self.srtt_seconds: float | None = None
        self.unanswered_since: float | None = None
        """When the first request went out after the last one that was answered."""
        self.answered_from = float("-inf")
        """When the request went out that was answered last."""
        self._username, self._password, self._rng = username, password, rng
        self._attributes = attributes
        self._pending: dict[bytes, float] = {}

    def request(self, now: float, **more: int) -> bytes:
        """The next request; it counts as sent, with `more` attributes."""
        message = Message(Method.BINDING, Class.REQUEST, self._rng.randbytes(12))
        message.attributes["USERNAME"] = self._username
        message.attributes.update({**self._attributes, **more})
        message.add_message_integrity(self._password.encode())
        while len(self._pending) >= limits.ice_checks_pending_max:
            del self._pending[next(iter(self._pending))]
        self._pending[message.transaction_id] = now
        if self.unanswered_since is None:
            self.unanswered_since = now
        return bytes(message)

    def answered(self, data: bytes, now: float) -> None:
        """Takes a binding response from where the requests go. Raises `RemoteError` unless it answers one of them."""
        sent_at = self._pending.get(data[8:20])
        if sent_at is None:
            raise RemoteError("a STUN response answers nothing")
        stun.authenticated_response(data, self._password)
        self._pending = {transaction: at for transaction, at in self._pending.items() if at > sent_at}
        self.unanswered_since, self.answered_from = None, sent_at
        sample, previous = now - sent_at, self.srtt_seconds
        self.srtt_seconds = sample if previous is None else previous + _srtt_gain * (sample - previous)
