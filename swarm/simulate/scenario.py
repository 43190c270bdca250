"""What is simulated, as data: named scenarios, each of whose numbers can be set from the command line."""

from dataclasses import dataclass, fields, replace
from typing import Any

from foundation.errors import ConfigError
from swarm.simulate.geography import regions_max


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. Times are virtual seconds, shares are 0..1.

    `doors`: at how many nodes viewers arrive, 0 for all. `watch_seconds`: how long a viewer stays on average, 0 for
    ever. `late`: share of messages that take 1 s longer. `churn`: share of the nodes that leaves, and is replaced,
    per hour; half of them crash. `kill`: share of the nodes that dies at once at `kill_at`. `measure_from`: rates are
    taken from here to the end.
    """

    name: str = "random"
    seed: int = 1
    seconds: float = 90.0
    nodes: int = 1000
    slots: int = 100
    regions: int = 4
    producers: int = 1
    zipf: bool = False
    viewers: int = 50_000
    arrive_seconds: float = 60.0
    doors: int = 0
    watch_seconds: float = 0.0
    loss: float = 0.0
    late: float = 0.0
    churn: float = 0.0
    kill: float = 0.0
    kill_at: float = 0.0
    kill_owner_at: float = 0.0
    drain: float = 0.0
    drain_at: float = 0.0
    partition_at: float = 0.0
    partition_seconds: float = 0.0
    detect_seconds: float = 0.3
    measure_from: float = 0.0

    def with_changes(self, changes: dict[str, Any]) -> "Scenario":
        """Raises `ConfigError` for what cannot be simulated."""
        assert not changes.keys() - {field.name for field in fields(self)}, changes
        changed = replace(self, **changes)
        if not 1 <= changed.regions <= regions_max:
            raise ConfigError(f"there are 1 to {regions_max} regions to choose from, not {changed.regions}")
        if changed.producers > changed.nodes:
            raise ConfigError(f"{changed.producers} producers need as many nodes, there are {changed.nodes}")
        for name in ("loss", "late", "kill", "drain"):
            if not 0 <= getattr(changed, name) < 1:
                raise ConfigError(f"{name} is a share from 0 to below 1, not {getattr(changed, name)}")
        return changed


_ZIPF = Scenario(
    "zipf", nodes=1000, producers=20, zipf=True, viewers=10_000, arrive_seconds=60, watch_seconds=900,
    churn=0.1, seconds=360, measure_from=120,
)  # fmt: skip
_DEATH = Scenario("death", viewers=50_000, seconds=130, kill=0.3, kill_at=90)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("random"),
        Scenario("herd", doors=10),
        Scenario("settled", seconds=600, measure_from=120),
        Scenario("full", viewers=80_000),
        Scenario("full-herd", viewers=80_000, doors=10),
        _ZIPF,
        _ZIPF.with_changes({"name": "zipf-large", "nodes": 10_000}),
        _ZIPF.with_changes({"name": "quiet", "churn": 0.0, "watch_seconds": 0.0}),
        _DEATH,
        _DEATH.with_changes({"name": "death-loss", "loss": 0.05}),
        _DEATH.with_changes({"name": "death-late", "late": 0.2}),
        Scenario("owner-death", nodes=100, viewers=4000, arrive_seconds=20, seconds=60, kill_owner_at=30),
        Scenario("drain", nodes=100, viewers=4000, arrive_seconds=20, seconds=60, drain=0.2, drain_at=30),
        Scenario("small", nodes=24, slots=12, regions=3, viewers=120, arrive_seconds=10, seconds=30),
    )
}
"""By name, as `swarmd simulate --scenario` takes it; the first is the default."""
