"""Records that others passed on: checked once, the newest kept, and only so many."""

from dataclasses import replace

import pytest

from foundation import limits
from foundation.errors import RemoteError
from swarm.record import NodeRecord
from swarm.tree.records import Records
from tests.unit.swarm.tree.relay_core import node, read_record, record


def test_a_record_is_checked_once() -> None:
    read: list[bytes] = []

    def reading(encoded: bytes) -> NodeRecord:
        read.append(encoded)
        return read_record(encoded)

    records = Records(reading)
    for _ in range(3):
        assert records.learn(b"record 5") == record(5)
    assert read == [b"record 5"]
    assert records.get(node(5)) == record(5)


def test_a_forged_one_is_none() -> None:
    records = Records(read_record)
    with pytest.raises(RemoteError):
        records.learn(b"forged")
    assert len(records) == 0


def test_an_older_one_does_not_replace_a_newer_one() -> None:
    versions = {b"%d" % number: replace(record(5), sequence=number, encoded=b"%d" % number) for number in (1, 2)}
    records = Records(versions.__getitem__)
    for encoded in (b"2", b"1", b"2"):
        records.learn(encoded)
    assert records.get(node(5)) == versions[b"2"]


def test_only_so_many_are_kept_those_heard_of_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "records_known_max", 2)
    records = Records(read_record)
    for number in (1, 2, 1, 3):
        records.learn(b"record %d" % number)
    assert [records.get(node(number)) is not None for number in (1, 2, 3)] == [True, False, True]
