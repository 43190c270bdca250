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
    Present,
    Request,
    Retry,
    Stored,
    build_answer,
    build_request,
    build_retry,
    pack_found,
    pack_present,
    pack_stored,
    pack_told,
    parse,
    parse_found,
    parse_present,
    parse_stored,
    parse_told,
)
from dht.peer import Peer
from dht.store import Outcome
from foundation.errors import RemoteError
from foundation.limits import ask_bytes_max, contacts_per_store_max

ID = b"12345678"
SENDER = b"s" * 20
PUBLIC = b"p" * 32
NONCE = b"n" * 16
ASKED = [b"\xc0\0\2\1", 7400]
TARGET = b"t" * 20
RECORD = b"r" * 512
PEERS = [Peer(bytes([n]) * 20, (f"2001:db8::{n + 1}", 65535)) for n in range(20)]
WHOLE = [
    build_request(ID, SENDER, "ping", NONCE, ASKED),
    build_request(ID, SENDER, "find_node", TARGET, 8, token=b"t" * 8),
    build_request(ID, SENDER, "find_value", TARGET, 20),
    build_request(ID, SENDER, "store", RECORD, 8),
    build_answer(ID, SENDER, pack_found([RECORD], PEERS[:3])),
    build_retry(ID, SENDER, b"t" * 8),
    build_request(ID, SENDER, "ask", b"what?"),
    build_answer(ID, SENDER, pack_told(b"that")),
]

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=40) | st.text(),
    lambda children: st.lists(children, max_size=6) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


def test_every_request_survives_the_wire() -> None:
    expected = [
        Request(ID, SENDER, b"", "ping", (NONCE, ("192.0.2.1", 7400))),
        Request(ID, SENDER, b"t" * 8, "find_node", (TARGET, 8)),
        Request(ID, SENDER, b"", "find_value", (TARGET, 20)),
        Request(ID, SENDER, b"", "store", (RECORD, 8)),
    ]
    assert [parse(body) for body in WHOLE[:4]] == expected


def test_an_ask_and_its_answer_survive_the_wire() -> None:
    assert parse(WHOLE[6]) == Request(ID, SENDER, b"", "ask", (ID, b"what?"))
    for told in (b"that", b"", bytes(ask_bytes_max), None):
        answer = parse(build_answer(ID, SENDER, pack_told(told)))
        assert isinstance(answer, Answer)
        assert parse_told(answer.result) == told


def test_the_longest_ask_and_answer_fit_a_datagram() -> None:
    for whole in (
        build_request(ID, SENDER, "ask", bytes(ask_bytes_max), token=b"t" * 8),
        build_answer(ID, SENDER, pack_told(bytes(ask_bytes_max))),
    ):
        assert len(whole) <= body_bytes_max
        parse(whole)


@pytest.mark.parametrize("result", [None, [], {}, b"that", ["that"], [b"that", 1], [bytes(ask_bytes_max + 1)], [[]]])
def test_an_ask_s_answer_of_another_shape_is_refused(result: Any) -> None:
    with pytest.raises(RemoteError):
        parse_told(result)


def test_a_retry_survives_the_wire() -> None:
    assert parse(WHOLE[5]) == Retry(ID, SENDER, b"t" * 8)


