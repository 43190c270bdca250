"""The control messages of a link: frozen values, and the msgpack maps they travel as.

Every map has `v` (the version) and `t` (the type). Unknown fields are ignored, unknown types and versions raise
errors of their own, because the first is answered with ERROR. docs/PROTOCOL.md explains every field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from foundation import limits
from foundation.address import Address, checked
from foundation.errors import LocalError, RemoteError
from foundation.identity import NODE_ID_BYTES, NodeId
from foundation.packing import pack, unpack
from media.parameters import TrackParameters

VERSION = 1
PROOF_BYTES = 32

_count_max = 0xFFFFFFFF
_rank_max = 0xFFFF
_code_chars_max = 32
_tracks_max = 2


class UnknownType(RemoteError):
    """A well-formed message of a type this version does not know: answered with ERROR."""

    def __init__(self, name: str) -> None:
        super().__init__("a control message has an unknown type")
        self.name = name


class UnknownVersion(RemoteError):
    """A message of another protocol version: answered with ERROR."""


class RefusalReason(StrEnum):
    """Why a CONSUME was refused; other texts from newer nodes are taken as they are."""

    BUSY = "busy"
    NOT_CARRIED = "not-carried"
    LOOP = "loop"
    RANK = "rank"
    DEPTH = "depth"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a parent ended a child's stream."""

    UNPUBLISHED = "unpublished"
    LOST = "lost"
    NOT_A_CHILD = "not-a-child"
    SILENT = "silent"
    IDLE = "idle"


class ErrorCode(StrEnum):
    """What was wrong with a message."""

    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_VERSION = "unknown-version"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side: its signed node record and, in a private swarm, the proof of the swarm key."""

    type: ClassVar[str] = "hello"
    record: bytes
    proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Consume:
    """Child to carrier: feed me. `rank_below` is set by an asker with children: only a lower rank may feed it."""

    type: ClassVar[str] = "consume"
    request: int
    producer: UUID
    tried: tuple[NodeId, ...] = ()
    delegations: int = 0
    rank_below: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Carrier to child: the pipe is open. `rank` and `lineage` are the carrier's; every track has its SSRC."""

    type: ClassVar[str] = "accepted"
    request: int
    producer: UUID
    rank: int
    lineage: tuple[NodeId, ...]
    tracks: tuple[TrackParameters, ...]


@dataclass(frozen=True, slots=True)
class Delegated:
    """Busy carrier to child: ask these carriers, best first; signed node records."""

    type: ClassVar[str] = "delegated"
    request: int
    producer: UUID
    candidates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Carrier to child: not from me, and I know nobody else. `reason` is a `RefusalReason` or a later word."""

    type: ClassVar[str] = "refused"
    request: int
    producer: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Child to parent: I no longer need the stream that this request opened."""

    type: ClassVar[str] = "leave"
    request: int
    producer: UUID


@dataclass(frozen=True, slots=True)
class Release:
    """Answer to an ACCEPTED that came too late or cannot be used: take the slot back."""

    type: ClassVar[str] = "release"
    request: int
    producer: UUID


@dataclass(frozen=True, slots=True)
class Ended:
    """Parent to child: nothing more will come. `reason` is an `EndReason` or a later word."""

    type: ClassVar[str] = "ended"
    request: int
    producer: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ReportedCandidate:
    """A carrier of a subtree, as a REPORT names it: its signed record, its rank, its free slots."""

    record: bytes
    rank: int
    relay_room: int
    viewer_room: int


@dataclass(frozen=True, slots=True)
class Report:
    """Child to parent: my own free slots, the carriers of my subtree (me included), and the best few below me."""

    type: ClassVar[str] = "report"
    request: int
    producer: UUID
    relay_room: int
    viewer_room: int
    size: int
    candidates: tuple[ReportedCandidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """Parent to child: where I hang now; as in ACCEPTED."""

    type: ClassVar[str] = "lineage"
    request: int
    producer: UUID
    rank: int
    lineage: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """Who hangs below you? Goes down at most `levels` more levels; the asker waits for `wait_ms`."""

    type: ClassVar[str] = "tree"
    request: int
    producer: UUID
    levels: int
    wait_ms: int


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One carrier of a tree; `parent` is the index of its parent in the same list, None for the first."""

    node: NodeId
    url: str
    address: Address
    viewers: int
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class TreeReply:
    """The subtree of the answering node, itself first, parents before children; no nodes when it does not carry."""

    type: ClassVar[str] = "tree-reply"
    request: int
    producer: UUID
    nodes: tuple[TreeNode, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Error:
    """A message of the receiver could not be used; never answered. `about` is the type it had, or empty."""

    type: ClassVar[str] = "error"
    code: str
    about: str = ""


Message = (
    Hello
    | Consume
    | Accepted
    | Delegated
    | Refused
    | Leave
    | Release
    | Ended
    | Report
    | Lineage
    | Tree
    | TreeReply
    | Error
)


def encode(message: Message) -> bytes:
    """The bytes of a message. Raises `LocalError` when it does not fit into `control_message_bytes_max`."""
    _, fields = _SCHEMA[message.type]
    wire: dict[str, Any] = {"v": VERSION, "t": message.type}
    for name, field in fields.items():
        value = getattr(message, name)
        if value is not None:
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
    record, rank, relay_room, viewer_room = _parts(value, 4)
    return ReportedCandidate(_record(record), _rank(rank), _count(relay_room), _count(viewer_room))


def _write_candidate(candidate: ReportedCandidate) -> list[Any]:
    return [candidate.record, candidate.rank, candidate.relay_room, candidate.viewer_room]


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

_ABOUT: dict[str, _Field] = {
    "request": _Field(_integer(2**63 - 1)),
    "producer": _Field(_read_producer, lambda producer: producer.bytes),
}
_POSITION = {
    "rank": _Field(_rank),
    "lineage": _Field(_items(_node, 1, limits.lineage_nodes_max), list),
}

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
        },
    ),
    Accepted.type: (Accepted, _ABOUT | _POSITION | {"tracks": _Field(_read_tracks, _all(TrackParameters.to_wire))}),
    Delegated.type: (
        Delegated,
        _ABOUT | {"candidates": _Field(_items(_record, 1, limits.delegated_candidates_max), list)},
    ),
    Refused.type: (Refused, _ABOUT | {"reason": _Field(_code, str)}),
    Leave.type: (Leave, _ABOUT),
    Release.type: (Release, _ABOUT),
    Ended.type: (Ended, _ABOUT | {"reason": _Field(_code, str)}),
    Report.type: (
        Report,
        _ABOUT
        | {
            "relay_room": _Field(_count),
            "viewer_room": _Field(_count),
            "size": _Field(_count),
            "candidates": _Field(
                _items(_read_candidate, 0, limits.report_candidates_max), _all(_write_candidate), optional=True
            ),
        },
    ),
    Lineage.type: (Lineage, _ABOUT | _POSITION),
    Tree.type: (
        Tree,
        _ABOUT | {"levels": _Field(_integer(limits.tree_levels_max)), "wait_ms": _Field(_integer(60_000))},
    ),
    TreeReply.type: (
        TreeReply,
        _ABOUT | {"nodes": _Field(_read_nodes, _all(_write_node)), "left_out": _Field(_count, optional=True)},
    ),
    Error.type: (Error, {"code": _Field(_code, str), "about": _Field(_code, optional=True)}),
}
