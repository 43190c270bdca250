import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dht.peer import (
    Peer,
    checked_address,
    distance,
    means_the_same,
    pack_address,
    pack_peer,
    unpack_address,
    unpack_peer,
)
from foundation.errors import RemoteError

ADDRESSES = [("192.0.2.1", 1), ("2001:db8::1", 65535), ("127.0.0.1", 7400)]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_survives_the_wire(address: tuple[str, int]) -> None:
    assert unpack_address(pack_address(address)) == address


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_contact_survives_the_wire(address: tuple[str, int]) -> None:
    peer = Peer(bytes(20), address)
    assert unpack_peer(pack_peer(peer)) == peer


def test_a_mapped_ipv4_address_is_normalised() -> None:
    assert unpack_address([bytes(10) + b"\xff\xff\xc0\x00\x02\x01", 5]) == ("192.0.2.1", 5)


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        {},
        [b"\xc0\0\2\1"],
        [b"\xc0\0\2\1", 1, 1],
        [b"\xc0\0\2", 1],
        [b"\xc0\0\2\1\0", 1],
        ["192.0.2.1", 1],
        ["host.example", 1],
        [b"\xc0\0\2\1", 0],
        [b"\xc0\0\2\1", 65536],
        [b"\xc0\0\2\1", -1],
        [b"\xc0\0\2\1", True],
        [b"\xc0\0\2\1", 1.0],
        [b"\xc0\0\2\1", "1"],
        [bytes(4), 1],
        [bytes(16), 1],
        [b"\xe0\0\0\1", 1],
        [b"\xff\2" + bytes(13) + b"\1", 1],
    ],
)
def test_an_address_one_cannot_send_to_is_refused(wire: object) -> None:
    with pytest.raises(RemoteError):
        unpack_address(wire)


@pytest.mark.parametrize("node", [b"", bytes(19), bytes(21), "a" * 20, None, 5])
def test_a_contact_whose_id_is_not_20_bytes_is_refused(node: object) -> None:
    with pytest.raises(RemoteError):
        unpack_peer([node, b"\xc0\0\2\1", 1])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.binary() | st.text(), st.lists, max_leaves=5))
def test_anything_at_all_is_a_contact_or_refused(wire: object) -> None:
    with contextlib.suppress(RemoteError):
        assert isinstance(unpack_peer(wire), Peer)


def test_a_source_port_of_zero_is_refused() -> None:
    with pytest.raises(RemoteError):
        checked_address("192.0.2.1", 0)


def test_loopback_means_the_same_only_on_the_same_machine() -> None:
    assert means_the_same("127.0.0.1", to="127.0.0.1")
    assert means_the_same("192.0.2.1", to="192.0.2.7")
    assert not means_the_same("127.0.0.1", to="192.0.2.7")
    assert not means_the_same("::1", to="192.0.2.7")


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_the_distance_is_a_metric(one: bytes, other: bytes) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
