import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteError
from foundation.packing import pack, unpack

SIZE_MAX = 4096

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_packed_comes_back(value: object) -> None:
    assert unpack(pack(value), SIZE_MAX) == value


@given(values)
def test_every_truncation_and_every_trailing_byte_is_a_remote_error(value: object) -> None:
    packed = pack(value)
    for end in range(len(packed)):
        with pytest.raises(RemoteError):
            unpack(packed[:end], SIZE_MAX)
    with pytest.raises(RemoteError):
        unpack(packed + b"\0", SIZE_MAX)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_a_remote_error(data: bytes) -> None:
    with contextlib.suppress(RemoteError):
        unpack(data, SIZE_MAX)


@pytest.mark.parametrize(
    "data",
    [
        pack(b"x" * 5000),
        msgpack.packb(msgpack.ExtType(4, b"x")),
        msgpack.packb(msgpack.Timestamp(1)),
        b"\x91" * 4000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xa2\xff\xff",
        b"\x81\x90\x00",
        b"\xc1",
    ],
    ids=["oversized", "extension", "timestamp", "deep", "huge array", "huge map", "not utf-8", "list key", "reserved"],
)
def test_hostile_values_are_a_remote_error(data: bytes) -> None:
    with pytest.raises(RemoteError):
        unpack(data, SIZE_MAX)
