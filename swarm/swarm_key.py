"""The key of a private swarm, and how a swarm changes it while it runs.

The file is one line of 64 hex digits. From the first change on it has a line for each of its parts, a name and hex:

    swarm    16 bytes that stay: with the swarm's name they make the swarm id, and so the ids of nodes and producers
    current  32 bytes: what this node says is authenticated by it
    next     32 bytes: accepted too, because other nodes may use it already; or
    former   32 bytes: accepted too, because other nodes may use it still

Every node accepts what any node one step ahead or behind says. So a change takes three steps, and each has to reach all
nodes before the next one begins.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from foundation.errors import ConfigError
from foundation.identity import SWARM_ORIGIN_BYTES, swarm_origin
from swarm.identity import read_private, reason

KEY_BYTES = 32

_FILE_BYTES_MAX = 512
"""Of three lines with spaces about them; all three take 185."""

_EVERYWHERE = "Copy it to every node and restart them one after the other; when all run, "


@dataclass(frozen=True, slots=True)
class SwarmKey:
    """What a node of a private swarm knows; at most one of `next` and `former` is there."""

    origin: bytes
    current: bytes = field(repr=False)
    next: bytes | None = field(default=None, repr=False)
    former: bytes | None = field(default=None, repr=False)

    @classmethod
    def first(cls, key: bytes) -> "SwarmKey":
        """Of a swarm that has never changed its key."""
        return cls(swarm_origin(key), key)

    @property
    def other(self) -> bytes | None:
        """The second key that is accepted."""
        return self.next or self.former

    def step(self, fresh: Callable[[], bytes]) -> "SwarmKey":
        """One step of a change further; `fresh` makes a key when a change begins."""
        if self.next is not None:
            return replace(self, current=self.next, next=None, former=self.current)
        if self.former is not None:
            return replace(self, former=None)
        return replace(self, next=fresh())

    def text(self) -> str:
        """The contents of a file that `parse` reads."""
        parts = {"swarm": self.origin, "current": self.current, "next": self.next, "former": self.former}
        return "".join(f"{name} {part.hex()}\n" for name, part in parts.items() if part is not None)


def load_swarm_key(path: str | os.PathLike[str]) -> SwarmKey:
    """The key in a file that only its owner may read. Raises `ConfigError` with one sentence for anything else."""
    try:
        return _parse(read_private(Path(path), _FILE_BYTES_MAX + 1))
    except OSError as exc:
        raise ConfigError(f"--swarm-key-file {path} cannot be read ({reason(exc)})") from exc
    except ValueError:
        raise ConfigError(f"--swarm-key-file {path} is no swarm key: make one with 'swarmd keygen'") from None


def make_swarm_key(path: str | os.PathLike[str]) -> None:
    """A new file with a new key. Raises `ConfigError`, above all when there is a file."""
    try:
        _write(Path(path), new_key().hex() + "\n")
    except FileExistsError:
        raise ConfigError(f"{path} exists: give another name, or --rotate to change the swarm's key") from None
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}") from exc


def rotate_swarm_key(path: str | os.PathLike[str]) -> str:
    """Takes the key in a file one step further, and says what to do next. Raises `ConfigError`."""
    path = Path(path)
    key = load_swarm_key(path).step(new_key)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write(beside, key.text())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}") from exc
    if key.next is not None:
        return f"Step 1 of 3: {path} accepts a new key. {_EVERYWHERE}run this again."
    if key.former is not None:
        return f"Step 2 of 3: {path} uses the new key and accepts the former one. {_EVERYWHERE}run this again."
    return f"Step 3 of 3: {path} has the new key alone. {_EVERYWHERE}the former key is worth nothing."


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def _parse(data: bytes) -> SwarmKey:
    """Raises `ValueError`."""
    if len(data) > _FILE_BYTES_MAX:
        raise ValueError
    lines = [line.split() for line in data.decode("ascii").splitlines() if line.strip()]
    if [len(words) for words in lines] == [1]:
        return SwarmKey.first(_part(lines[0][0], KEY_BYTES))
    parts: dict[str, bytes] = {}
    for name, digits in lines:
        if name in parts or name not in ("swarm", "current", "next", "former"):
            raise ValueError
        parts[name] = _part(digits, SWARM_ORIGIN_BYTES if name == "swarm" else KEY_BYTES)
    if not {"swarm", "current"} <= parts.keys() or len(parts) > 3 or len(set(parts.values())) < len(parts):
        raise ValueError
    return SwarmKey(parts["swarm"], parts["current"], parts.get("next"), parts.get("former"))


def _part(digits: str, length: int) -> bytes:
    part = bytes.fromhex(digits)
    if len(part) != length:
        raise ValueError
    return part


def _write(path: Path, text: str) -> None:
    """A file that was not there, for its owner alone; what could not be written whole is removed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise
