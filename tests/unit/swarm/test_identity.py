"""The node's key file."""

import os
import stat
import threading
from pathlib import Path

import pytest

from foundation.errors import ConfigError
from foundation.identity import NodeKey
from swarm import identity
from swarm.identity import KEY_FILE_NAME, load_or_create_key


def _key_file(directory: Path) -> Path:
    return directory / KEY_FILE_NAME


def _refused(directory: Path) -> str:
    """Loading fails with one sentence, and leaves what is there as it is."""
    path = _key_file(directory)
    before = path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None
    with pytest.raises(ConfigError) as caught:
        load_or_create_key(directory)
    assert before is None or path.read_bytes() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_key_of_a_directory_stays_the_same(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path / "data")
    assert load_or_create_key(tmp_path / "data").seed() == first.seed()


def test_without_a_directory_every_key_is_new() -> None:
    assert load_or_create_key(None).seed() != load_or_create_key(None).seed()


def test_nobody_else_may_read_the_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_key(tmp_path / "deep" / "data")
    finally:
        os.umask(before)
    assert stat.S_IMODE(_key_file(tmp_path / "deep" / "data").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700


def test_a_strict_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        tmp_path.joinpath("data").mkdir()
        tmp_path.joinpath("data").chmod(0o700)
        load_or_create_key(tmp_path / "data")
    finally:
        os.umask(before)
    assert stat.S_IMODE(_key_file(tmp_path / "data").stat().st_mode) == 0o600


def test_nothing_but_the_key_is_left_in_the_directory(tmp_path: Path) -> None:
    load_or_create_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE_NAME]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create_key(tmp_path)
    _key_file(tmp_path).chmod(mode)
    assert "chmod 600" in _refused(tmp_path)


def test_a_key_cut_at_any_length_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path)
    whole = _key_file(tmp_path).read_bytes()
    for length in range(len(whole)):
        _key_file(tmp_path).write_bytes(whole[:length])
        _refused(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 32,
        b"\0" * 91,
        b"swarmd-node-key:1:" + b"0" * 64 + b":00000000\n",
        b"swarmd-node-key:2:" + b"0" * 64 + b":" + identity._check(bytes(32)).encode() + b"\n",
        b"swarmd-node-key:1:" + b"g" * 64 + b":00000000\n",
        "swarmd-node-key:1:é".encode() + b"0" * 71,
        os.urandom(4096),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    _key_file(tmp_path).write_bytes(content)
    _key_file(tmp_path).chmod(0o600)
    assert "move it away" in _refused(tmp_path)


def test_a_key_with_something_behind_it_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path)
    with _key_file(tmp_path).open("ab") as file:
        file.write(b"\n")
    _refused(tmp_path)


def test_a_changed_digit_is_noticed(tmp_path: Path) -> None:
    load_or_create_key(tmp_path)
    line = bytearray(_key_file(tmp_path).read_bytes())
    line[30] = ord("1") if line[30] != ord("1") else ord("2")
    _key_file(tmp_path).write_bytes(line)
    assert "damaged" in _refused(tmp_path)


def test_a_fifo_under_the_keys_name_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(_key_file(tmp_path), 0o600)
    assert "regular file" in _refused(tmp_path)


def test_a_directory_under_the_keys_name_is_refused(tmp_path: Path) -> None:
    _key_file(tmp_path).mkdir()
    _refused(tmp_path)


def test_a_dangling_link_is_refused_and_not_filled(tmp_path: Path) -> None:
    _key_file(tmp_path).symlink_to(tmp_path / "elsewhere")
    _refused(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(ConfigError, match="--data-dir"):
        load_or_create_key(tmp_path / "data")


def test_an_unreadable_key_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_or_create_key(tmp_path)

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(identity.os, "open", denied)
    with pytest.raises(ConfigError, match="permission denied: run the node as"):
        load_or_create_key(tmp_path)


def test_a_crash_while_writing_leaves_no_key_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity.os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        load_or_create_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    keys: list[NodeKey] = []
    threads = [threading.Thread(target=lambda: keys.append(load_or_create_key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len({key.seed() for key in keys}) == 1
