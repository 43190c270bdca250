"""Which addresses are likely one operator's, so that one of them cannot fill a routing table. Sans-IO."""

import ipaddress
from functools import lru_cache

from foundation.limits import ips_cached_max

_PREFIX_V4, _PREFIX_V6 = 24, 48
"""What one customer gets at most, as a rule."""


@lru_cache(ips_cached_max)
def subnet_of(ip: str) -> str | None:
    """The network of a public address, /24 or /48; `None` for a private one, whose operator is our own."""
    parsed = ipaddress.ip_address(ip)
    if not parsed.is_global:
        return None
    prefix = _PREFIX_V4 if parsed.version == 4 else _PREFIX_V6
    return str(ipaddress.ip_network((ip, prefix), strict=False))
