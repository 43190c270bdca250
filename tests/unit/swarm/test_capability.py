"""An owner's leave for one node and one stream: signed, for ten minutes, and of no use to anybody else."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.identity import NodeKey, node_id, swarm_id
from foundation.packing import pack, unpack
from swarm.capability import SignedCapabilities

SWARM = swarm_id("tests")
P, Q = UUID(int=1), UUID(int=2)
OWNER, OTHER = (NodeKey.from_seed(bytes([number]) * 32) for number in (1, 2))
CHILD = b"c" * 20


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def capabilities(clock: Clock) -> SignedCapabilities:
    return SignedCapabilities(OWNER, SWARM, clock)


def test_it_tells_who_gave_it(capabilities: SignedCapabilities, clock: Clock) -> None:
    given = capabilities.issue(P, CHILD)
    assert len(given) <= limits.capability_bytes_max
    elsewhere = SignedCapabilities(OTHER, SWARM, clock)
    assert elsewhere.owner(given, P, CHILD) == node_id(SWARM, OWNER.public)


def test_it_is_of_no_use_for_another_stream_or_node_or_swarm(capabilities: SignedCapabilities, clock: Clock) -> None:
    given = capabilities.issue(P, CHILD)
    assert capabilities.owner(given, Q, CHILD) is None
    assert capabilities.owner(given, P, b"d" * 20) is None
    foreign = SignedCapabilities(OTHER, swarm_id("other"), clock)
    assert foreign.owner(given, P, CHILD) != node_id(SWARM, OWNER.public)


def test_it_ends(capabilities: SignedCapabilities, clock: Clock) -> None:
    given = capabilities.issue(P, CHILD)
    clock.now += limits.capability_seconds
    assert capabilities.owner(given, P, CHILD) is not None, "clocks differ by up to 30 s"
    clock.now += 30
    assert capabilities.owner(given, P, CHILD) is None


def test_one_of_the_future_is_none(capabilities: SignedCapabilities, clock: Clock) -> None:
    clock.now += 31
    given = capabilities.issue(P, CHILD)
    clock.now -= 31
    assert capabilities.owner(given, P, CHILD) is None


def _signed(key: NodeKey, body: list[Any]) -> bytes:
    packed = pack(body)
    return pack([packed, key.sign(b"swarmd capability", packed)])


@pytest.mark.parametrize(
    "body",
    [
        [2, OWNER.public, P.bytes, CHILD, 999_990, 1_000_100],
        [1, OTHER.public, P.bytes, CHILD, 999_990, 1_000_100],
        [1, b"short", P.bytes, CHILD, 999_990, 1_000_100],
        [1, OWNER.public, P.bytes, CHILD, 999_990, 1_000_591],
        [1, OWNER.public, P.bytes, CHILD, 1_000_000, 999_999],
        [1, OWNER.public, P.bytes, CHILD, 999_990.0, 1_000_100],
        [1, OWNER.public, P.bytes, CHILD, True, 1_000_100],
        [1, OWNER.public, P.bytes, CHILD, 999_990],
    ],
)
def test_a_signature_over_something_else_is_none(capabilities: SignedCapabilities, body: list[Any]) -> None:
    assert capabilities.owner(_signed(OWNER, body), P, CHILD) is None


def test_it_cannot_be_truncated_changed_or_continued(capabilities: SignedCapabilities) -> None:
    given = capabilities.issue(P, CHILD)
    for length in range(len(given)):
        changed = given[:length] + bytes([given[length] ^ 1]) + given[length + 1 :]
        assert capabilities.owner(given[:length], P, CHILD) is None
        assert capabilities.owner(changed, P, CHILD) is None
    assert capabilities.owner(given + b"\0", P, CHILD) is None


def test_a_signature_for_another_purpose_is_none(capabilities: SignedCapabilities) -> None:
    body, _ = unpack(capabilities.issue(P, CHILD), limits.capability_bytes_max)
    assert capabilities.owner(pack([body, OWNER.sign(b"swarmd node record", body)]), P, CHILD) is None


@given(data=st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_noise_is_none(data: bytes) -> None:
    assert SignedCapabilities(OWNER, SWARM, Clock()).owner(data, P, CHILD) is None


@given(
    body=st.lists(st.none() | st.integers() | st.binary(max_size=40) | st.lists(st.integers(), max_size=2), max_size=7),
    signature=st.none() | st.binary(max_size=70) | st.integers(),
)
@settings(deadline=None, max_examples=200)
def test_msgpack_of_another_shape_is_none(body: list[Any], signature: Any) -> None:
    try:
        data = pack([pack(body), signature])
    except (OverflowError, ValueError):
        return
    assert SignedCapabilities(OWNER, SWARM, Clock()).owner(data, P, CHILD) is None
