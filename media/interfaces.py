"""Under which addresses others reach a socket: what stands in the candidates of an answer."""

from collections.abc import Sequence
from ipaddress import ip_address

from aioice.ice import get_host_addresses

from foundation.address import Address

_candidates_max = 8
"""Clients check every candidate: more only make them slower, and a host rarely has more useful ones."""


def host_candidates(local: Address, advertise: Sequence[Address]) -> tuple[Address, ...]:
    """The addresses to offer for a socket bound to `local`.

    `advertise` replaces everything (1:1 NAT). Otherwise it is the bound address itself or, bound to a wildcard, those
    of all interfaces, loopback last.
    """
    if advertise:
        return tuple(advertise[:_candidates_max])
    if not ip_address(local[0]).is_unspecified:
        return (local,)
    dual_stack = ":" in local[0]
    loopback = ["127.0.0.1", "::1"] if dual_stack else ["127.0.0.1"]
    hosts = get_host_addresses(use_ipv4=True, use_ipv6=dual_stack)[: _candidates_max - len(loopback)]
    return tuple((host, local[1]) for host in [*hosts, *loopback])
