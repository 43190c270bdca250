"""What a node may spend on sending: what its operator said, what `swarmd bench --save` found, or a safe guess."""

import json
import logging
import math
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foundation import limits
from foundation.errors import ConfigError
from swarm.config import Config
from swarm.identity import reason
from swarm.load.machine import describe_machine

logger = logging.getLogger(__name__)

CAPACITY_FILE_NAME = "capacity.json"

_same_machine = ("processor", "cores", "python", "swarmd")
"""What a saved figure depends on; the kernel is left out, which is updated often and seldom changes it."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits of the measures of `swarm.load.meter`; infinite where there is none."""

    packets_per_second: float = math.inf
    egress_bps: float = math.inf
    cpu: float = math.inf
    """Of one core."""
    lag_seconds: float = math.inf

    def describe(self) -> dict[str, float | None]:
        """As JSON can say it: None for no limit."""
        return {
            "packets_per_second": _finite(self.packets_per_second),
            "mbps": _finite(self.egress_bps / 1e6),
            "cpu": _finite(self.cpu),
            "lag_ms": _finite(1000 * self.lag_seconds),
        }


def capacity(config: Config, benched: float | None) -> Capacity:
    """`benched` are the packets per second of a saved bench, None without one.

    Packets and bits are guessed only where nobody gave `max_consumers` either, which is a capacity too.
    """
    guess = config.max_consumers is None
    packets = limits.unbenched_packets_per_second if guess else math.inf
    if benched is not None:
        packets = limits.benched_share * benched
    if config.max_packets_per_second is not None:
        packets = _or_none(config.max_packets_per_second)
    mbps = limits.assumed_port_mbps if guess else math.inf
    if config.max_mbps is not None:
        mbps = _or_none(config.max_mbps)
    return Capacity(packets, mbps * 1e6, _or_none(config.max_cpu_percent) / 100, _or_none(config.max_lag_ms) / 1000)


def with_saved(config: Config) -> Config:
    """The configuration with what a bench left in its data directory, for workers whose own directories are others."""
    benched = saved_packets_per_second(config.data_dir)
    if benched is None or config.max_packets_per_second is not None:
        return config
    return replace(config, max_packets_per_second=int(limits.benched_share * benched))


def save_capacity(data_dir: str, result: dict[str, Any]) -> Path:
    """Keeps what `run_bench` found for nodes of this machine. Raises `ConfigError`."""
    packets = result["packets_per_second_per_core"]
    text = json.dumps({"packets_per_second": packets, "machine": result["machine"]}, indent=2) + "\n"
    directory = Path(data_dir)
    path = directory / CAPACITY_FILE_NAME
    temporary = directory / f".{CAPACITY_FILE_NAME}.{secrets.token_hex(8)}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            temporary.write_text(text)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(f"--save {data_dir}: {path} cannot be written ({reason(exc)})") from exc
    return path


def saved_packets_per_second(data_dir: str | None) -> float | None:
    """What a bench of this machine left in the data directory; whatever else lies there is logged and ignored."""
    if data_dir is None:
        return None
    path = Path(data_dir) / CAPACITY_FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(limits.capacity_file_bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        _log_ignored(path, reason(exc))
        return None
    try:
        packets, machine = _parsed(data)
    except ValueError as exc:
        _log_ignored(path, f"it is damaged: {exc}")
        return None
    here = describe_machine()
    for name in _same_machine:
        if machine.get(name) != here[name]:
            _log_ignored(path, f"it is of {name} {machine.get(name)!r} and this is {here[name]!r}")
            return None
    return packets


def _parsed(data: bytes) -> tuple[float, dict[str, Any]]:
    """Raises `ValueError`."""
    if len(data) > limits.capacity_file_bytes_max:
        raise ValueError("too long")
    try:
        saved: Any = json.loads(data)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(saved, dict):
        raise ValueError("no object")
    packets: Any = saved.get("packets_per_second")
    machine: Any = saved.get("machine")
    if type(packets) not in (int, float) or not 0 < packets <= limits.capacity_packets_per_second_max:
        raise ValueError("no packets per second")
    if not isinstance(machine, dict):
        raise ValueError("no machine")
    return float(packets), machine


def _log_ignored(path: Path, why: str) -> None:
    logger.warning("%s is ignored: %s; run 'swarmd bench --save %s' again", path, why, path.parent)


def _or_none(limit: int) -> float:
    """An operator's 0 is no limit."""
    return limit or math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
