"""What one address may ask for: so many requests, and so many wrong tokens. Sans-IO: `now` is a monotonic clock."""

import ipaddress
from collections import OrderedDict

from foundation.allowance import Allowance


class Budgets:
    """An allowance for each client network: an IPv4 address, or an IPv6 /64, which is what one household gets."""

    def __init__(self, per_second: float, burst: float, networks_max: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._networks_max = networks_max
        self._allowances: OrderedDict[bytes, Allowance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._allowances)

    def spend(self, ip: str, now: float) -> bool:
        """Takes one from what `ip` has left; false when that is nothing."""
        network = network_of(ip)
        allowance = self._allowances.get(network)
        if allowance is None:
            if len(self._allowances) >= self._networks_max:
                self._allowances.popitem(last=False)
            allowance = self._allowances[network] = Allowance(self._per_second, self._burst, now)
        else:
            self._allowances.move_to_end(network)
        return allowance.spend(now)


def network_of(ip: str) -> bytes:
    """Whose `ip` is, as far as budgets go; all that is no address is one network."""
    try:
        return ipaddress.ip_address(ip).packed[:8]
    except ValueError:
        return b""
