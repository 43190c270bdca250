"""Signed node records."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError, RemoteError
from foundation.identity import NodeKey, node_id, swarm_id
from foundation.packing import pack, unpack
from swarm.record import NodeRecord, format_fingerprint, parse_fingerprint

SWARM = swarm_id("test")
KEY = NodeKey.from_seed(b"\1" * 32)
NOW = 1_700_000_000.0
RECORD = NodeRecord(
    swarm=SWARM,
    public=KEY.public,
    addresses=(("192.0.2.1", 7400), ("2001:db8::1", 7400)),
    fingerprint=b"\7" * 32,
    url="http://192.0.2.1:7400",
    region="eu",
    version="0.1.0",
    sequence=3,
    expires=NOW + 3600,
)
WIRE = RECORD.encode(KEY)


def _signed(changes: dict[str, Any], key: NodeKey = KEY) -> bytes:
    """The record with fields of its body changed (None: left out), and signed again."""
    body = unpack(unpack(WIRE, 512)[0], 512) | changes
    packed = pack({name: value for name, value in body.items() if value is not None})
    return pack([packed, key.sign(b"swarmd node record", packed)])


def _refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        NodeRecord.decode(data, SWARM, NOW)


def test_a_record_survives_the_wire() -> None:
    assert NodeRecord.decode(WIRE, SWARM, NOW) == RECORD


def test_a_record_is_passed_on_as_it_came() -> None:
    assert NodeRecord.decode(WIRE, SWARM, NOW).encoded == WIRE


def test_the_id_follows_from_the_key() -> None:
    record = NodeRecord.decode(WIRE, SWARM, NOW)
    assert record.node == record.contact.node == node_id(SWARM, KEY.public)


def test_the_largest_record_of_real_names_fits() -> None:
    largest = replace(
        RECORD,
        addresses=tuple((f"2001:db8:1111:2222:3333:4444:5555:{n}", 65535) for n in range(4)),
        url="https://" + "x" * 120,
        region="x" * 32,
        version="1.22.333-alpha",
        sequence=2**40,
    )
    wire = largest.encode(KEY)
    assert len(wire) <= limits.node_record_bytes_max
    assert NodeRecord.decode(wire, SWARM, NOW) == largest


def test_a_record_that_does_not_fit_is_our_callers_mistake() -> None:
    with pytest.raises(LocalError, match="shorten"):
        replace(RECORD, region="x" * 400).encode(KEY)


def test_a_truncated_record_is_refused() -> None:
    for length in range(len(WIRE)):
        _refused(WIRE[:length])


def test_a_record_with_a_tail_is_refused() -> None:
    _refused(WIRE + b"\0")


def test_any_changed_byte_is_noticed() -> None:
    for position in range(len(WIRE)):
        changed = bytearray(WIRE)
        changed[position] ^= 1
        _refused(bytes(changed))


def test_a_record_signed_by_another_key_is_refused() -> None:
    _refused(_signed({}, NodeKey.from_seed(b"\2" * 32)))


def test_a_signature_of_another_domain_is_refused() -> None:
    body = unpack(WIRE, 512)[0]
    _refused(pack([body, KEY.sign(b"swarmd lease", body)]))


def test_a_record_of_another_swarm_is_refused() -> None:
    with pytest.raises(RemoteError, match="another swarm"):
        NodeRecord.decode(WIRE, swarm_id("test", b"k" * 32), NOW)


@pytest.mark.parametrize("wall_now", [NOW + 3600, NOW + 10_000, NOW - 100_000])
def test_an_expired_or_everlasting_record_is_refused(wall_now: float) -> None:
    with pytest.raises(RemoteError, match="expired"):
        NodeRecord.decode(WIRE, SWARM, wall_now)


def test_unknown_fields_are_ignored() -> None:
    assert NodeRecord.decode(_signed({"later": [1, 2]}), SWARM, NOW) == RECORD


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": None},
        {"swarm": SWARM[:-1]},
        {"swarm": "x" * 16},
        {"key": b"\0" * 31},
        {"key": b"\xff" * 32},
        {"addr": []},
        {"addr": [[b"\x7f\0\0\1", 1]] * 5},
        {"addr": [[b"\x7f\0\0\1", 0]]},
        {"addr": [[b"\x7f\0\0\1", 65536]]},
        {"addr": [[b"\x7f\0\0", 7400]]},
        {"addr": [["127.0.0.1", 7400]]},
        {"addr": [[b"\xe0\0\0\1", 7400]]},
        {"addr": [[b"\0\0\0\0", 7400]]},
        {"addr": [7]},
        {"addr": {}},
        {"fp": b"\0" * 20},
        {"fp": None},
        {"url": "x" * 129},
        {"url": b"http://x"},
        {"url": "http://x\r\nSet-Cookie: a"},
        {"reg": "ü" * 33},
        {"ver": 1},
        {"seq": -1},
        {"seq": True},
        {"seq": 2**63},
        {"exp": "soon"},
        {"exp": 1.5},
    ],
)
def test_a_field_of_a_wrong_kind_or_size_is_refused(changes: dict[str, Any]) -> None:
    _refused(_signed(changes))


@pytest.mark.parametrize("value", [None, 7, [], [b""], [b"", b"", b""], [1, 2], {"body": b""}, [b"\x80", b"\0" * 64]])
def test_what_is_not_a_body_and_a_signature_is_refused(value: Any) -> None:
    _refused(pack(value))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=600))
def test_random_bytes_are_refused(data: bytes) -> None:
    _refused(data)


def test_a_fingerprint_is_read_as_sdp_writes_it() -> None:
    assert parse_fingerprint(format_fingerprint(bytes(range(32)))) == bytes(range(32))
    assert format_fingerprint(b"\xab\x01").startswith("AB:01")


@pytest.mark.parametrize("text", ["", "AA", "AA:" * 32, "ZZ:" * 31 + "ZZ", "AA:" * 19 + "AA"])
def test_a_fingerprint_that_is_not_sha_256_is_refused(text: str) -> None:
    with pytest.raises(RemoteError):
        parse_fingerprint(text)
