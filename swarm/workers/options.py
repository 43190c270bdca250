"""What each worker of `swarmd run --workers N` is started with: the operator's options, but its own port and key."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from foundation import process_limits as limits
from foundation.address import format_address, split_host_port
from foundation.errors import ConfigError
from swarm.config import Config

_near_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a worker that listens everywhere is reached from its own machine."""


def check_workers(config: Config, workers: int) -> None:
    """Raises `ConfigError` when this many nodes cannot share the machine."""
    if not 1 <= workers <= limits.workers_max:
        raise ConfigError(f"--workers is {workers}: give 1 to {limits.workers_max}, at most one for each core")
    _, port = config.listen_address
    if port and port + workers - 1 > 65535:
        last = port + workers - 1
        raise ConfigError(f"--workers {workers} from port {port} on would need port {last}: the last one is 65535")
    if not port and config.advertise:
        raise ConfigError("--advertise with --workers needs a port in --listen, which the NAT maps as it is counted up")


def worker_config(config: Config, worker: int, known: Mapping[int, str]) -> Config:
    """The options of one worker, counted from 0; `known` are the `HOST:PORT` at which workers have said they are.

    A worker that chose a free port keeps it when it is started again, so that what was told to clients stays true.
    """
    host, port = config.listen_address
    if port:
        port += worker
    elif worker in known:
        port = split_host_port(known[worker])[1]
    return replace(
        config,
        listen=format_address((host, port)),
        join=(*config.join, *_others(config, worker, known)),
        advertise=tuple(_counted_up(address, worker) for address in config.advertise),
        data_dir=str(Path(config.data_dir) / f"worker-{worker + 1}") if config.data_dir is not None else None,
    )


def run_arguments(config: Config) -> list[str]:
    """`run` and its options, which make exactly this configuration whatever the environment says."""
    words = ["run"]
    for field in fields(Config):
        value = getattr(config, field.name)
        option = "--" + field.name.replace("_", "-")
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [f"{option}={item}" for item in value]
        elif value is not None and value is not False:
            words.append(f"{option}={value}")
    return words


def _others(config: Config, worker: int, known: Mapping[int, str]) -> list[str]:
    others = [other for other in sorted(known) if other != worker][: limits.worker_joins_max]
    if not config.advertise:
        return [known[other] for other in others]
    # What is advertised belongs to a NAT, which need not let its own side in.
    host, port = config.listen_address
    return [format_address((_near_host.get(host, host), port + other)) for other in others]


def _counted_up(address: str, by: int) -> str:
    host, port = split_host_port(address)
    if port + by > 65535:
        raise ConfigError(f"--advertise {address}: worker {by + 1} would need port {port + by}, the last one is 65535")
    return format_address((host, port + by))
