"""Scenarios as data."""

import pytest

from foundation.errors import ConfigError
from swarm.simulate.scenario import SCENARIOS, Scenario


@pytest.mark.parametrize(
    "changes", [{"regions": 0}, {"regions": 7}, {"producers": 2000}, {"kill": 1.0}, {"loss": -0.1}]
)
def test_what_cannot_be_simulated_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SCENARIOS["random"].with_changes(changes)


def test_a_knob_changes_one_thing() -> None:
    assert SCENARIOS["random"].with_changes({"nodes": 5}) == Scenario("random", nodes=5)
