"""Address tokens: who shows one has received a datagram at its address before. Sans-IO.

In an open swarm anybody can send a small question with somebody else's address as its source; only a token makes a node
answer with more than it was sent (compare QUIC's Retry, RFC 9000 section 8.1.2).
"""

import hashlib
import hmac

from dht.messages import TOKEN_BYTES
from dht.peer import pack_address
from foundation.address import Address
from foundation.packing import pack

TOKEN_SECRET_BYTES = 32
_period_seconds = 300.0


class AddressTokens:
    """Tokens are computed, not kept: a flood of questions costs no memory."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, address: Address, now: float) -> bytes:
        """What is good for this address for 5 to 10 minutes."""
        return self._token(address, int(now // _period_seconds))

    def valid(self, token: bytes, address: Address, now: float) -> bool:
        period = int(now // _period_seconds)
        return len(token) == TOKEN_BYTES and any(
            hmac.compare_digest(token, self._token(address, each)) for each in (period, period - 1)
        )

    def _token(self, address: Address, period: int) -> bytes:
        said = pack([pack_address(address), period])
        return hashlib.blake2b(said, key=self._secret, digest_size=TOKEN_BYTES, person=b"swarmd dht token").digest()
