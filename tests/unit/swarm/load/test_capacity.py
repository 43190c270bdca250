"""Where a node's limits come from: its operator, a saved bench, a guess."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import ConfigError
from swarm.config import Config
from swarm.load.capacity import (
    CAPACITY_FILE_NAME,
    Capacity,
    capacity,
    save_capacity,
    saved_packets_per_second,
    with_saved,
)
from swarm.load.machine import describe_machine


def bench(**machine: Any) -> dict[str, Any]:
    return {"packets_per_second_per_core": 400_000, "machine": describe_machine() | machine}


def test_without_a_number_packets_and_bits_are_guessed() -> None:
    assert capacity(Config(), None) == Capacity(50_000, 800e6, 0.85, 0.1)


def test_beside_max_consumers_nothing_is_guessed_but_cpu_and_lag_are_watched() -> None:
    assert capacity(Config(max_consumers=500), None) == Capacity(math.inf, math.inf, 0.85, 0.1)


@pytest.mark.parametrize("config", [Config(), Config(max_consumers=500)])
def test_a_bench_replaces_the_guess_of_packets(config: Config) -> None:
    assert capacity(config, 400_000).packets_per_second == limits.benched_share * 400_000


def test_what_the_operator_says_wins() -> None:
    config = Config(max_packets_per_second=7, max_mbps=8, max_cpu_percent=90, max_lag_ms=10)
    assert capacity(config, 400_000) == Capacity(7, 8e6, 0.9, 0.01)


def test_0_is_no_limit() -> None:
    config = Config(max_packets_per_second=0, max_mbps=0, max_cpu_percent=0, max_lag_ms=0)
    assert capacity(config, 400_000) == Capacity()
    assert set(Capacity().describe().values()) == {None}


def test_what_is_described_is_json() -> None:
    shown = capacity(Config(max_mbps=0), None).describe()
    assert json.loads(json.dumps(shown, allow_nan=False)) == {
        "packets_per_second": 50_000,
        "mbps": None,
        "cpu": 0.85,
        "lag_ms": 100,
    }


def test_a_saved_bench_is_found_again(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "dir"
    assert save_capacity(str(data_dir), bench()) == data_dir / CAPACITY_FILE_NAME
    assert saved_packets_per_second(str(data_dir)) == 400_000
    assert [path.name for path in data_dir.iterdir()] == [CAPACITY_FILE_NAME]


def test_workers_get_what_lies_in_the_directory_above_theirs(tmp_path: Path) -> None:
    save_capacity(str(tmp_path), bench())
    assert with_saved(Config(data_dir=str(tmp_path))).max_packets_per_second == 300_000
    assert with_saved(Config(data_dir=str(tmp_path), max_packets_per_second=5)).max_packets_per_second == 5
    assert with_saved(Config()) == Config()


@pytest.mark.parametrize("directory", [None, "missing"])
def test_where_nothing_was_saved_nothing_is_found_or_said(
    directory: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert saved_packets_per_second(None if directory is None else str(tmp_path / directory)) is None
    assert not caplog.records


@pytest.mark.parametrize(
    "other", [{"processor": "a faster one"}, {"cores": 99}, {"swarmd": "0.0.1"}, {"python": "2.7"}]
)
def test_a_bench_of_another_machine_or_version_is_ignored_with_one_line(
    other: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_capacity(str(tmp_path), bench(**other))
    with caplog.at_level(logging.WARNING):
        assert saved_packets_per_second(str(tmp_path)) is None
    (record,) = caplog.records
    assert str(tmp_path / CAPACITY_FILE_NAME) in record.getMessage()
    assert "swarmd bench --save" in record.getMessage()


def test_a_newer_kernel_is_the_same_machine(tmp_path: Path) -> None:
    save_capacity(str(tmp_path), bench(kernel="99.0"))
    assert saved_packets_per_second(str(tmp_path)) == 400_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\x00",
        '{"packets_per_second": "9", "machine": {}}',
        '{"packets_per_second": true, "machine": {}}',
        '{"packets_per_second": 0, "machine": {}}',
        '{"packets_per_second": NaN, "machine": {}}',
        '{"packets_per_second": Infinity, "machine": {}}',
        '{"packets_per_second": 9}',
        '{"packets_per_second": 9, "machine": 1}',
        "[" * 4000,
        " " * 5000,
    ],
)
def test_a_damaged_file_is_ignored_with_one_line(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / CAPACITY_FILE_NAME).write_text(text)
    assert saved_packets_per_second(str(tmp_path)) is None
    assert len(caplog.records) == 1


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_random_bytes_and_cut_files_are_ignored(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / CAPACITY_FILE_NAME
    path.write_bytes(data)
    assert saved_packets_per_second(str(tmp_path)) is None
    save_capacity(str(tmp_path), bench())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(data) % (len(whole) - 2)])
    assert saved_packets_per_second(str(tmp_path)) is None
    path.write_bytes(whole + b"x" + data)
    assert saved_packets_per_second(str(tmp_path)) is None


def test_a_directory_in_the_files_place_is_ignored_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / CAPACITY_FILE_NAME).mkdir()
    assert saved_packets_per_second(str(tmp_path)) is None
    assert len(caplog.records) == 1


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--save"):
        save_capacity(str(tmp_path / "file"), bench())
