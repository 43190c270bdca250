"""Contacts kept in the data directory: whatever is wrong with the file, the node goes on."""

import asyncio
import logging
import os
from pathlib import Path
from typing import cast

import pytest

from dht.directory import Directory
from dht.peers_file import KnownPeer, load_peers, save_peers
from foundation import limits
from swarm.kept_peers import PEERS_FILE_NAME, KeptPeers


def peer(number: int, last_good: int = 1_700_000_000, port: int = 7400) -> KnownPeer:
    return KnownPeer(bytes([number]) * 32, (f"192.0.2.{number}", port), last_good)


class FakeDirectory:
    def __init__(self, *peers: KnownPeer) -> None:
        self.peers = list(peers)
        self.remembered: list[KnownPeer] = []

    def remember(self, peers: list[KnownPeer]) -> None:
        self.remembered += peers


def kept(directory: FakeDirectory, data_dir: Path) -> KeptPeers:
    return KeptPeers(cast(Directory, directory), str(data_dir))


async def test_what_was_saved_is_remembered_after_a_restart(tmp_path: Path) -> None:
    await kept(FakeDirectory(peer(1), peer(2)), tmp_path).save()
    after = FakeDirectory()
    assert kept(after, tmp_path).load() == 2
    assert after.remembered == [peer(1), peer(2)]


async def test_a_node_that_was_alone_keeps_the_contacts_of_before(tmp_path: Path) -> None:
    save_peers(tmp_path / PEERS_FILE_NAME, [peer(1), peer(2)])
    alone = kept(FakeDirectory(), tmp_path)
    alone.load()
    await alone.save()
    assert load_peers(tmp_path / PEERS_FILE_NAME) == [peer(1), peer(2)]


async def test_a_contact_that_moved_is_kept_where_it_is_now_and_before_those_of_earlier(tmp_path: Path) -> None:
    save_peers(tmp_path / PEERS_FILE_NAME, [peer(1, 5), peer(2, 9)])
    now = kept(FakeDirectory(peer(1, 10, port=7401)), tmp_path)
    now.load()
    await now.save()
    assert load_peers(tmp_path / PEERS_FILE_NAME) == [peer(1, 10, port=7401), peer(2, 9)]


async def test_no_more_are_kept_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "peers_on_disk_max", 3)
    save_peers(tmp_path / PEERS_FILE_NAME, [peer(1, 1), peer(2, 2)])
    now = kept(FakeDirectory(peer(3, 3), peer(4, 4)), tmp_path)
    now.load()
    await now.save()
    assert load_peers(tmp_path / PEERS_FILE_NAME) == [peer(4, 4), peer(3, 3), peer(2, 2)]


async def test_nobody_to_keep_is_no_file(tmp_path: Path) -> None:
    await kept(FakeDirectory(), tmp_path).save()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 500, bytes(100_000)])
async def test_a_corrupt_file_is_one_warning_and_an_empty_start(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / PEERS_FILE_NAME
    path.write_bytes(content)
    directory = FakeDirectory(peer(1))
    began = kept(directory, tmp_path)
    assert began.load() == 0
    assert directory.remembered == []
    (warning,) = caplog.records
    assert str(path) in warning.getMessage()
    await began.save()
    assert load_peers(path) == [peer(1)]


async def test_a_directory_or_a_fifo_in_the_file_s_place_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for make in (os.mkdir, os.mkfifo):
        make(tmp_path / PEERS_FILE_NAME)
        assert kept(FakeDirectory(), tmp_path).load() == 0
        (tmp_path / PEERS_FILE_NAME).rmdir() if make is os.mkdir else (tmp_path / PEERS_FILE_NAME).unlink()
    assert len(caplog.records) == 2


async def test_a_full_disk_is_one_warning_until_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    now = kept(FakeDirectory(peer(1)), tmp_path)
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            await now.save()
            await now.save()
        await now.save()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "No space left" in caplog.text
    assert load_peers(tmp_path / PEERS_FILE_NAME) == [peer(1)]


async def test_it_is_saved_again_and_again_with_growing_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await kept(FakeDirectory(peer(1)), tmp_path).keep()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(load_peers(tmp_path / PEERS_FILE_NAME)) == 1
