"""ICE (RFC 8445), sans-IO: the lite agent which only answers checks, and the side of a link that dials.

Times are monotonic seconds and come in as `now`; bytes to send go out as return values.
"""

import random
from collections.abc import Iterable

from aioice.stun import Class, Message, Method

from foundation import limits
from foundation.address import Address
from foundation.errors import RemoteError
from media import stun

_PEER_REFLEXIVE_PRIORITY = (110 << 24) | (65535 << 8) | 255
"""RFC 8445 section 5.1.2: what a check's PRIORITY says, with the type preference of section 5.1.2.2."""

_SRTT_GAIN = 1 / 8
"""RFC 6298 section 2."""


class IceLite:
    """Answers the checks which a full agent, or a dialing node, sends to one transport (RFC 8445 section 2.5).

    There are no role conflicts (487) to repair: a lite agent is always controlled and its peer controlling (section
    6.1.1), whatever role attribute a check carries.
    """

    def __init__(self, password: str, silence_seconds_max: float, now: float) -> None:
        self.password = password
        self.remote: Address | None = None
        self.nominated = False
        self.heard_at = now
        self._silence_seconds_max = silence_seconds_max
        self._checked_at: dict[Address, float] = {}
        self._transactions: dict[bytes, Address] = {}

    @property
    def addresses(self) -> Iterable[Address]:
        """Where valid checks came from, at most `ice_addresses_max`: DTLS and SRTP are taken from these."""
        return self._checked_at.keys()

    @property
    def expires_at(self) -> float:
        """When the peer counts as gone, unless it is heard before.

        RFC 7675 lets consent expire 30 s after the last valid check. Authenticated SRTP counts as well here: it proves
        as much, and FFmpeg 8.0 and pion send no checks while they send media.
        """
        return self.heard_at + self._silence_seconds_max

    def copied(self, check: Message, address: Address) -> bool:
        """Whether an authenticated check came before, from another address: then one of the two was taken off the wire.

        Its sender would not notice that the copy is answered, and its media would go to whoever sent that.
        """
        known = self._transactions.setdefault(check.transaction_id, address)
        if len(self._transactions) > limits.ice_transactions_max:
            del self._transactions[next(iter(self._transactions))]
        return known != address

    def accept(self, check: Message, address: Address, now: float) -> tuple[bytes, Address | None]:
        """Takes an authenticated check: the response to send, and an address that lost its place to this one, if any.

        Media goes to where the first valid check came from, and from then on to where the last nominating one came
        from: so a client that changes networks takes its stream along.
        """
        evicted = None
        if address not in self._checked_at and len(self._checked_at) >= limits.ice_addresses_max:
            evicted = min((a for a in self._checked_at if a != self.remote), key=self._checked_at.__getitem__)
            del self._checked_at[evicted]
        self._checked_at[address] = self.heard_at = now
        if "USE-CANDIDATE" in check.attributes:
            self.remote, self.nominated = address, True
        elif self.remote is None:
            self.remote = address
        return stun.success_response(check, address, self.password), evicted

    def drop_address(self, address: Address) -> None:
        """Forgets an address, which now belongs to another transport; nothing is sent there any more."""
        self._checked_at.pop(address, None)
        if self.remote == address:
            self.remote, self.nominated = None, False


class IceDialer:
    """Checks one known address until it answers, then keeps the path checked and measures its round trip.

    A connectivity check carries PRIORITY; a keepalive does not. So a listener which has forgotten us (it was restarted)
    does not take a keepalive for a new call and leave us with a path that answers and a DTLS association that does not.
    Clients (`link` is false) send it always, as RFC 8445 section 7.1.1 has it: mediasoup refuses a check without.
    """

    def __init__(
        self, username: str, password: str, remote: Address, rng: random.Random, now: float, link: bool = True
    ) -> None:
        self.password = password
        self.remote: Address | None = remote
        self.heard_at = now
        self.connected = False
        self.srtt_seconds: float | None = None
        self.tie_breaker = rng.getrandbits(64)
        self._username = username
        self._rng = rng
        self._link = link
        self._busy = False
        self._next_at = now
        self._gap = limits.ice_check_gap_seconds_min
        self._pending: dict[bytes, float] = {}
        self._unanswered_since: float | None = None

    @property
    def addresses(self) -> Iterable[Address]:
        """The dialed address once it has answered."""
        return (self.remote,) if self.connected and self.remote is not None else ()

    @property
    def expires_at(self) -> float:
        """When the path counts as gone, unless it answers before."""
        if self._unanswered_since is None:
            return float("inf")
        bound = limits.link_silence_seconds_max if self.connected else limits.ice_dial_seconds_max
        return self._unanswered_since + bound

    @property
    def next_at(self) -> float:
        """When `poll` has the next check to send."""
        return self._next_at

    def poll(self, now: float) -> bytes | None:
        """A check to send to `remote`, if one is due."""
        if now < self._next_at:
            return None
        check = Message(Method.BINDING, Class.REQUEST, self._rng.randbytes(12))
        check.attributes["USERNAME"] = self._username
        check.attributes["ICE-CONTROLLING"] = self.tie_breaker
        check.attributes["USE-CANDIDATE"] = None
        if not (self._link and self.connected):
            check.attributes["PRIORITY"] = _PEER_REFLEXIVE_PRIORITY
        check.add_message_integrity(self.password.encode())
        self._sent(check.transaction_id, now)
        return bytes(check)

    def answer(self, data: bytes, address: Address, now: float) -> None:
        """Takes a binding response. Raises `RemoteError` unless it answers a check of ours, from where that went."""
        sent_at = self._pending.get(data[8:20])
        if sent_at is None or address != self.remote:
            raise RemoteError("a STUN response answers nothing")
        stun.authenticated_response(data, self.password)
        self._pending = {transaction: at for transaction, at in self._pending.items() if at > sent_at}
        self._unanswered_since = None
        self.heard_at = now
        self.connected = True
        self._measured(now - sent_at)
        self._schedule(now)

    def set_busy(self, busy: bool, now: float) -> None:
        """Whether the link carries media: then it is checked every second, else every five."""
        self._busy = busy
        if self.connected and not self._pending:
            self._schedule(now)

    def _sent(self, transaction: bytes, now: float) -> None:
        """Every try is a transaction of its own, so that its answer tells the round trip."""
        while len(self._pending) >= limits.ice_checks_pending_max:
            del self._pending[next(iter(self._pending))]
        self._pending[transaction] = now
        if self._unanswered_since is None:
            self._unanswered_since = now
        self._next_at = now + self._gap
        self._gap = min(2 * self._gap, limits.ice_check_gap_seconds_max)

    def _schedule(self, now: float) -> None:
        interval = limits.link_check_busy_seconds if self._busy else limits.link_check_idle_seconds
        self._next_at = now + interval
        self._gap = limits.ice_check_gap_seconds_max

    def _measured(self, sample: float) -> None:
        previous = self.srtt_seconds
        self.srtt_seconds = sample if previous is None else previous + _SRTT_GAIN * (sample - previous)
