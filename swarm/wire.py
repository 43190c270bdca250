"""The bytes of control messages: msgpack maps. Every map has `v` (the version) and `t` (the type).

Unknown fields are ignored; unknown types and versions raise errors of their own, because links answer them with ERROR.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from foundation import limits
from foundation.address import checked
from foundation.errors import LocalError, RemoteError
from foundation.identity import NODE_ID_BYTES
from foundation.packing import pack, unpack
from media.parameters import TrackParameters
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Claim,
    Claimed,
    Consume,
    Delegated,
    Ended,
    Error,
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
    Recruit,
    Recruited,
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

VERSION = 1
PROOF_BYTES = 32
CLAIMANT_BYTES = 32

_count_max = 0xFFFFFFFF
_rank_max = 0xFFFF
_delay_ms_max = 60_000
_code_chars_max = 32
_tracks_max = 2
_carriers_max = limits.report_relays_max + limits.report_viewers_max

_EMPTY: tuple[Any, ...] = ((), b"", "")
"""Values of optional fields that need not travel."""


class UnknownType(RemoteError):
    """A well-formed message of a type this version does not know: answered with ERROR."""

    def __init__(self, name: str) -> None:
        super().__init__("a control message has an unknown type")
        self.name = name


class UnknownVersion(RemoteError):
    """A message of another protocol version: answered with ERROR."""


def encode(message: Message) -> bytes:
    """The bytes of a message. Raises `LocalError` when it does not fit into `control_message_bytes_max`."""
    _, fields = _SCHEMA[message.type]
    wire: dict[str, Any] = {"v": VERSION, "t": message.type}
    for name, field in fields.items():
        value = getattr(message, name)
        if value is not None and not (field.optional and value in _EMPTY):
            wire[name] = field.write(value)
    data = pack(wire)
    if len(data) > limits.control_message_bytes_max:
        raise LocalError(f"a {message.type} message of {len(data)} bytes does not fit into a link's messages")
    return data


def decode(data: bytes) -> Message:
    """The message in these bytes. Raises `UnknownType`, `UnknownVersion`, or `RemoteError` for anything malformed."""
    wire = unpack(data, limits.control_message_bytes_max)
    if not isinstance(wire, dict):
        raise RemoteError("a control message is not a map")
    if type(wire.get("v")) is not int or wire["v"] != VERSION:
        raise UnknownVersion("a control message has an unknown version")
    name = _code(wire.get("t"))
    if name not in _SCHEMA:
        raise UnknownType(name)
    kind, fields = _SCHEMA[name]
    values: dict[str, Any] = {}
    for key, field in fields.items():
        value = wire.get(key)
        if value is not None:
            values[key] = field.read(value)
        elif not field.optional:
            raise RemoteError(f"a {name} message has no {key}")
    message: Message = kind(**values)
    return message


# --- fields: each reads a msgpack value into a checked one, and writes it back ----------------------------------------


@dataclass(frozen=True, slots=True)
class _Field:
    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value
    optional: bool = False


def _integer(maximum: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not 0 <= value <= maximum:
            raise RemoteError("a control message has a wrong number")
        return value

    return read


def _bytes(minimum: int, maximum: int) -> Callable[[Any], bytes]:
    def read(value: Any) -> bytes:
        if not isinstance(value, bytes) or not minimum <= len(value) <= maximum:
            raise RemoteError("a control message has bytes of a wrong length")
        return value

    return read


def _items(read_one: Callable[[Any], Any], minimum: int, maximum: int) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not minimum <= len(value) <= maximum:
            raise RemoteError("a control message has too many items, or too few")
        return tuple(read_one(item) for item in value)

    return read


def _parts(value: Any, count: int) -> list[Any]:
    """A list that may have grown in a newer version: its first `count` items."""
    if not isinstance(value, list) or len(value) < count:
        raise RemoteError("a control message has an item that is too short")
    return value[:count]


def _code(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _code_chars_max or not value.isprintable():
        raise RemoteError("a control message has a malformed word")
    return value


def _read_url(value: Any) -> str:
    if not isinstance(value, str) or len(value) > limits.node_record_url_bytes_max or not value.isprintable():
        raise RemoteError("a control message has a malformed url")
    return value


def _read_producer(value: Any) -> UUID:
    return UUID(bytes=_bytes(16, 16)(value))


def _read_tracks(value: Any) -> tuple[TrackParameters, ...]:
    tracks: tuple[TrackParameters, ...] = _items(TrackParameters.from_wire, 1, _tracks_max)(value)
    if len({track.kind for track in tracks}) < len(tracks):
        raise RemoteError("a producer has two tracks of one kind")
    ssrcs = [track.ssrc for track in tracks] + [track.rtx_ssrc for track in tracks if track.rtx_ssrc is not None]
    if None in ssrcs or len(set(ssrcs)) < len(ssrcs):
        raise RemoteError("a piped track has no SSRC of its own")
    return tracks


def _read_candidate(value: Any) -> ReportedCandidate:
    node, *numbers = _parts(value, 5)
    rank, relay_room, viewer_room, spare = numbers
    return ReportedCandidate(_node(node), _rank(rank), _count(relay_room), _count(viewer_room), _count(spare))


def _write_candidate(candidate: ReportedCandidate) -> list[Any]:
    return [candidate.node, candidate.rank, candidate.relay_room, candidate.viewer_room, candidate.spare]


def _read_position(value: Any) -> Position:
    kind, sequence = _parts(value, 2)
    if kind not in ("audio", "video"):
        raise RemoteError("a position is of no known kind")
    return Position(kind, _integer(0xFFFF)(sequence))


def _write_position(position: Position) -> list[Any]:
    return [position.kind, position.sequence]


def _read_backup(value: Any) -> Backup:
    record, rank, delay_ms = _parts(value, 3)
    return Backup(_record(record), _rank(rank), _delay_ms(delay_ms))


def _write_backup(backup: Backup) -> list[Any]:
    return [backup.record, backup.rank, backup.delay_ms]


def _read_place(value: Any) -> Place:
    node, url, count = _parts(value, 3)
    return Place(_node(node), _read_url(url), _count(count))


def _write_place(place: Place) -> list[Any]:
    return [place.node, place.url, place.count]


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise RemoteError("a control message has a flag that is none")
    return value


def _region(value: Any) -> str:
    if not isinstance(value, str) or len(value) > limits.node_record_label_bytes_max or not value.isprintable():
        raise RemoteError("a control message has a malformed region")
    return value


def _read_nodes(value: Any) -> tuple[TreeNode, ...]:
    nodes: tuple[TreeNode, ...] = _items(_read_node, 0, limits.tree_nodes_max)(value)
    for index, node in enumerate(nodes):
        if (index == 0) != (node.parent is None) or (node.parent or 0) > max(0, index - 1):
            raise RemoteError("a tree is not in order: parents come before their children")
    return nodes


def _read_node(value: Any) -> TreeNode:
    node, url, ip, port, viewers, parent = _parts(value, 6)
    return TreeNode(
        _node(node), _read_url(url), checked(ip, port), _count(viewers), None if parent is None else _count(parent)
    )


def _write_node(node: TreeNode) -> list[Any]:
    return [node.node, node.url, *node.address, node.viewers, node.parent]


def _all(write_one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [write_one(value) for value in values]


_count = _integer(_count_max)
_rank = _integer(_rank_max)
_node = _bytes(NODE_ID_BYTES, NODE_ID_BYTES)
_record = _bytes(1, limits.node_record_bytes_max)
_delay_ms = _integer(_delay_ms_max)
_capability = _Field(_bytes(0, limits.capability_bytes_max), optional=True)

_PRODUCER: dict[str, _Field] = {"producer": _Field(_read_producer, lambda producer: producer.bytes)}
_ABOUT: dict[str, _Field] = {"request": _Field(_integer(2**63 - 1))} | _PRODUCER
_STANDING = {
    "rank": _Field(_rank),
    "lineage": _Field(_items(_node, 1, limits.lineage_nodes_max), list),
    "delay_ms": _Field(_delay_ms, optional=True),
    "epoch": _Field(_integer(2**63 - 1), optional=True),
}
_ROOM = {"relay_room": _Field(_count), "viewer_room": _Field(_count), "spare": _Field(_count)}

_SCHEMA: dict[str, tuple[Callable[..., Any], dict[str, _Field]]] = {
    Hello.type: (
        Hello,
        {"record": _Field(_record), "proof": _Field(_bytes(PROOF_BYTES, PROOF_BYTES), optional=True)},
    ),
    Consume.type: (
        Consume,
        _ABOUT
        | {
            "tried": _Field(_items(_node, 0, limits.tried_nodes_max), list, optional=True),
            "delegations": _Field(_integer(limits.delegations_max), optional=True),
            "rank_below": _Field(_rank, optional=True),
            "purpose": _Field(_code, str, optional=True),
            "region": _Field(_region, optional=True),
            "capability": _capability,
            "epoch": _Field(_integer(2**63 - 1), optional=True),
            "resume": _Field(_items(_read_position, 0, _tracks_max), _all(_write_position), optional=True),
        },
    ),
    Accepted.type: (
        Accepted,
        _ABOUT | _STANDING | {"tracks": _Field(_read_tracks, _all(TrackParameters.to_wire)), "capability": _capability},
    ),
    Delegated.type: (
        Delegated,
        _ABOUT
        | {"candidates": _Field(_items(_record, 1, limits.delegated_candidates_max), list), "capability": _capability},
    ),
    Refused.type: (Refused, _ABOUT | {"reason": _Field(_code, str)}),
    Leave.type: (Leave, _ABOUT),
    Release.type: (Release, _ABOUT),
    Ended.type: (Ended, _ABOUT | {"reason": _Field(_code, str)}),
    Report.type: (
        Report,
        _ABOUT
        | _ROOM
        | {
            "size": _Field(_count),
            "carriers": _Field(_items(_read_candidate, 0, _carriers_max), _all(_write_candidate), optional=True),
            "records": _Field(_items(_record, 0, _carriers_max), list, optional=True),
            "delay_ms": _Field(_delay_ms, optional=True),
        },
    ),
    Lineage.type: (Lineage, _ABOUT | _STANDING),
    Tree.type: (
        Tree,
        _ABOUT | {"levels": _Field(_integer(limits.tree_levels_max)), "wait_ms": _Field(_integer(60_000))},
    ),
    TreeReply.type: (
        TreeReply,
        _ABOUT | {"nodes": _Field(_read_nodes, _all(_write_node)), "left_out": _Field(_count, optional=True)},
    ),
    Backups.type: (
        Backups,
        _ABOUT | {"backups": _Field(_items(_read_backup, 0, limits.backups_max), _all(_write_backup))},
    ),
    Handover.type: (
        Handover,
        _ABOUT | {"candidates": _Field(_items(_record, 0, limits.delegated_candidates_max), list)},
    ),
    Find.type: (
        Find,
        _PRODUCER
        | {
            "places": _Field(_count),
            "region": _Field(_region, optional=True),
            "room": _Field(_count, optional=True),
            "avoid": _Field(_items(_node, 0, limits.find_avoided_max), list, optional=True),
        },
    ),
    Places.type: (
        Places,
        _PRODUCER
        | {
            "places": _Field(_items(_read_place, 0, limits.find_places_max), _all(_write_place)),
            "retry_ms": _Field(_integer(60_000), optional=True),
        },
    ),
    Probe.type: (Probe, _PRODUCER),
    Probed.type: (Probed, {"record": _Field(_record)} | _ROOM | {"carries": _Field(_flag, optional=True)}),
    Recruit.type: (Recruit, _PRODUCER | {"parent": _Field(_record), "capability": _capability}),
    Recruited.type: (Recruited, _ROOM),
    Offer.type: (Offer, {"record": _Field(_record)} | _ROOM),
    Renew.type: (Renew, _PRODUCER),
    Renewed.type: (Renewed, {"capability": _Field(_bytes(1, limits.capability_bytes_max))}),
    Claim.type: (Claim, _PRODUCER | {"claimant": _Field(_bytes(CLAIMANT_BYTES, CLAIMANT_BYTES))}),
    Claimed.type: (Claimed, {"granted": _Field(_flag)}),
    Error.type: (Error, {"code": _Field(_code, str), "about": _Field(_code, optional=True)}),
}
