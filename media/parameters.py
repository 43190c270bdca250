"""What two ends agreed on for one track: codec, payload type, header extensions, SSRC. Immutable values."""

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from foundation.errors import RemoteError

Kind = Literal["audio", "video"]
KINDS: tuple[Kind, ...] = ("audio", "video")

_parameters_max = 32
"""Of one codec, or header extensions of one track: browsers stay under 16."""

_text_chars_max = 256
"""Of a name, value or URI; the longest real one (an AV1 or H.265 fmtp value) has under 100."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec as SDP names it (RFC 8866 `rtpmap`, `fmtp`); `parameters` in order, value `""` for a bare token."""

    mime_type: str
    clock_rate: int
    channels: int | None
    payload_type: int
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The encoding name in upper case: `VP8`, `H264`, `OPUS`."""
        return self.mime_type.partition("/")[2].upper()

    def parameter(self, key: str, default: str = "") -> str:
        """The value of one `fmtp` parameter."""
        return dict(self.parameters).get(key, default)


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """One RTP header extension (RFC 8285): local id 1-255 and URI."""

    id: int
    uri: str


@dataclass(frozen=True, slots=True)
class TrackParameters:
    """One direction of one track.

    `ssrc` is None while the sender did not say it: then the first packet with the payload type binds it.
    `feedback` holds the RTCP feedback both ends know, as SDP spells it: `nack`, `nack pli`, `ccm fir`, `goog-remb`,
    `transport-cc`. With `rtx_payload_type` retransmissions go as RTX (RFC 4588), under `rtx_ssrc`; that is None while
    the sender did not say it. On a link `backlog_end` is the 16-bit number of the newest packet that the sender had in
    its cache when the pipe began with packets from there, which come faster than live.
    """

    kind: Kind
    mid: str
    codec: Codec
    ssrc: int | None = None
    extensions: tuple[HeaderExtension, ...] = ()
    feedback: frozenset[str] = frozenset()
    rtx_payload_type: int | None = None
    rtx_ssrc: int | None = None
    backlog_end: int | None = None

    def with_ssrc(self, ssrc: int) -> "TrackParameters":
        return replace(self, ssrc=ssrc)

    def extension_id(self, uri: str) -> int | None:
        """The id under which this extension was agreed, or None."""
        return next((extension.id for extension in self.extensions if extension.uri == uri), None)

    def to_wire(self) -> dict[str, Any]:
        """A map of msgpack types, for the control messages of links."""
        codec = self.codec
        return {
            "kind": self.kind,
            "mid": self.mid,
            "ssrc": self.ssrc,
            "mime": codec.mime_type,
            "rate": codec.clock_rate,
            "channels": codec.channels,
            "pt": codec.payload_type,
            "fmtp": [list(pair) for pair in codec.parameters],
            "ext": [[extension.id, extension.uri] for extension in self.extensions],
            "fb": sorted(self.feedback),
            "rtx_pt": self.rtx_payload_type,
            "rtx_ssrc": self.rtx_ssrc,
            "backlog_end": self.backlog_end,
        }

    @classmethod
    def from_wire(cls, wire: Any) -> "TrackParameters":
        """The inverse of `to_wire`; unknown keys are ignored. Raises `RemoteError`."""
        try:
            return cls(
                kind=_kind(wire["kind"]),
                mid=_text(wire["mid"]),
                ssrc=_optional(wire["ssrc"], 0xFFFFFFFF),
                codec=Codec(
                    mime_type=_text(wire["mime"]),
                    clock_rate=_integer(wire["rate"], 1, 0xFFFFFFFF),
                    channels=None if wire["channels"] is None else _integer(wire["channels"], 1, 255),
                    payload_type=_integer(wire["pt"], 0, 127),
                    parameters=tuple((_text(key), _text(value)) for key, value in _items(wire["fmtp"])),
                ),
                extensions=tuple(HeaderExtension(_integer(i, 1, 255), _text(uri)) for i, uri in _items(wire["ext"])),
                feedback=frozenset(_text(item) for item in _items(wire["fb"])),
                rtx_payload_type=_optional(wire.get("rtx_pt"), 127),
                rtx_ssrc=_optional(wire.get("rtx_ssrc"), 0xFFFFFFFF),
                backlog_end=_optional(wire.get("backlog_end"), 0xFFFF),
            )
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            raise RemoteError("a track description is malformed") from exc


def _kind(value: Any) -> Kind:
    if value not in KINDS:
        raise ValueError(value)
    return cast(Kind, value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _text_chars_max:
        raise ValueError("text")
    return value


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("integer")
    return value


def _optional(value: Any, high: int) -> int | None:
    return None if value is None else _integer(value, 0, high)


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > _parameters_max:
        raise ValueError("list")
    return value
