"""A node's placement: the policy in office and the load it decides by."""

import logging
import time
from collections.abc import Callable
from typing import Any

from media.port import PortCounters
from swarm.config import Config
from swarm.load.capacity import capacity, saved_packets_per_second
from swarm.load.meter import LoadMeter
from swarm.load.watch import watch_load
from swarm.policies.file import load_policy
from swarm.policies.guarded import GuardedPolicy
from swarm.policy import DefaultPolicy, Load, Measured, PlacementPolicy

logger = logging.getLogger(__name__)


class Placement:
    """`policy` is the default one, or the user's own under guard. Raises `ConfigError` for a file that is no policy."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._capacity = capacity(config, saved_packets_per_second(config.data_dir))
        self._meter = LoadMeter(self._capacity)
        self.policy = self._read()

    def reload(self) -> PlacementPolicy:
        """Reads the policy's file anew. Raises `ConfigError`, and then the old one stays."""
        self.policy = self._read()
        return self.policy

    async def watch(
        self, port: PortCounters, load: Callable[[], Load], on_measured: Callable[[Measured, float], object]
    ) -> None:
        """Measures until it is cancelled."""
        await watch_load(self._meter, port, lambda: load().copies, on_measured)

    def describe(self, load: Load) -> dict[str, Any]:
        """The `load` of `GET /api/v1/node`; rates are smoothed over some seconds, `room` is in copies."""
        measured = load.measured or Measured()
        policy = self.policy
        return {
            "mbps": round(measured.egress_bps / 1e6, 2),
            "packets_per_second": round(measured.packets_per_second),
            "cpu_percent": round(100 * measured.cpu, 1),
            "lag_ms": round(1000 * measured.lag_seconds, 1),
            "pressure": round(measured.pressure, 3),
            "busy": list(measured.busy),
            "room": {"viewers": policy.room(load, for_relay=False), "relays": policy.room(load, for_relay=True)},
            "capacity": self._capacity.describe(),
            "policy": self._config.policy,
            "policy_failures": policy.failures if isinstance(policy, GuardedPolicy) else 0,
        }

    def _read(self) -> PlacementPolicy:
        default = DefaultPolicy(self._config.max_consumers)
        if self._config.policy is None:
            return default
        return GuardedPolicy(load_policy(self._config.policy, self._config), default, time.monotonic)
