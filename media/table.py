"""Which transport a ufrag or an address belongs to."""

from foundation import limits
from foundation.address import Address
from media.ice import IceDialer
from media.transport import Transport

SUPERSEDED = "the peer dialed at the same time, and its link goes on"
"""Why one of two links that two nodes dialed to each other was closed."""


class TransportTable:
    """Transports by what datagrams tell of them; every live transport is in `all`, and only live ones are here."""

    def __init__(self) -> None:
        self.all: set[Transport] = set()
        self.unconnected: set[Transport] = set()
        self._by_ufrag: dict[str, Transport] = {}
        self._dialed_in: dict[str, Transport] = {}
        self._dialed_out: dict[Address, Transport] = {}
        self._by_address: dict[Address, Transport] = {}
        self.at = self._by_address.get
        """The transport for which this address is validated, or None."""

    @property
    def links_incoming(self) -> int:
        """Links which others dialed and whose handshake is not done."""
        return sum(transport in self.unconnected for transport in self._dialed_in.values())

    def add_accepted(self, transport: Transport) -> None:
        self._by_ufrag[transport.local_ufrag] = transport
        self._add(transport)

    def add_dialed_in(self, transport: Transport) -> None:
        self._dialed_in[transport.remote_ufrag] = transport
        self._add(transport)

    def add_dialed_out(self, transport: Transport, address: Address) -> None:
        self._dialed_out[address] = transport
        if transport.link:
            self._by_ufrag[transport.local_ufrag] = transport
        self._add(transport)

    def accepted(self, local_ufrag: str) -> Transport | None:
        """Who is checked under this user name: a client's transport, or a link that we dialed."""
        return self._by_ufrag.get(local_ufrag)

    def dialed_in(self, remote_ufrag: str) -> Transport | None:
        return self._dialed_in.get(remote_ufrag)

    def dialed_out(self, address: Address) -> Transport | None:
        return self._dialed_out.get(address)

    def may_claim(self, address: Address, claimant: Transport | None, now: float, tie_breaker: int | None) -> bool:
        """Whether a valid check from `address` may bind it to `claimant`, or to a link that is yet to be made (None).

        Without this whoever holds one session's password could take an address of another session away from it, by
        checks with that source address. A transport that is silent there loses it: NATs give ports to others.

        Two nodes which dial each other at the same moment would refuse each other for good: there the higher ICE
        tie-breaker (RFC 8445 section 7.3.1.1 repairs role conflicts so) wins, and the other end closes its own dial.
        """
        dialed = self._dialed_out.get(address)
        if dialed is not None and dialed is not claimant and dialed.state != "connected":
            return self._wins_glare(dialed, tie_breaker)
        owner = self._by_address.get(address)
        if owner is None or owner is claimant:
            return True
        return owner.remote != address or now - owner.heard_at > limits.address_held_seconds

    def claim(self, address: Address, claimant: Transport) -> None:
        """Binds an address, after `may_claim`; a link that was dialed there, or a transport silent there, loses it."""
        dialed = self._dialed_out.get(address)
        if dialed is not None and dialed is not claimant:
            dialed.close(SUPERSEDED)
        owner = self._by_address.get(address)
        if owner is not None and owner is not claimant:
            owner.lost_address(address)
        self._by_address[address] = claimant

    def release(self, address: Address, owner: Transport) -> None:
        """Unbinds an address which this transport validated."""
        if self._by_address.get(address) is owner:
            del self._by_address[address]

    def connected(self, transport: Transport) -> None:
        self.unconnected.discard(transport)

    def remove(self, transport: Transport) -> None:
        """Forgets a closed transport."""
        self.all.discard(transport)
        self.unconnected.discard(transport)
        for address in transport.addresses:
            self.release(address, transport)
        for table, key in (
            (self._by_ufrag, transport.local_ufrag),
            (self._dialed_in, transport.remote_ufrag),
        ):
            if table.get(key) is transport:
                del table[key]
        if transport.dialed is not None and self._dialed_out.get(transport.dialed) is transport:
            del self._dialed_out[transport.dialed]

    def _add(self, transport: Transport) -> None:
        self.all.add(transport)
        self.unconnected.add(transport)

    @staticmethod
    def _wins_glare(dialed: Transport, tie_breaker: int | None) -> bool:
        assert isinstance(dialed.ice, IceDialer)
        return tie_breaker is not None and tie_breaker > dialed.ice.tie_breaker
