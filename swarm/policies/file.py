"""A user's own placement policy: a Python file, loaded by its path, and tried before it decides anything."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from foundation import limits
from foundation.errors import ConfigError
from foundation.identity import NodeKey, swarm_id
from swarm.config import Config
from swarm.identity import reason
from swarm.policies.verdicts import candidates_verdict, room_verdict, yes_or_no
from swarm.policy import Candidate, Load, Measured, PlacementPolicy
from swarm.record import NodeRecord

_METHODS = ("busy", "room", "soft_room", "children_room", "rank")

_SAMPLE_LOADS = (
    Load(0, 0),
    Load(1, 0, owns=True, others=3),
    Load(150, 30, owns=True, others=1000, measured=Measured(4e8, 45_000, 0.7, 0.01, pressure=0.9, slots=190)),
    Load(10_000, 1000, others=10_000, measured=Measured(1e9, 9e4, 1.0, 0.5, 5.0, slots=0, busy=("cpu", "lag"))),
)
"""Nothing at all, a little, nearly full and far beyond."""


def load_policy(path: str, config: Config) -> PlacementPolicy:
    """What `policy(config)` in the file gives, a class or any callable. Raises `ConfigError` with file, line, reason.

    The file is read anew each time, and is a module of its own: nothing of an earlier version is left in it.
    """
    module = ModuleType("swarmd_policy")
    module.__file__ = path
    source = _source(path)
    # Dataclasses look their module up by its name; the next version takes the place over.
    sys.modules[module.__name__] = module
    made = _tried(path, lambda: _made(path, source, module, config))
    for name in _METHODS:
        if not callable(getattr(made, name, None)):
            raise _refused(path, None, f"{type(made).__name__} has no method {name}")
    policy: PlacementPolicy = made
    _tried(path, lambda: _try_out(policy))
    return policy


def _source(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            source = file.read(limits.policy_file_bytes_max + 1)
    except OSError as exc:
        raise _refused(path, None, f"it cannot be read ({reason(exc)})") from exc
    if len(source) > limits.policy_file_bytes_max:
        raise _refused(path, None, f"it has more than {limits.policy_file_bytes_max} bytes")
    return source


def _made(path: str, source: bytes, module: ModuleType, config: Config) -> Any:
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - the operator's own code, named by an option
    factory = getattr(module, "policy", None)
    if not callable(factory):
        raise _refused(path, None, "it defines no policy(config), neither class nor function")
    return factory(config)


def _try_out(policy: PlacementPolicy) -> None:
    """Asks everything once. Raises what the policy raises, and `TypeError` or `ValueError` for wrong verdicts."""
    candidates = [_candidate(number) for number in range(3)]
    for load in _SAMPLE_LOADS:
        for for_relay in (False, True):
            room = room_verdict(policy.room(load, for_relay))
            if yes_or_no(policy.busy(load, for_relay)) != (room == 0):
                raise ValueError(f"room is {room} and busy says otherwise for {load}, for_relay={for_relay}")
        room_verdict(policy.soft_room(load))
        for owned in (False, True):
            room_verdict(policy.children_room(load, load.children, owned))
    for asked in ([], candidates):
        for for_relay in (False, True):
            for region in ("", "eu"):
                candidates_verdict(policy.rank(list(asked), for_relay, region), asked)


def _candidate(number: int) -> Candidate:
    public = NodeKey.from_seed(bytes([number + 1]) * 32).public
    address = (f"192.0.2.{number + 1}", 7400)
    record = NodeRecord(swarm_id("sample"), public, (address,), b"\0" * 32, "", region=("", "eu", "us")[number])
    return Candidate(record, rank=number + 1, relay_room=number, viewer_room=2 - number)


def _tried(path: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ConfigError:
        raise
    except SyntaxError as exc:
        raise _refused(exc.filename or path, exc.lineno, exc.msg) from exc
    except (Exception, SystemExit) as exc:
        raise _refused(path, _line(path, exc), f"{type(exc).__name__}: {exc}" if str(exc) else repr(exc)) from exc


def _line(path: str, exc: BaseException) -> int | None:
    """The innermost line of the file that led to it."""
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


def _refused(path: str, line: int | None, why: str) -> ConfigError:
    where = f"{path}, line {line}" if line is not None else path
    return ConfigError(f"--policy {where}: {' '.join(why.split())}")
