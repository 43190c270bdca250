import contextlib
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.envelope import body_bytes_max
from dht.messages import (
    Answer,
    Found,
    Request,
    Stored,
    build_answer,
    build_request,
    pack_found,
    pack_observed,
    pack_stored,
    parse,
    parse_found,
    parse_observed,
    parse_stored,
)
from dht.peer import Peer
from dht.store import Outcome
from foundation.errors import RemoteError

ID = b"12345678"
PUBLIC = b"p" * 32
TARGET = b"t" * 20
RECORD = b"r" * 512
PEERS = [Peer(bytes([n]) * 20, (f"2001:db8::{n + 1}", 65535)) for n in range(20)]
WHOLE = [
    build_request(ID, PUBLIC, "ping"),
    build_request(ID, PUBLIC, "find_node", TARGET),
    build_request(ID, PUBLIC, "find_value", TARGET),
    build_request(ID, PUBLIC, "store", TARGET, RECORD),
    build_answer(ID, PUBLIC, pack_found([RECORD], PEERS[:3])),
]

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=40) | st.text(),
    lambda children: st.lists(children, max_size=6) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


def test_every_request_survives_the_wire() -> None:
    arguments = {"ping": (), "find_node": (TARGET,), "find_value": (TARGET,), "store": (TARGET, RECORD)}
    for body, (method, expected) in zip(WHOLE, arguments.items(), strict=False):
        assert parse(body) == Request(ID, PUBLIC, method, expected)  # type: ignore[arg-type]


def test_every_answer_survives_the_wire() -> None:
    for packed, parsed, reader in (
        (pack_found([RECORD], PEERS[:3]), Found((RECORD,), tuple(PEERS[:3])), parse_found),
        (pack_found([], []), Found((), ()), parse_found),
        (pack_stored(Outcome.OLDER, RECORD), Stored(Outcome.OLDER, RECORD), parse_stored),
        (pack_stored(Outcome.STORED, None), Stored(Outcome.STORED, None), parse_stored),
        (pack_observed(("192.0.2.1", 5)), ("192.0.2.1", 5), parse_observed),
    ):
        answer = parse(build_answer(ID, PUBLIC, packed))
        assert isinstance(answer, Answer)
        assert reader(answer.result) == parsed


@pytest.mark.parametrize("body", WHOLE)
def test_a_message_truncated_at_any_length_is_refused(body: bytes) -> None:
    for length in range(len(body)):
        with pytest.raises(RemoteError):
            parse(body[:length])


@pytest.mark.parametrize("body", WHOLE)
def test_trailing_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(RemoteError):
        parse(body + b"\xc0")


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        "ping",
        [2, ID, PUBLIC, 0, "ping", []],
        [True, ID, PUBLIC, 0, None],
        [False, ID, PUBLIC, 0, "ping", []],
        [0.0, ID, PUBLIC, 0, "ping", []],
        [[], ID, PUBLIC, 0, "ping", []],
        [0, ID, PUBLIC, 0, "ping"],
        [0, ID, PUBLIC, 0, "ping", [], 1],
        [1, ID, PUBLIC, 0],
        [1, ID, PUBLIC, 0, None, None],
        [0, b"1234567", PUBLIC, 0, "ping", []],
        [0, "12345678", PUBLIC, 0, "ping", []],
        [0, ID, PUBLIC[1:], 0, "ping", []],
        [0, ID, None, 0, "ping", []],
        [0, ID, PUBLIC, None, "ping", []],
        [0, ID, PUBLIC, 0, "pong", []],
        [0, ID, PUBLIC, 0, "stun", []],
        [0, ID, PUBLIC, 0, "__class__", []],
        [0, ID, PUBLIC, 0, ["ping"], []],
        [0, ID, PUBLIC, 0, b"ping", []],
        [0, ID, PUBLIC, 0, "ping", [TARGET]],
        [0, ID, PUBLIC, 0, "ping", None],
        [0, ID, PUBLIC, 0, "ping", {}],
        [0, ID, PUBLIC, 0, "find_node", []],
        [0, ID, PUBLIC, 0, "find_node", [TARGET, TARGET]],
        [0, ID, PUBLIC, 0, "find_node", [TARGET[1:]]],
        [0, ID, PUBLIC, 0, "find_value", [TARGET + b"x"]],
        [0, ID, PUBLIC, 0, "find_value", ["t" * 20]],
        [0, ID, PUBLIC, 0, "store", [TARGET]],
        [0, ID, PUBLIC, 0, "store", [TARGET, RECORD + b"x"]],
        [0, ID, PUBLIC, 0, "store", [TARGET, "text"]],
        [0, ID, PUBLIC, 0, "store", [TARGET, None]],
    ],
)
def test_a_message_of_another_shape_is_refused(message: Any) -> None:
    with pytest.raises(RemoteError):
        parse(msgpack.packb(message))


