"""msgpack for bytes from outside: bounded in size and depth, and one exception for everything that is wrong."""

from typing import Any

import msgpack

from foundation.errors import RemoteError


def pack(value: Any) -> bytes:
    """The msgpack encoding of `value` (None, bool, int, float, str, bytes, list, dict)."""
    packed = msgpack.packb(value, use_bin_type=True)
    assert isinstance(packed, bytes)
    return packed


def unpack(data: bytes, size_max: int) -> Any:
    """Decodes exactly one msgpack value of at most `size_max` bytes; arrays come as lists.

    Raises `RemoteError` for anything truncated, trailing, oversized, too deep, or with an extension type.
    """
    if len(data) > size_max:
        raise RemoteError("a message is too large")
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=False,
            max_str_len=size_max,
            max_bin_len=size_max,
            max_array_len=size_max,
            max_map_len=size_max,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as exc:
        raise RemoteError("a message is not msgpack") from exc
