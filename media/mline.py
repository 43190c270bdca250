"""One m-line of an offer: what a client would send or take there, in which codecs and with which header extensions.

What an answer may repeat of it is limited to printable ASCII without spaces here, so that nothing can break its line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from foundation import limits
from media.codecs import forwarded
from media.parameters import Codec
from media.sdp_lines import Section, refuse

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]


@dataclass(frozen=True, slots=True)
class OfferedExtension:
    """An `a=extmap` line (RFC 8285 section 5); `direction` is `sendrecv` where the line has none."""

    id: int
    uri: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """One m-line. `direction` is the client's; `rejected` is true where the client itself does not want the line.

    What follows `rejected` is read of wanted RTP lines only. `codecs` are those whose name is known, in the client's
    order of preference; `feedback` is by payload type, as SDP spells it; `ssrc` is that of the media (not of RTX or
    FEC) where the client named exactly one, and `rtx_ssrc` the one it groups with that for RTX.
    """

    kind: str
    protocol: str
    formats: tuple[str, ...]
    mid: str = ""
    direction: Direction = "sendrecv"
    rejected: bool = False
    codecs: tuple[Codec, ...] = ()
    extensions: tuple[OfferedExtension, ...] = ()
    feedback: Mapping[int, frozenset[str]] = field(default_factory=dict)
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    rtcp_rsize: bool = False

    @property
    def forwardable(self) -> tuple[Codec, ...]:
        """The codecs of which the SFU takes or gives streams."""
        return tuple(codec for codec in self.codecs if forwarded(codec))

    def rtx_payload_type(self, codec: Codec) -> int | None:
        """The payload type offered for retransmissions of this codec (RFC 4588 section 8.6), the first of several."""
        apt = str(codec.payload_type)
        for offered in self.codecs:
            if offered.name == "RTX" and offered.clock_rate == codec.clock_rate and offered.parameter("apt") == apt:
                return offered.payload_type
        return None

    @property
    def answerable(self) -> bool:
        """Whether an answer may keep the line: it is wanted, is RTP, and has a codec that we could forward."""
        return bool(self.forwardable)

    @property
    def receives(self) -> bool:
        """Whether the client takes media on this line."""
        return self.answerable and self.direction in ("sendrecv", "recvonly")


_token = r"[!#-'*+\-.0-9A-Z^-~]"
_head = re.compile(
    rf"({_token}{{1,32}}) ([0-9]{{1,5}})(?:/[0-9]{{1,5}})? ([A-Za-z0-9/+.-]{{1,64}}) ([!-~ ]+)", re.ASCII
)
_mid = re.compile(rf"{_token}{{1,64}}", re.ASCII)
_rtp_protocol = re.compile(r"(?:(?:UDP|TCP)/TLS/)?RTP/S?AVPF?")
"""RFC 9429 section 5.1.2: all of these mean the same to a WebRTC endpoint."""


def read_media(section: Section, session: Section, bundles: Sequence[Sequence[str]]) -> MediaOffer:
    """One m-line; `bundles` are the mids of each BUNDLE group. Raises `BadOffer`.

    Port 0 rejects a line, unless it is `bundle-only`; such a line may leave out what the group's first line says
    (RFC 9143 section 6), as RFC 9725's own example does with `rtcp-mux`.
    """
    match = _head.fullmatch(section.head)
    formats = match[4].split() if match else []
    if not match or not 1 <= len(formats) <= limits.sdp_formats_max or any(len(item) > 32 for item in formats):
        refuse("an m-line is malformed")
    mid = section.first("mid") or ""
    if mid and not _mid.fullmatch(mid):
        refuse("a mid is malformed")
    bundle_only = "bundle-only" in section.attributes and any(mid in bundle for bundle in bundles)
    line = MediaOffer(
        kind=match[1],
        protocol=match[3],
        formats=tuple(formats),
        mid=mid,
        direction=_direction(section, session),
        rejected=int(match[2]) == 0 and not bundle_only,
    )
    if line.rejected or line.kind not in ("audio", "video") or not _rtp_protocol.fullmatch(line.protocol):
        return line
    if "rtcp-mux" not in section.attributes and not bundle_only:
        refuse("RTCP is not multiplexed (a=rtcp-mux)")
    codecs = _codecs(line.kind, formats, section)
    ssrc, rtx_ssrc = _ssrcs(section)
    return replace(
        line,
        codecs=codecs,
        extensions=_extensions(session, section),
        feedback=_feedback(codecs, section.all("rtcp-fb")),
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        rtcp_rsize="rtcp-rsize" in section.attributes,
    )


def _direction(section: Section, session: Section) -> Direction:
    for source in (section, session):
        for direction in get_args(Direction):
            if direction in source.attributes:
                return cast(Direction, direction)
    return "sendrecv"


_rtpmap = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9_.+-]{1,64})/([0-9]{1,9})(?:/([0-9]{1,3}))?", re.ASCII)
_static = {0: ("PCMU", 8000, 1), 8: ("PCMA", 8000, 1), 9: ("G722", 8000, 1)}
"""RFC 3551 table 4: those we forward; the rest of the table is not offered by anything that speaks WebRTC."""


def _codecs(kind: str, formats: list[str], section: Section) -> tuple[Codec, ...]:
    maps = dict(_static) if kind == "audio" else {}
    mapped: dict[int, tuple[str, int, int]] = {}
    for value in section.all("rtpmap"):
        match = _rtpmap.fullmatch(value)
        if not match or int(match[1]) > 127:
            refuse("an rtpmap is malformed")
        entry = (match[2], int(match[3]), int(match[4] or 1))
        if mapped.setdefault(int(match[1]), entry) != entry:
            refuse("a payload type stands for two codecs")
    maps.update(mapped)
    parameters = _parameters(section.all("fmtp"))
    codecs: dict[int, Codec] = {}
    for text in formats:
        payload_type = _payload_type(text)
        if payload_type is None or payload_type not in maps:
            continue
        name, clock_rate, channels = maps[payload_type]
        told = tuple(parameters.get(payload_type, {}).items())
        of_audio = channels if kind == "audio" else None
        codecs.setdefault(payload_type, Codec(f"{kind}/{name}", clock_rate, of_audio, payload_type, told))
    return tuple(codecs.values())


def _payload_type(text: str) -> int | None:
    """64 to 95 are None: next to multiplexed RTCP they cannot be told from its packet types (RFC 5761 section 4)."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        return None
    number = int(text)
    return number if number < 64 or 96 <= number <= 127 else None


