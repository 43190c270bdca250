import contextlib
import os
import stat
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dht.peers_file import KnownPeer, load_peers, save_peers
from foundation.errors import RemoteError
from foundation.limits import peers_file_bytes_max, peers_on_disk_max

PEERS = [KnownPeer(bytes([n % 256]) * 32, (f"2001:db8::{n + 1:x}", 7400), 1_700_000_000 - n) for n in range(300)]
ITEM = [bytes(32), b"\xc0\0\2\1", 7400, 1_700_000_000]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "peers"


def test_what_was_saved_is_loaded_the_latest_first(path: Path) -> None:
    save_peers(path, PEERS[4::-1])
    assert load_peers(path) == PEERS[:5]


def test_without_a_file_there_are_no_peers(path: Path) -> None:
    assert load_peers(path) == []


def test_the_most_that_is_saved_can_be_loaded(path: Path) -> None:
    save_peers(path, PEERS)
    assert len(load_peers(path)) == peers_on_disk_max
    assert path.stat().st_size <= peers_file_bytes_max


def test_only_its_owner_reads_the_file_and_nothing_else_is_left(path: Path) -> None:
    for count in (3, 2):
        save_peers(path, PEERS[:count])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_peers(path, PEERS[:2])

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_peers(path, PEERS[:5])
    assert load_peers(path) == PEERS[:2]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_truncated_at_any_length_is_refused(path: Path) -> None:
    save_peers(path, PEERS[:2])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RemoteError):
            load_peers(path)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        [2, []],
        [True, []],
        [1, None],
        [1, [], 0],
        [1, [ITEM] * (peers_on_disk_max + 1)],
        [1, [None]],
        [1, [ITEM[:3]]],
        [1, [[bytes(31), *ITEM[1:]]]],
        [1, [[*ITEM[:2], 0, 5]]],
        [1, [[ITEM[0], "host.example", *ITEM[2:]]]],
        [1, [[*ITEM[:3], -1]]],
        [1, [[*ITEM[:3], 2**40]]],
        [1, [[*ITEM[:3], None]]],
    ],
)
def test_a_file_of_another_shape_is_refused(path: Path, content: Any) -> None:
    path.write_bytes(msgpack.packb(content))
    with pytest.raises(RemoteError):
        load_peers(path)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_one_of_peers_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(RemoteError):
        assert load_peers(path) == []


def test_an_endless_file_is_refused(path: Path) -> None:
    path.write_bytes(bytes(peers_file_bytes_max + 1))
    with pytest.raises(RemoteError):
        load_peers(path)
