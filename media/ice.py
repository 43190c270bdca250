"""ICE (RFC 8445), sans-IO: the lite agent which only answers checks, and the side of a link that dials.

Times are monotonic seconds and come in as `now`; bytes to send go out as return values.
"""

import random
from collections.abc import Iterable

from aioice.stun import Message

from foundation import limits
from foundation.address import Address
from foundation.errors import RemoteError
from media import stun
from media.path_checks import PathChecks

_PEER_REFLEXIVE_PRIORITY = (110 << 24) | (65535 << 8) | 255
"""RFC 8445 section 5.1.2: what a check's PRIORITY says, with the type preference of section 5.1.2.2."""


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
    """Checks one known address until it answers; then keeps the path checked, where no `LinkWatch` does.

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
        self.tie_breaker = rng.getrandbits(64)
        role = {"ICE-CONTROLLING": self.tie_breaker, "USE-CANDIDATE": None}
        self.checks = PathChecks(username, password, rng, role)
        self._link = link
        self._next_at = now
        self._gap = limits.ice_check_gap_seconds_min

    @property
    def addresses(self) -> Iterable[Address]:
        """The dialed address once it has answered."""
        return (self.remote,) if self.connected and self.remote is not None else ()

    @property
    def expires_at(self) -> float:
        """When the path counts as gone, unless it answers before."""
        if self.checks.unanswered_since is None:
            return float("inf")
        bound = limits.link_silence_seconds_max if self.connected else limits.ice_dial_seconds_max
        return self.checks.unanswered_since + bound

    @property
    def next_at(self) -> float:
        """When `poll` has the next check to send."""
        return self._next_at

    def poll(self, now: float) -> bytes | None:
        """A check to send to `remote`, if one is due."""
        if now < self._next_at:
            return None
        self._next_at = now + self._gap
        self._gap = min(2 * self._gap, limits.ice_check_gap_seconds_max)
        if self._link and self.connected:
            return self.checks.request(now)
        return self.checks.request(now, PRIORITY=_PEER_REFLEXIVE_PRIORITY)

    def answer(self, data: bytes, address: Address, now: float) -> None:
        """Takes a binding response. Raises `RemoteError` unless it answers a check of ours, from where that went."""
        if address != self.remote:
            raise RemoteError("a STUN response comes from elsewhere")
        self.checks.answered(data, now)
        self.heard_at = now
        self.connected = True
        self._next_at = now + limits.link_check_idle_seconds
        self._gap = limits.ice_check_gap_seconds_max
