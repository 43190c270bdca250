"""A node's policy and load together, in a running node too."""

import asyncio
import json
from pathlib import Path

import pytest

from foundation import limits
from foundation.errors import ConfigError
from foundation.tasks import TaskScope
from media.port import PortCounters
from swarm.config import Config
from swarm.load.capacity import Capacity
from swarm.load.meter import LoadMeter
from swarm.load.watch import watch_load
from swarm.node import Node
from swarm.placement import Placement
from swarm.policy import DefaultPolicy, Load, Measured
from tests.unit.swarm.nodes import config

FIXED = "from swarm.policy import DefaultPolicy\ndef policy(config): return DefaultPolicy({})\n"
RAISING = """
from swarm.policy import DefaultPolicy
class policy(DefaultPolicy):
    def __init__(self, config):
        super().__init__(5)
    def room(self, load, for_relay):
        if load.viewers == 1 and not load.owns: raise ValueError("not one")
        return super().room(load, for_relay)
"""


def test_without_a_file_the_default_policy_decides() -> None:
    placement = Placement(Config(max_consumers=9))
    assert isinstance(placement.policy, DefaultPolicy)
    assert placement.policy.max_consumers == 9


def test_a_broken_new_version_leaves_the_old_one_in_office(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FIXED.format(3))
    placement = Placement(Config(policy=str(path)))
    path.write_text("def policy(config)\n")
    with pytest.raises(ConfigError, match="line 1"):
        placement.reload()
    assert placement.policy.room(Load(0, 0), for_relay=True) == 3
    path.write_text(FIXED.format(4))
    assert placement.reload().room(Load(0, 0), for_relay=True) == 4
    assert placement.policy.room(Load(0, 0), for_relay=True) == 4


def test_failures_are_described(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(RAISING)
    placement = Placement(Config(policy=str(path), max_consumers=7))
    shown = placement.describe(Load(1, 0))
    assert shown["room"] == {"viewers": 5, "relays": 6}
    assert shown["policy_failures"] == 2
    assert shown["policy"] == str(path)


def test_everything_described_is_json_and_rounded() -> None:
    measured = Measured(1.23456e8, 1234.5678, 0.123456, 0.0123456, 0.98765, 40, ("cpu",))
    shown = Placement(Config(max_mbps=0)).describe(Load(1, 0, measured=measured))
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert (shown["mbps"], shown["packets_per_second"], shown["cpu_percent"]) == (123.46, 1235, 12.3)
    assert (shown["lag_ms"], shown["pressure"], shown["busy"]) == (12.3, 0.988, ["cpu"])
    assert shown["room"] == {"viewers": 0, "relays": 0}


async def test_a_watch_reads_counters_and_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "load_sample_seconds", 2 * limits.load_sample_seconds_min)
    counters, seen = PortCounters(), asyncio.Queue[Measured](100)
    meter, scope = LoadMeter(Capacity(packets_per_second=1000)), TaskScope("test", 1)
    scope.spawn(watch_load(meter, counters, lambda: 5, lambda measured, now: seen.put_nowait(measured)), "watch")
    assert (await seen.get()).packets_per_second == 0
    counters.sent += 500
    measured = await seen.get()
    await scope.close()
    assert measured.packets_per_second > 0
    assert measured.cpu > 0


async def test_a_node_describes_its_load_and_takes_a_new_policy_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FIXED.format(3))
    async with Node(config(policy=str(path))) as node:
        assert node.describe()["load"]["room"]["relays"] == 3
        path.write_text(FIXED.format(4))
        node.reload_policy()
        assert node.describe()["load"]["room"]["relays"] == 4
        path.write_text("broken(\n")
        with pytest.raises(ConfigError, match=r"mine\.py, line 1"):
            node.reload_policy()
        assert node.describe()["load"]["room"]["relays"] == 4


async def test_a_node_with_a_broken_policy_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"mine\.py, line 1: ZeroDivisionError"):
        await Node(config(policy=str(path))).start()
