"""Why an endpoint dropped what it dropped: plain integers that only grow."""

from dataclasses import dataclass


@dataclass(slots=True)
class Drops:
    """Datagrams of one endpoint, unless a line says otherwise. None of them was answered."""

    unknown_kind: int = 0
    """A first byte that belongs to no protocol of ours."""
    dtls_unvalidated: int = 0
    """DTLS from an address without a valid ICE check."""
    srtp_unvalidated: int = 0
    """SRTP from an address without a valid ICE check."""
    stun_malformed: int = 0
    stun_unknown_user: int = 0
    """Checks for a ufrag which is not, or no more, ours."""
    stun_unauthenticated: int = 0
    """Checks with a wrong password, and responses which answer nothing."""
    stun_copied: int = 0
    """Valid checks that came before from another address."""
    stun_ignored: int = 0
    """Indications and error responses."""
    address_held: int = 0
    """Valid checks from an address which another live transport uses."""
    dtls_overflow: int = 0
    """DTLS before there is an association, or faster than it reads."""
    srtp_early: int = 0
    """SRTP before the keys, more than is kept."""
    srtp_refused: int = 0
    """SRTP that is forged or malformed."""
    srtp_replayed: int = 0
    """SRTP that came twice: the network did it, or a publisher without RTX who was asked for what was only late."""
    datagrams_unsent: int = 0
    """To an address which this node's socket cannot reach."""
    links_refused: int = 0
    """Valid checks of dialing nodes beyond what may be set up at once, or that the node did not want."""
    handler_failures: int = 0
    """Exceptions in our own code behind a transport; each closed that transport."""
