"""Small swarms in which everything goes wrong, the invariants checked at every step; `make sim` runs a thousand."""

import io
import os

import pytest

from swarm.simulate.faults import suffer
from swarm.simulate.run import simulate
from swarm.simulate.scenario import SCENARIOS

_SEEDS = 60 * int(os.environ.get("SWARMD_SIM_FACTOR", "1"))


@pytest.mark.parametrize("seed", range(_SEEDS))
def test_a_swarm_keeps_every_invariant_through_its_faults(seed: int) -> None:
    verdict = suffer(seed)
    assert not verdict.broken, f"{verdict.replay}: {verdict.broken}"


def test_the_same_seed_gives_the_same_trace_byte_by_byte() -> None:
    traces = []
    for _ in range(2):
        trace = io.StringIO()
        simulate(SCENARIOS["small"].with_changes({"kill": 0.2, "kill_at": 15.0, "late": 0.1}), trace=trace)
        traces.append(trace.getvalue())
    assert traces[0] == traces[1]
    assert len(traces[0]) > 10_000


def test_another_seed_gives_another_trace() -> None:
    traces = []
    for seed in (1, 2):
        trace = io.StringIO()
        simulate(SCENARIOS["small"].with_changes({"seed": seed, "seconds": 10.0}), trace=trace)
        traces.append(trace.getvalue())
    assert traces[0] != traces[1]