def test_every_answer_survives_the_wire() -> None:
    for packed, parsed, reader in (
        (pack_found([RECORD], PEERS[:3]), Found((RECORD,), tuple(PEERS[:3])), parse_found),
        (pack_found([], []), Found((), ()), parse_found),
        (pack_stored(Outcome.OLDER, RECORD, PEERS[:8]), Stored(Outcome.OLDER, RECORD, tuple(PEERS[:8])), parse_stored),
        (pack_stored(Outcome.STORED, None), Stored(Outcome.STORED, None), parse_stored),
        (
            pack_present(("192.0.2.1", 5), PUBLIC, b"x" * 64),
            Present(("192.0.2.1", 5), PUBLIC, b"x" * 64),
            parse_present,
        ),
    ):
        answer = parse(build_answer(ID, SENDER, packed))
        assert isinstance(answer, Answer)
        assert reader(answer.result) == parsed  # type: ignore[operator]


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
        [3, ID, SENDER, b"", 0, [NONCE, ASKED]],
        [True, ID, SENDER, None],
        [False, ID, SENDER, b"", 0, [NONCE, ASKED]],
        [0.0, ID, SENDER, b"", 0, [NONCE, ASKED]],
        [[], ID, SENDER, b"", 0, [NONCE, ASKED]],
        [0, ID, SENDER, b"", 0],
        [0, ID, SENDER, 0],
        [0, ID, SENDER, b"", 0, [NONCE, ASKED], 1],
        [1, ID, SENDER],
        [1, ID, SENDER, None, None],
        [2, ID, SENDER, b"1234567"],
        [2, ID, SENDER, None],
        [0, b"1234567", SENDER, b"", 0, [NONCE, ASKED]],
        [0, "12345678", SENDER, b"", 0, [NONCE, ASKED]],
        [0, ID, SENDER[1:], b"", 0, [NONCE, ASKED]],
        [0, ID, PUBLIC, b"", 0, [NONCE, ASKED]],
        [0, ID, None, b"", 0, [NONCE, ASKED]],
        [0, ID, SENDER, None, 0, [NONCE, ASKED]],
        [0, ID, SENDER, b"1234567", 0, [NONCE, ASKED]],
        [0, ID, SENDER, b"", -1, [NONCE, ASKED]],
        [0, ID, SENDER, b"", 4, [NONCE, ASKED]],
        [0, ID, SENDER, b"", "ping", [NONCE, ASKED]],
        [0, ID, SENDER, b"", True, [TARGET, 8]],
        [0, ID, SENDER, b"", 0, []],
        [0, ID, SENDER, b"", 0, None],
        [0, ID, SENDER, b"", 0, {}],
        [0, ID, SENDER, b"", 0, [NONCE, None]],
        [0, ID, SENDER, b"", 0, [NONCE, ["host.example", 5]]],
        [0, ID, SENDER, b"", 0, [NONCE, [b"\xc0\0\2\1", 0]]],
        [0, ID, SENDER, b"", 0, [NONCE[1:], ASKED]],
        [0, ID, SENDER, b"", 1, [TARGET]],
        [0, ID, SENDER, b"", 1, [TARGET, TARGET]],
        [0, ID, SENDER, b"", 1, [TARGET, 21]],
        [0, ID, SENDER, b"", 1, [TARGET, -1]],
        [0, ID, SENDER, b"", 1, [TARGET, True]],
        [0, ID, SENDER, b"", 1, [TARGET, 8.0]],
        [0, ID, SENDER, b"", 1, [TARGET, 2**63]],
        [0, ID, SENDER, b"", 1, [TARGET[1:], 8]],
        [0, ID, SENDER, b"", 2, [TARGET + b"x", 8]],
        [0, ID, SENDER, b"", 2, ["t" * 20, 8]],
        [0, ID, SENDER, b"", 4, []],
        [0, ID, SENDER, b"", 4, ["what?"]],
        [0, ID, SENDER, b"", 4, [None]],
        [0, ID, SENDER, b"", 4, [bytes(ask_bytes_max + 1)]],
        [0, ID, SENDER, b"", 5, [b"what?"]],
        [0, ID, SENDER, b"", 3, [RECORD]],
        [0, ID, SENDER, b"", 3, [RECORD, 9]],
        [0, ID, SENDER, b"", 3, [RECORD + b"x", 8]],
        [0, ID, SENDER, b"", 3, ["text", 8]],
        [0, ID, SENDER, b"", 3, [RECORD[:63], 8]],
        [0, ID, SENDER, b"", 3, [None, 8]],
    ],
)
def test_a_message_of_another_shape_is_refused(message: Any) -> None:
    with pytest.raises(RemoteError):
        parse(msgpack.packb(message))


def test_an_oversized_message_is_refused() -> None:
    with pytest.raises(RemoteError):
        parse(msgpack.packb([1, ID, SENDER, bytes(body_bytes_max)]))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(RemoteError):
        parse(b"\x91" * 1200)


@given(st.binary(max_size=1300))
@settings(deadline=None, max_examples=200)
def test_random_bytes_are_a_message_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        assert isinstance(parse(data), Request | Answer | Retry)


@given(st.lists(anything, min_size=6, max_size=6))
@settings(deadline=None, max_examples=200)
def test_any_msgpack_is_a_message_or_refused(items: list[Any]) -> None:
    for message in (
        items,
        *([0, ID, SENDER, b"", n, items[:2]] for n in range(4)),
        [1, ID, SENDER, items[0]],
        items[0],
    ):
        with contextlib.suppress(RemoteError):
            assert isinstance(parse(msgpack.packb(message)), Request | Answer | Retry)


@given(anything)
@settings(deadline=None, max_examples=200)
def test_any_result_is_understood_or_refused(result: Any) -> None:
    for reader in (parse_found, parse_stored, parse_present):
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
    "result",
    [
        None,
        True,
        [],
        [0],
        [0, None],
        [4, None, []],
        [-1, None, []],
        [True, None, []],
        [0, "x", []],
        [0, RECORD + b"x", []],
        [0, None, None],
        [0, None, [[bytes(19), b"\xc0\0\2\1", 5]]],
        [0, None, [[bytes(20), b"\xc0\0\2\1", 5]] * 21],
    ],
)
def test_a_store_s_answer_of_another_shape_is_refused(result: Any) -> None:
    with pytest.raises(RemoteError):
        parse_stored(result)


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        ASKED,
        [ASKED, PUBLIC],
        [ASKED, PUBLIC, b"x" * 63],
        [ASKED, PUBLIC[1:], b"x" * 64],
        [[], PUBLIC, b"x" * 64],
    ],
)
def test_a_ping_s_answer_of_another_shape_is_refused(result: Any) -> None:
    with pytest.raises(RemoteError):
        parse_present(result)


@pytest.mark.parametrize("newer", [None, RECORD])
def test_the_answer_to_a_store_always_fits_its_datagram(newer: bytes | None) -> None:
    packed = pack_stored(Outcome.OLDER, newer, PEERS[:contacts_per_store_max])
    assert len(build_answer(ID, SENDER, packed)) <= body_bytes_max


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 512])
def test_an_answer_always_fits_its_datagram(count: int, size: int) -> None:
    packed = pack_found([bytes(size)] * count, PEERS)
    assert len(build_answer(ID, SENDER, packed)) <= body_bytes_max
    assert len(packed[0]) == min(count, 4, 1138 // (size + 3))


def test_beside_a_record_of_512_bytes_13_contacts_fit() -> None:
    assert [len(part) for part in pack_found([RECORD], PEERS)] == [1, 13]
