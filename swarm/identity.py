"""The node's key file: made once, kept at 0600, and never replaced by accident.

The file is one line, `swarmd-node-key:1:<64 hex digits>:<8 hex digits of SHA-256>`. The check sum is there because a
crash may leave zeros or half a line where the key was, and 32 zero bytes would make a perfectly valid key.
"""

import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path

from foundation.errors import ConfigError
from foundation.identity import NodeKey

KEY_FILE_NAME = "node.key"

_PREFIX = "swarmd-node-key:1:"
_SEED_BYTES = 32
_CHECK_DIGITS = 8
_LINE_BYTES = len(_PREFIX) + 2 * _SEED_BYTES + 1 + _CHECK_DIGITS + 1
_MOVED_AWAY = "restore it from a backup, or move it away to give the node a new identity"


def load_or_create_key(data_dir: str | os.PathLike[str] | None) -> NodeKey:
    """The key in `data_dir`, made there if there is none; without a directory, a new key that nobody keeps.

    Raises `ConfigError` for anything that is there but cannot be used: it is never overwritten.
    """
    if data_dir is None:
        return NodeKey.generate()
    directory = Path(data_dir)
    path = directory / KEY_FILE_NAME
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _create(directory, path)
        return _load(path)
    except OSError as exc:
        raise ConfigError(f"--data-dir {data_dir}: {path} cannot be used ({reason(exc)})") from exc


def read_private(path: Path, size_max: int) -> bytes:
    """At most `size_max` bytes of a regular file; `ConfigError` when others than its owner may touch it."""
    # O_NONBLOCK: opening a FIFO would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path} is not a regular file")
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"{path} may be read by others: whoever read it can be this node; run chmod 600 {path}")
        return file.read(size_max)


def reason(exc: OSError) -> str:
    """Why a file cannot be used, and the cure where it is known."""
    if exc.errno == errno.EACCES:
        return "permission denied: run the node as the directory's owner"
    return exc.strerror or type(exc).__name__


def _load(path: Path) -> NodeKey:
    line = read_private(path, _LINE_BYTES + 1)
    if len(line) != _LINE_BYTES:
        raise ConfigError(f"{path} is half written or no node key: {_MOVED_AWAY}")
    try:
        text = line.decode("ascii")
        digits, _, check = text.removeprefix(_PREFIX).removesuffix("\n").partition(":")
        seed = bytes.fromhex(digits)
    except ValueError:
        seed, text, check = b"", "", ""
    if len(seed) != _SEED_BYTES or text != _line(seed) or check != _check(seed):
        raise ConfigError(f"{path} is damaged or no node key: {_MOVED_AWAY}")
    return NodeKey.from_seed(seed)


def _create(directory: Path, path: Path) -> None:
    """Writes a new key beside its final name and links it there: no reader ever sees a part, no writer overwrites."""
    temporary = directory / f".{KEY_FILE_NAME}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(_line(NodeKey.generate().seed()).encode("ascii"))
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # Another process was first: its key is the node's.
    finally:
        os.unlink(temporary)
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(seed: bytes) -> str:
    return f"{_PREFIX}{seed.hex()}:{_check(seed)}\n"


def _check(seed: bytes) -> str:
    return hashlib.sha256(b"swarmd node key\0" + seed).hexdigest()[:_CHECK_DIGITS]
