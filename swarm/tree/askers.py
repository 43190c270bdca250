"""How much every node may ask without a link: who floods is not heard, and costs the others nothing."""

from foundation import limits
from foundation.allowance import Allowance
from foundation.identity import NodeId


class Askers:
    """An allowance for each of those that asked last."""

    def __init__(self, per_second: float = limits.asks_per_second, burst: float = limits.asks_burst) -> None:
        self._per_second = per_second
        self._burst = burst
        self._allowances: dict[NodeId, Allowance] = {}

    def may_ask(self, node: NodeId, now: float) -> bool:
        """Whether one more question of this node is to be answered."""
        allowance = self._allowances.pop(node, None) or Allowance(self._per_second, self._burst, now)
        self._allowances[node] = allowance
        if len(self._allowances) > limits.askers_max:
            del self._allowances[next(iter(self._allowances))]
        return allowance.spend(now)
