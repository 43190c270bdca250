"""What the relay tree is held against: rows of figures, each with the value that has to be reached."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from swarm.simulate.faults import Verdict, suffer
from swarm.simulate.run import simulate
from swarm.simulate.scenario import SCENARIOS

Result = dict[str, Any]
Report = Callable[[str], None]

FAULT_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `reach` says in words what `reached` decided."""

    scenario: str
    what: str
    reach: str
    value: str
    reached: bool


@dataclass(frozen=True, slots=True)
class _Goal:
    """At most, or at least, `bound`; `path` leads into a result."""

    what: str
    path: str
    bound: float
    least: bool = False
    text: str = "{:g}"

    def row(self, scenario: str, result: Result) -> Row:
        value: Any = result
        for key in self.path.split("."):
            value = value[key]
        reached = value >= self.bound if self.least else value <= self.bound
        sign = ("≥ " if self.least else "≤ ") if self.bound or self.least else ""
        return Row(scenario, self.what, sign + self.text.format(self.bound), self.text.format(value), reached)


_LOOPS = _Goal("loops", "loops", 0)
_SHAPE = (
    _Goal("depth, deepest", "tree.depth_max", 4),
    _Goal("depth, p99", "tree.depth_p99", 3),
    _Goal("owner's slots used", "tree.owner_used_max", 0.75, text="{:.0%}"),
    _Goal("join beyond the network, p50 s", "join.p50", 0.15),
    _Goal("join beyond the network, p99 s", "join.p99", 0.6),
)
_ALL = _Goal("viewers served", "viewers.served_share", 1.0, least=True, text="{:.3%}")
_MOST = _Goal("viewers served", "viewers.served_share", 0.999, least=True, text="{:.3%}")
_TIME = _Goal("CPU seconds", "cpu_seconds", 60)
_ECONOMY = (
    _Goal("carriers per carrier needed", "tree.carriers_per_needed", 1.5),
    _Goal("control bytes per node and s", "control.node_bytes_per_second", 500),
    _Goal("control bytes per link and s, p99", "control.link_bytes_per_second_p99", 300),
)
_FED_SOON = _Goal("fed again ≤ 1 s after detection", "outages.share_of_all_within_1s", 0.99, least=True, text="{:.2%}")
_NONE_DARK = _Goal("viewers still dark", "outages.still_dark", 0)


def _fed_all(seconds: float) -> _Goal:
    return _Goal("all fed again, s after detection", "outages.all_after_detection_s", seconds)


_GOALS: dict[str, tuple[_Goal, ...]] = {
    "random": (_ALL, *_SHAPE, _Goal("max/mean load", "load.max_per_mean", 2), _TIME, _LOOPS),
    "herd": (_ALL, *_SHAPE, _Goal("max/mean load", "load.max_per_mean", 1.5), _TIME, _LOOPS),
    "settled": (_Goal("parent changes per relay and hour", "parents.per_relay_hour", 1), _LOOPS),
    "full": (_MOST, _LOOPS),
    "full-herd": (_MOST, _LOOPS),
    "zipf": (*_ECONOMY, _LOOPS),
    "zipf-large": (*_ECONOMY, _LOOPS),
    "quiet": (_Goal("parent changes per relay and hour", "parents.per_relay_hour", 1), _LOOPS),
    "death": (_FED_SOON, _fed_all(5), _NONE_DARK, _LOOPS),
    "death-loss": (_fed_all(10), _NONE_DARK, _LOOPS),
    "death-late": (_fed_all(10), _NONE_DARK, _LOOPS),
}


def table(seed: int, seeds: int, report: Report) -> Iterator[Row]:
    """All rows, each as soon as it is known; `report` is told what runs now."""
    results: dict[str, Result] = {}
    for name, goals in _GOALS.items():
        report(name)
        _, _, result = simulate(SCENARIOS[name].with_changes({"seed": seed}))
        results[name] = result
        for goal in goals:
            yield goal.row(name, result)
    yield _growth(results)
    broken = [verdict for verdict in faults(seed, seeds, report) if verdict.broken]
    for verdict in broken[:10]:
        report(f"{verdict.replay}: {verdict.broken}")
    yield Row("faults", f"invariants in {seeds:,} swarms", "all hold", f"{len(broken)} broken", not broken)


def faults(seed: int, seeds: int, report: Report) -> Iterator[Verdict]:
    """The verdicts on many small swarms."""
    for number in range(seed, seed + seeds):
        if number % 20 == 0:
            report(f"faults, seed {number}")
        yield suffer(number)


def _growth(results: dict[str, Result]) -> Row:
    """Control bytes of a carrier must not grow with the size of the swarm."""
    small, large = (_carrier_bytes(results[name]) for name in ("zipf", "zipf-large"))
    change = large / small - 1 if small else 0.0
    return Row("zipf, 10 x nodes", "control bytes per link and s", "± 20 %", f"{change:+.0%}", change <= 0.2)


def _carrier_bytes(result: Result) -> float:
    return float(result["control"]["link_bytes_per_second"])
