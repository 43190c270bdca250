"""Messages as lines of text, the same for the same seed: short ids, and nothing whose order is left to chance."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from swarm.messages import Message

_ID_BYTES = 4
_unsaid = frozenset({"tracks", "capability", "record"})


def line(now: float, sender: bytes, receiver: bytes, message: Message) -> str:
    """`TIME FROM TO TYPE FIELD=VALUE...`"""
    told = " ".join(_fields(message))
    return f"{now:.6f} {_shown(sender)} {_shown(receiver)} {message.type} {told}\n"


def _fields(value: Any) -> list[str]:
    return [
        f"{field.name}={_shown(held)}"
        for field in fields(value)
        if field.name not in _unsaid and (held := getattr(value, field.name)) not in (None, "", b"", ())
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:_ID_BYTES].hex()
    if isinstance(value, UUID):
        return value.hex[: 2 * _ID_BYTES]
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list):
        return "[" + ",".join(_shown(item) for item in value) + "]"
    if is_dataclass(value):
        return "(" + " ".join(_fields(value)) + ")"
    return str(value)
