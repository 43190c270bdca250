"""Control messages: what is written is read back, and nothing else is read."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError, RemoteError
from foundation.packing import pack, unpack
from media.parameters import Codec, HeaderExtension, TrackParameters
from swarm import wire
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Claim,
    Claimed,
    Consume,
    Delegated,
    Ended,
    EndReason,
    Error,
    ErrorCode,
    Find,
    Handover,
    Hello,
    Leave,
    Lineage,
    Message,
    Offer,
    Place,
    Places,
    Position,
    Probe,
    Probed,
    Purpose,
    Recruit,
    Recruited,
    RefusalReason,
    Refused,
    Release,
    Renew,
    Renewed,
    Report,
    ReportedCandidate,
    Tree,
    TreeNode,
    TreeReply,
)
from swarm.wire import UnknownType, UnknownVersion, decode, encode

P = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
A, B, C = (bytes([n]) * 20 for n in (1, 2, 3))
VIDEO = TrackParameters(
    "video", "0", Codec("video/VP8", 90000, None, 96), 4711, (HeaderExtension(3, "urn:3gpp:video-orientation"),)
)
AUDIO = TrackParameters("audio", "1", Codec("audio/opus", 48000, 2, 111, (("useinbandfec", "1"),)), 4712)

EVERY_MESSAGE: list[Message] = [
    Hello(b"record", b"\5" * 32),
    Consume(2**63 - 1, P, (A, B), 5, 7, Purpose.FAILOVER, "eu", b"leave", 3, (Position("video", 65535),)),
    Accepted(1, P, 2, (A, B, C), (VIDEO, AUDIO), 40, 3, b"leave"),
    Delegated(1, P, (b"one", b"two", b"three"), b"leave"),
    Refused(1, P, RefusalReason.BUSY),
    Leave(1, P),
    Release(1, P),
    Ended(1, P, EndReason.LOST),
    Report(1, P, 3, 2, 9, 17, (ReportedCandidate(A, 4, 1, 0, 2),), (b"record",)),
    Lineage(1, P, 1, (A, B), 40, 3),
    Tree(1, P, 16, 2000),
    TreeReply(1, P, (TreeNode(A, "http://a", ("192.0.2.1", 7400), 3), TreeNode(B, "", ("2001:db8::1", 1), 0, 0)), 9),
    Backups(1, P, (Backup(b"one", 2, 40), Backup(b"two", 0, 0))),
    Handover(1, P, (b"one", b"two")),
    Find(P, 40, "eu", 75, (A, B)),
    Places(P, (Place(A, "http://a", 30), Place(B, "http://b", 10)), 200),
    Probe(P),
    Probed(b"record", 4, 75, 90, True),
    Recruit(P, b"record", b"leave"),
    Recruited(4, 75, 90),
    Offer(b"record", 4, 75, 90),
    Renew(P),
    Renewed(b"leave"),
    Claim(P, b"\7" * 32),
    Claimed(True),
    Error(ErrorCode.UNKNOWN_TYPE, "dance"),
]


def _name(message: Message) -> str:
    return message.type


def _changed(message: Message, changes: dict[str, Any]) -> bytes:
    """The message with fields of its map changed; None leaves one out."""
    fields = unpack(encode(message), limits.control_message_bytes_max) | changes
    return pack({name: value for name, value in fields.items() if value is not None})


def test_every_type_is_tried_here() -> None:
    assert {message.type for message in EVERY_MESSAGE} == set(wire._SCHEMA)


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
def test_a_truncated_message_is_refused(message: Message) -> None:
    data = encode(message)
    for length in range(len(data)):
        with pytest.raises(RemoteError):
            decode(data[:length])


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
def test_a_message_with_a_tail_is_refused(message: Message) -> None:
    with pytest.raises(RemoteError):
        decode(encode(message) + b"\0")


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
def test_unknown_fields_are_ignored(message: Message) -> None:
    assert decode(_changed(message, {"later": {"deep": [1, 2, 3]}})) == message


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
def test_a_message_without_a_needed_field_is_refused(message: Message) -> None:
    _, fields = wire._SCHEMA[message.type]
    for name, field in fields.items():
        if not field.optional:
            with pytest.raises(RemoteError, match=name):
                decode(_changed(message, {name: None}))


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=_name)
@pytest.mark.parametrize(
    "value", [-1, 2**64 - 1, 1.5, True, b"", b"x" * 600, "x" * 300, "\n", [7], [[]], {}, [None] * 200]
)
def test_a_field_with_a_value_of_another_kind_is_refused_or_harmless(message: Message, value: Any) -> None:
    _, fields = wire._SCHEMA[message.type]
    for name in fields:
        try:
            assert decode(encode(decode(_changed(message, {name: value}))))
        except RemoteError:
            continue


@pytest.mark.parametrize("version", [0, 2, -1, "1", None, True, 1.0])
def test_an_unknown_version_is_told_apart(version: Any) -> None:
    with pytest.raises(UnknownVersion):
        decode(_changed(Leave(1, P), {"v": version}))


def test_an_unknown_type_is_told_apart_and_named() -> None:
    with pytest.raises(UnknownType) as caught:
        decode(_changed(Leave(1, P), {"t": "dance"}))
    assert caught.value.name == "dance"


@pytest.mark.parametrize("name", [None, 7, b"leave", "x" * 33, "a\nb", []])
def test_a_type_that_is_no_word_is_malformed(name: Any) -> None:
    with pytest.raises(RemoteError) as caught:
        decode(_changed(Leave(1, P), {"t": name}))
    assert not isinstance(caught.value, UnknownType)


@pytest.mark.parametrize("value", [None, 1, "leave", [], [1, "leave"], b""])
def test_what_is_not_a_map_is_refused(value: Any) -> None:
    with pytest.raises(RemoteError):
        decode(pack(value))


def test_an_oversized_message_is_refused_unread() -> None:
    with pytest.raises(RemoteError, match="too large"):
        decode(_changed(Leave(1, P), {"later": b"\0" * limits.control_message_bytes_max}))


def test_a_message_that_does_not_fit_is_our_callers_mistake() -> None:
    huge = Codec("video/H264", 90000, None, 96, tuple((str(n), "x" * 256) for n in range(200)))
    with pytest.raises(LocalError):
        encode(Accepted(1, P, 0, (A,), (TrackParameters("video", "0", huge, 1),)))


def test_the_largest_tree_fits() -> None:
    url = "x" * limits.node_record_url_bytes_max
    address = ("2001:db8:1111:2222:3333:4444:5555:6666", 65535)
    nodes = tuple(
        TreeNode(A, url, address, 2**32 - 1, index - 1 if index else None) for index in range(limits.tree_nodes_max)
    )
    message = TreeReply(2**63 - 1, P, nodes, 2**32 - 1)
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (EVERY_MESSAGE[0], {"record": b"x" * 513}),
        (EVERY_MESSAGE[0], {"proof": b"x" * 31}),
        (EVERY_MESSAGE[1], {"tried": [A] * 17}),
        (EVERY_MESSAGE[1], {"tried": [A[:-1]]}),
        (EVERY_MESSAGE[1], {"delegations": 6}),
        (EVERY_MESSAGE[1], {"producer": str(P)}),
        (EVERY_MESSAGE[1], {"request": 2**63}),
        (EVERY_MESSAGE[2], {"lineage": []}),
        (EVERY_MESSAGE[2], {"lineage": [A] * 17}),
        (EVERY_MESSAGE[2], {"tracks": []}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire()] * 2}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire(), AUDIO.to_wire() | {"ssrc": 4711}]}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire() | {"ssrc": None}]}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire(), AUDIO.to_wire() | {"rtx_pt": 127, "rtx_ssrc": 4711}]}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire() | {"rtx_pt": 127, "rtx_ssrc": 4711}]}),
        (EVERY_MESSAGE[2], {"tracks": [VIDEO.to_wire(), AUDIO.to_wire(), AUDIO.to_wire()]}),
        (EVERY_MESSAGE[3], {"candidates": []}),
        (EVERY_MESSAGE[3], {"candidates": [b"x"] * 4}),
        (EVERY_MESSAGE[8], {"carriers": [[A, 1, 1, 1]]}),
        (EVERY_MESSAGE[8], {"carriers": [[b"x", 1, 1, 1, 1]]}),
        (EVERY_MESSAGE[8], {"carriers": [[A, 1, 1, 1, 1]] * 10}),
        (EVERY_MESSAGE[8], {"records": [b"x"] * 10}),
        (EVERY_MESSAGE[8], {"relay_room": 2**32}),
        (EVERY_MESSAGE[10], {"levels": 17}),
        (EVERY_MESSAGE[11], {"nodes": [[A, "", "192.0.2.1", 1, 0, 0]]}),
        (EVERY_MESSAGE[11], {"nodes": [[A, "", "192.0.2.1", 1, 0, None], [B, "", "192.0.2.1", 1, 0, None]]}),
        (EVERY_MESSAGE[11], {"nodes": [[A, "", "192.0.2.1", 1, 0, None], [B, "", "192.0.2.1", 1, 0, 1]]}),
        (EVERY_MESSAGE[11], {"nodes": [[A, "", "host.example", 1, 0, None]]}),
        (EVERY_MESSAGE[1], {"resume": [["smell", 1]]}),
        (EVERY_MESSAGE[1], {"resume": [["video", 65536]]}),
        (EVERY_MESSAGE[1], {"capability": b"x" * 257}),
        (EVERY_MESSAGE[12], {"backups": [[b"x", 1, 1]] * 5}),
        (EVERY_MESSAGE[15], {"places": [[A, "", 1]] * 9}),
        (EVERY_MESSAGE[15], {"retry_ms": 60_001}),
        (EVERY_MESSAGE[11], {"nodes": [[A, "x" * 129, "192.0.2.1", 1, 0, None]]}),
    ],
)
def test_a_value_beyond_its_bound_is_refused(message: Message, changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteError):
        decode(_changed(message, changes))


def test_an_item_that_grew_in_a_newer_version_is_read() -> None:
    message = EVERY_MESSAGE[8]
    assert decode(_changed(message, {"candidates": [[b"record", 4, 1, 0, "later"]]})) == message


def test_a_reason_of_a_newer_version_is_kept() -> None:
    message = decode(_changed(EVERY_MESSAGE[4], {"reason": "too-far"}))
    assert isinstance(message, Refused)
    assert message.reason == "too-far"


def test_the_protocol_page_names_every_type_field_reason_and_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "PROTOCOL.md").read_text()
    words = {name for name, (_, fields) in wire._SCHEMA.items() for name in (name, *fields)}
    words |= {*RefusalReason, *EndReason, *ErrorCode, *Purpose} - {EndReason.IDLE}
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        decode(data)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=40) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(EVERY_MESSAGE), st.data())
def test_random_values_in_fields_are_refused_or_read_as_a_message(message: Message, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(wire._SCHEMA[message.type][1]))
    changes = data.draw(st.dictionaries(names, _values, max_size=3))
    try:
        read = decode(_changed(message, changes))
    except RemoteError:
        return
    assert decode(encode(read)) == read
