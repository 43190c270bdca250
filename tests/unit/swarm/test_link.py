"""One link: nothing before the greeting, messages within their budget after it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError, RemoteError
from foundation.identity import NodeKey, swarm_id
from foundation.packing import pack
from media.pipe import PipeTransport
from swarm.greeting import Greeter
from swarm.link import Link
from swarm.messages import Error, ErrorCode, Hello, Leave, Message
from swarm.record import NodeRecord, format_fingerprint
from swarm.wire import decode, encode

NOW = 1_700_000_000.0
SECRET = b"k" * 32
SWARM = swarm_id("test", SECRET)
P = UUID(int=1)
HI = Leave(1, P)


def _record(seed: int, sequence: int = 1) -> NodeRecord:
    key = NodeKey.from_seed(bytes([seed]) * 32)
    record = NodeRecord(
        SWARM, key.public, (("127.0.0.1", 7400),), bytes([seed]) * 32, "", sequence=sequence, expires=NOW + 60
    )
    return replace(record, encoded=record.encode(key))


class FakePipe:
    """What a link sees of its media side. What is received raising `RemoteError` closes it, as in a real one."""

    def __init__(self, remote_fingerprint: bytes) -> None:
        self.remote_fingerprint = format_fingerprint(remote_fingerprint)
        self.sent: list[Message] = []
        self.closed_for: str | None = None
        self.full = False
        self.on_connected: Callable[[], None] = lambda: None
        self.on_control: Callable[[bytes], None] = lambda data: None
        self.on_closed: Callable[[str], None] = lambda reason: None

    def send_control(self, data: bytes) -> None:
        if self.full or self.closed_for is not None:
            raise LocalError("too much is waiting")
        self.sent.append(decode(data))

    def close(self, reason: str = "closed") -> None:
        if self.closed_for is None:
            self.closed_for = reason
            self.on_closed(reason)

    def receive(self, data: bytes) -> None:
        if self.closed_for is None:
            try:
                self.on_control(data)
            except RemoteError as exc:
                self.close(str(exc))


@dataclass
class FakeOwner:
    record: NodeRecord
    greeted: list[NodeRecord | None] = field(default_factory=list)
    renewed: list[NodeRecord | None] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def link_greeted(self, link: Link) -> None:
        self.greeted.append(link.record)

    def link_renewed(self, link: Link) -> None:
        self.renewed.append(link.record)

    def link_message(self, link: Link, message: Message) -> None:
        self.messages.append(message)

    def link_closed(self, link: Link, reason: str) -> None:
        self.closed.append(reason)


ME, PEER, OTHER = _record(1), _record(2), _record(3)


class Rig:
    """A link of ME to PEER with a clock that stands until it is moved."""

    def __init__(self, certificate: bytes = PEER.fingerprint) -> None:
        self.now = 0.0
        self.pipe = FakePipe(certificate)
        self.owner = FakeOwner(ME)
        self.link = Link(
            cast(PipeTransport, self.pipe),
            Greeter(ME, SECRET),
            PEER.node,
            self.owner,
            dialed=True,
            clock=lambda: self.now,
            wall_clock=lambda: NOW,
        )
        self.pipe.on_connected()

    def greet(self, record: NodeRecord = PEER) -> None:
        self.pipe.receive(encode(Greeter(record, SECRET).hello(ME.fingerprint)))


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def up(rig: Rig) -> Rig:
    rig.greet()
    rig.pipe.sent.clear()
    return rig


def test_a_connected_link_says_hello(rig: Rig) -> None:
    [hello] = rig.pipe.sent
    assert isinstance(hello, Hello)
    assert Greeter(PEER, SECRET).check(hello, ME.fingerprint, ME.node, NOW) == ME


def test_a_good_hello_opens_the_link(rig: Rig) -> None:
    rig.greet()
    assert rig.owner.greeted == [PEER]
    assert rig.link.node == PEER.node
    rig.pipe.receive(encode(HI))
    assert rig.owner.messages == [HI]


def test_a_message_before_the_greeting_closes_the_link(rig: Rig) -> None:
    rig.pipe.receive(encode(HI))
    assert rig.owner.messages == []
    assert rig.owner.closed == ["a message came before the greeting"]


@pytest.mark.parametrize("data", [b"", b"\xc1", pack({"v": 1, "t": "dance"}), pack({"v": 2, "t": "hello"})])
def test_what_cannot_be_read_before_the_greeting_closes_the_link_unanswered(rig: Rig, data: bytes) -> None:
    rig.pipe.sent.clear()
    rig.pipe.receive(data)
    assert len(rig.owner.closed) == 1
    assert rig.pipe.sent == []


def test_a_hello_of_another_node_closes_the_link(rig: Rig) -> None:
    rig.greet(OTHER)
    assert rig.owner.greeted == []
    assert len(rig.owner.closed) == 1


def test_a_hello_over_another_certificate_closes_the_link() -> None:
    rig = Rig(certificate=OTHER.fingerprint)
    rig.greet()
    assert rig.owner.greeted == []
    assert len(rig.owner.closed) == 1


def test_a_peer_without_a_sha_256_fingerprint_is_not_greeted() -> None:
    with pytest.raises(RemoteError):
        Rig(certificate=b"\1" * 20)


def test_a_renewed_record_is_passed_on(up: Rig) -> None:
    up.greet(_record(2, sequence=2))
    assert [record.sequence for record in up.owner.renewed if record] == [2]
    assert up.owner.closed == []


def test_an_old_or_repeated_hello_changes_nothing(up: Rig) -> None:
    up.greet(_record(2, sequence=0))
    up.greet()
    assert up.owner.greeted == [PEER]
    assert up.owner.renewed == []
    assert up.link.record == PEER


def test_a_second_hello_of_another_node_closes_the_link(up: Rig) -> None:
    up.greet(OTHER)
    assert len(up.owner.closed) == 1
    assert up.link.node == PEER.node


def test_our_renewed_record_is_told(up: Rig) -> None:
    up.link.greet()
    assert [type(message) for message in up.pipe.sent] == [Hello]


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (pack({"v": 1, "t": "dance"}), Error(ErrorCode.UNKNOWN_TYPE, "dance")),
        (pack({"v": 2, "t": "leave"}), Error(ErrorCode.UNKNOWN_VERSION)),
        (pack({"v": 1, "t": "leave"}), Error(ErrorCode.MALFORMED)),
        (b"", Error(ErrorCode.MALFORMED)),
        (b"\0" * (limits.control_message_bytes_max + 1), Error(ErrorCode.MALFORMED)),
    ],
)
def test_what_cannot_be_read_is_answered_with_an_error(up: Rig, data: bytes, answer: Error) -> None:
    up.pipe.receive(data)
    up.pipe.receive(encode(HI))
    assert up.pipe.sent == [answer]
    assert up.owner.messages == [HI]


def test_an_error_is_not_answered(up: Rig) -> None:
    up.pipe.receive(encode(Error(ErrorCode.MALFORMED)))
    assert up.pipe.sent == []
    assert up.owner.messages == []
    assert up.owner.closed == []


def test_a_peer_that_goes_on_sending_what_nobody_knows_is_closed(up: Rig) -> None:
    for _ in range(limits.control_errors_burst + 1):
        up.pipe.receive(pack({"v": 1, "t": "dance"}))
    assert len(up.pipe.sent) == limits.control_errors_burst
    assert len(up.owner.closed) == 1


def test_a_few_unknown_messages_now_and_then_are_borne_for_ever(up: Rig) -> None:
    for _ in range(10 * limits.control_errors_burst):
        up.pipe.receive(pack({"v": 1, "t": "dance"}))
        up.now += 1 / limits.control_errors_per_second
    assert up.owner.closed == []


def test_a_peer_that_floods_is_closed(up: Rig) -> None:
    for _ in range(limits.control_messages_burst + 1):
        up.pipe.receive(encode(HI))
    assert up.owner.closed == ["a peer floods its link with messages"]
    assert len(up.owner.messages) < limits.control_messages_burst + 1


def test_messages_at_the_allowed_rate_are_taken_for_ever(up: Rig) -> None:
    for _ in range(3 * limits.control_messages_burst):
        up.pipe.receive(encode(HI))
        up.now += 1 / limits.control_messages_per_second
    assert up.owner.closed == []
    assert len(up.owner.messages) == 3 * limits.control_messages_burst


def test_a_message_that_cannot_be_sent_closes_the_link(up: Rig) -> None:
    up.pipe.full = True
    up.link.send(HI)
    assert len(up.owner.closed) == 1


def test_a_closed_link_tells_it_once(up: Rig) -> None:
    up.link.close("nobody needs it")
    up.link.close("again")
    assert up.owner.closed == ["nobody needs it"]
    assert up.link.closed


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=80), max_size=10))
def test_random_bytes_reach_nobody(datas: list[bytes]) -> None:
    rig = Rig()
    rig.greet()
    for data in datas:
        rig.pipe.receive(data)
    assert rig.owner.messages == []
