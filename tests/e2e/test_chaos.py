"""The short form of `make chaos`: a node that dies, stands still or is not heard touches nobody whom it should not."""

import pytest

from tests.chaos.run import Report, play
from tests.chaos.scenarios import Act, kill, partition, stop

FAULTS: dict[str, Act] = {
    "kill": lambda stage: kill(stage, "near"),
    "stop": lambda stage: stop(stage, "near", 2),
    "partition": lambda stage: partition(stage, "near", "far", "there", 2),
}


def faults_of(report: Report) -> list[str]:
    return [*report.failures, *(str(row) for row in report.rows if not row.good)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_touches_only_those_whom_it_must(fault: str) -> None:
    report = await play(FAULTS[fault], viewers=2)
    assert faults_of(report) == []
