"""How many bytes a control message has, without encoding each: messages of one shape are encoded once.

A shape is the type, and how much each field of variable length holds; what is left are integers, which differ by a
few bytes.
"""

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any
from uuid import UUID

from swarm.messages import Message
from swarm.wire import encode

_variable: dict[type, tuple[str, ...]] = {}
_known: dict[Hashable, int] = {}


def size(message: Message) -> int:
    """Bytes of its encoding, within a few."""
    shape = (message.__class__, *_lengths(message))
    known = _known.get(shape)
    if known is None:
        known = _known[shape] = len(encode(message))
    return known


def _lengths(value: Any) -> list[Any]:
    """Of every field that may be absent, or longer than it is now."""
    kind = value.__class__
    names = _variable.get(kind)
    if names is None:
        names = _variable[kind] = tuple(field.name for field in fields(value) if field.type not in (int, bool, UUID))
    lengths: list[Any] = []
    for name in names:
        held = getattr(value, name)
        if held.__class__ is tuple:
            lengths.append(len(held))
            # What a list of candidates weighs depends on which of them bring their records.
            if held and is_dataclass(held[0]) and name != "tracks":
                lengths.append(sum(_weight(item) for item in held))
            elif held and held[0].__class__ is bytes:
                lengths.append(sum(map(len, held)))
        elif held is None:
            lengths.append(-1)
        elif held.__class__ is int:
            lengths.append(0)
        else:
            lengths.append(len(held))
    return lengths


def _weight(item: Any) -> int:
    """Bytes and characters in a part of a message."""
    kind = item.__class__
    names = _variable.get(kind)
    if names is None:
        names = _variable[kind] = tuple(field.name for field in fields(item) if _is_text(getattr(item, field.name)))
    weight = 0
    for name in names:
        held = getattr(item, name)
        if held is not None:
            weight += len(held)
    return weight


def _is_text(value: Any) -> bool:
    return isinstance(value, bytes | str)