def test_an_oversized_message_is_refused() -> None:
    with pytest.raises(RemoteError):
        parse(msgpack.packb([1, ID, PUBLIC, 0, bytes(body_bytes_max)]))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(RemoteError):
        parse(b"\x91" * 1200)


def test_flags_that_are_not_known_yet_are_ignored() -> None:
    assert parse(msgpack.packb([0, ID, PUBLIC, 5, "ping", []])) == Request(ID, PUBLIC, "ping", ())


@given(st.binary(max_size=1300))
@settings(deadline=None, max_examples=200)
def test_random_bytes_are_a_message_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        assert isinstance(parse(data), Request | Answer)


@given(st.lists(anything, min_size=6, max_size=6))
@settings(deadline=None, max_examples=200)
def test_any_msgpack_is_a_message_or_refused(items: list[Any]) -> None:
    for message in (items, [0, ID, PUBLIC, 0, *items[:2]], [1, ID, PUBLIC, 0, items[0]], items[0]):
        with contextlib.suppress(RemoteError):
            assert isinstance(parse(msgpack.packb(message)), Request | Answer)


@given(anything)
@settings(deadline=None, max_examples=200)
def test_any_result_is_understood_or_refused(result: Any) -> None:
    for reader in (parse_found, parse_stored, parse_observed):
        with contextlib.suppress(RemoteError):
            assert reader(result) is not None  # type: ignore[operator]


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        [[]],
        [[], [], []],
        [None, []],
        [[], None],
        [[RECORD] * 5, []],
        [[RECORD + b"x"], []],
        [["text"], []],
        [[], [[bytes(20), b"\xc0\0\2\1", 5]] * 21],
        [[], [[bytes(19), b"\xc0\0\2\1", 5]]],
        [[], [[bytes(20), "host.example", 5]]],
        [[], [[bytes(20), b"\xc0\0\2\1", 0]]],
        [[], [[bytes(20), b"\xc0\0\2\1", 70000]]],
        [[], [[bytes(20), b"\xe0\0\0\1", 5]]],
        {"value": RECORD},
    ],
)
def test_a_find_s_answer_of_another_shape_is_refused(result: Any) -> None:
    with pytest.raises(RemoteError):
        parse_found(result)


@pytest.mark.parametrize(
    "result", [None, True, [], [0], [4, None], [-1, None], [True, None], [0, "x"], [0, RECORD + b"x"]]
)
def test_a_store_s_answer_of_another_shape_is_refused(result: Any) -> None:
    with pytest.raises(RemoteError):
        parse_stored(result)


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 512])
def test_an_answer_always_fits_its_datagram(count: int, size: int) -> None:
    packed = pack_found([bytes(size)] * count, PEERS)
    assert len(build_answer(ID, PUBLIC, packed)) <= body_bytes_max
    assert len(packed[0]) == min(count, 4, 1138 // (size + 3))


def test_beside_a_record_of_512_bytes_13_contacts_fit() -> None:
    assert [len(part) for part in pack_found([RECORD], PEERS)] == [1, 13]