_parameter_key = re.compile(r"[A-Za-z0-9_.+/-]{1,64}", re.ASCII)
_parameter_value = re.compile(r"[ -:<-~]{0,256}", re.ASCII)
_parameters_max = 32
"""Kept of one codec, as in `media.parameters`; what is beyond, or looks like nothing known, means nothing to us."""


def _parameters(lines: Iterable[str]) -> dict[int, dict[str, str]]:
    """`fmtp` parameters by payload type; a bare token has the value ""."""
    found: dict[int, dict[str, str]] = {}
    for line in lines:
        text, _, rest = line.partition(" ")
        payload_type = _payload_type(text)
        if payload_type is None:
            continue
        own = found.setdefault(payload_type, {})
        for item in rest.split(";"):
            key, _, value = (part.strip() for part in item.partition("="))
            if len(own) < _parameters_max and _parameter_key.fullmatch(key) and _parameter_value.fullmatch(value):
                own.setdefault(key, value)
    return found


_extmap = re.compile(r"([0-9]{1,5})(?:/([a-z]{8}))? +([!-~]{1,256})(?: .*)?", re.ASCII)


def _extensions(session: Section, section: Section) -> tuple[OfferedExtension, ...]:
    """By URI, the first line of each; session-level lines hold for every m-line (RFC 8285 section 5)."""
    by_uri: dict[str, OfferedExtension] = {}
    by_id: dict[int, str] = {}
    lines = (*section.all("extmap"), *session.all("extmap"))
    if len(lines) > limits.sdp_extensions_max:
        refuse(f"an m-line has more than {limits.sdp_extensions_max} header extensions")
    for value in lines:
        match = _extmap.fullmatch(value)
        direction = (match[2] or "sendrecv") if match else ""
        if not match or direction not in get_args(Direction):
            refuse("an extmap is malformed")
        identifier, uri = int(match[1]), match[3]
        if by_id.setdefault(identifier, uri) != uri:
            refuse("a header extension id stands for two extensions")
        by_uri.setdefault(uri, OfferedExtension(identifier, uri, cast(Direction, direction)))
    return tuple(by_uri.values())


_feedback_kept = frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"})


def _feedback(codecs: tuple[Codec, ...], lines: Iterable[str]) -> dict[int, frozenset[str]]:
    by_format: dict[str, set[str]] = {}
    for line in lines:
        text, _, rest = line.partition(" ")
        kind = " ".join(rest.split()).lower()
        if kind in _feedback_kept:
            by_format.setdefault(text, set()).add(kind)
    for_all = by_format.get("*", set())
    return {codec.payload_type: frozenset(for_all | by_format.get(str(codec.payload_type), set())) for codec in codecs}


def _ssrcs(section: Section) -> tuple[int | None, int | None]:
    """The SSRCs of the media and of its RTX: the first and second of an FID group (RFC 5576, RFC 4588 section 8.2).

    Also the first of an FEC-FR group (RFC 5956) or of old-style simulcast is the media's.
    """
    named = dict.fromkeys(_ssrc_number(line.partition(" ")[0]) for line in section.all("ssrc"))
    groups = [line.split() for line in section.all("ssrc-group")]
    first, repairs = None, {}
    for semantics, *members in (group for group in groups if group):
        numbers = [_ssrc_number(member) for member in members]
        if semantics in ("FID", "FEC-FR"):
            for repair in numbers[1:]:
                named.pop(repair, None)
        if semantics == "FID" and len(numbers) == 2:
            repairs[numbers[0]] = numbers[1]
        elif semantics == "SIM" and first is None and numbers and numbers[0] in named:
            first = numbers[0]
    media = first if first is not None else next(iter(named)) if len(named) == 1 else None
    return media, None if media is None else repairs.get(media)


def _ssrc_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= 0xFFFFFFFF):
        refuse("an ssrc is not a number of 32 bits")
    return int(text)
