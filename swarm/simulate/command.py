"""What `swarmd simulate` does with its options."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from foundation.errors import ConfigError
from swarm.simulate.course import describe
from swarm.simulate.picture import draw
from swarm.simulate.rows import FAULT_SEEDS, faults, table
from swarm.simulate.run import simulate
from swarm.simulate.scenario import SCENARIOS
from swarm.simulate.view import bar, notes, result_view, rows_view, scenarios_view

Print = Callable[..., None]
"""A value, whether as JSON, a view of it, and the view's arguments."""

_DRAWN_NODES_MAX = 1000


def run_scenario(
    name: str, changes: dict[str, Any], svg: TextIO | None, trace: TextIO | None, as_json: bool, show: Print
) -> int:
    """One run. Raises `ConfigError` for what cannot be simulated, or drawn."""
    if name not in SCENARIOS:
        raise ConfigError(f"there is no scenario {name}: choose one of {', '.join(SCENARIOS)}, faults")
    scenario = SCENARIOS[name].with_changes(changes)
    if svg is not None and scenario.nodes > _DRAWN_NODES_MAX:
        raise ConfigError(f"{scenario.nodes:,} nodes fit into no picture: give --nodes {_DRAWN_NODES_MAX} at most")
    with bar(describe(scenario)) as progress:
        world, producers, result = simulate(scenario, progress, trace)
    if svg is not None:
        svg.write(draw(world, producers[0]))
    show(result, as_json, result_view, result)
    return 0


def run_faults(seed: int, runs: int, echo: Callable[[str], None]) -> int:
    """Small swarms in which everything goes wrong: each broken one is named, with the command that replays it."""
    broken = events = checks = 0
    with notes() as report:
        for verdict in faults(seed, runs, report):
            events, checks = events + verdict.events, checks + verdict.checks
            if verdict.broken:
                broken += 1
                echo(f"{verdict.replay}: {verdict.broken}")
    echo(f"{runs - broken:,} of {runs:,} swarms kept every invariant ({events:,} events, {checks:,} checks)")
    return 1 if broken else 0


def run_table(seed: int, runs: int, as_json: bool, show: Print) -> int:
    """Everything the relay tree is held against."""
    with notes() as report:
        rows = list(table(seed, runs if runs > 1 else FAULT_SEEDS, report))
    show([asdict(row) for row in rows], as_json, rows_view, rows)
    return 0 if all(row.reached for row in rows) else 1


def list_scenarios(show: Print) -> int:
    """Their names, and what they are."""
    show({}, False, scenarios_view, list(SCENARIOS.values()))
    return 0
