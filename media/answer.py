"""Writes the SDP answer to an offer (RFC 8866, RFC 9429 section 5.3): ICE-lite, everything on one transport."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foundation.address import Address
from foundation.errors import LocalError
from media.codecs import received_parameters
from media.mline import MediaOffer
from media.parameters import Codec, TrackParameters
from media.plan import PublishPlan, ViewPlan
from media.sdp import Offer

_start_kilobits = "2500"
"""What 720p at 30 frames a second takes."""


@dataclass(frozen=True, slots=True)
class LocalPeer:
    """Our end of the transport; `setup` is `active` for an offer that is `passive`, else `passive` (RFC 8842).

    `candidates` are the addresses at which the client may reach us, the best first (FFmpeg tries no other).
    """

    ufrag: str
    pwd: str
    fingerprint_sha256: str
    setup: Literal["active", "passive"]
    candidates: Sequence[Address]


def write_answer(offer: Offer, plan: PublishPlan | ViewPlan, local: LocalPeer, stream_id: str) -> str:
    """The answer, with an m-line for each m-line of the offer, in its order.

    The tracks of a viewer's plan need SSRCs by now, for RTX too where it was planned; `stream_id` is its MediaStream's
    id and our CNAME. An m-line that is wanted but has no track is answered `inactive` (see `_media`); the others are
    rejected with port 0. Raises `LocalError` for a missing SSRC, and for a `local` or a `stream_id` that would not stay
    within its line.
    """
    tracks = {track.mid: track for track in plan.tracks}
    kept = [line.mid for line in offer.media if line.answerable]
    lines = [
        "v=0",
        f"o=- {_session_id(local)} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if offer.bundle:
        lines.append("a=group:BUNDLE " + " ".join(mid for mid in offer.bundle if mid in kept))
    lines.append("a=msid-semantic:WMS *")
    for line in offer.media:
        if not line.answerable:
            lines += _rejected(line)
        elif (track := tracks.get(line.mid)) is None:
            lines += _media(line, local, line.forwardable[0], None, "inactive")
        elif isinstance(plan, PublishPlan):
            lines += _media(line, local, track.codec, track.rtx_payload_type, "recvonly")
            lines += _track(line, track, (*received_parameters(track.codec), *_start_bitrate(track)))
        else:
            lines += _media(line, local, track.codec, track.rtx_payload_type, "sendonly")
            lines += _track(line, track, track.codec.parameters)
            lines += _source(track, stream_id)
    return _joined(lines)


def _rejected(line: MediaOffer) -> list[str]:
    mid = [f"a=mid:{line.mid}"] if line.mid else []
    return [f"m={line.kind} 0 {line.protocol} {line.formats[0]}", "c=IN IP4 0.0.0.0", "a=inactive", *mid]


def _media(line: MediaOffer, local: LocalPeer, codec: Codec, rtx: int | None, direction: str) -> list[str]:
    """What every kept m-line says.

    A wanted line without a track is kept as `inactive` instead of rejected: a rejected one leaves the BUNDLE group,
    may be the very one that the group's transport hangs on, and makes aiortc refuse the whole answer.
    """
    ip, port = local.candidates[0] if local.candidates else ("0.0.0.0", 9)
    name = codec.mime_type.partition("/")[2]
    channels = f"/{codec.channels}" if (codec.channels or 1) > 1 else ""
    return [
        f"m={line.kind} {port} {line.protocol} {codec.payload_type}" + ("" if rtx is None else f" {rtx}"),
        f"c=IN {_family(ip)} {ip}",
        *([f"a=mid:{line.mid}"] if line.mid else []),
        f"a={direction}",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint_sha256}",
        f"a=setup:{local.setup}",
        *_candidates(local),
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if line.rtcp_rsize else []),
        f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}",
        *([] if rtx is None else [f"a=rtpmap:{rtx} rtx/{codec.clock_rate}", f"a=fmtp:{rtx} apt={codec.payload_type}"]),
    ]


def _candidates(local: LocalPeer) -> list[str]:
    """RFC 8839 section 5.1; the priorities (RFC 8445 section 5.1.2) keep the given order."""
    lines = []
    for index, (ip, port) in enumerate(local.candidates):
        priority = (126 << 24) | ((65535 - index) << 8) | 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {ip} {port} typ host")
    return [*lines, "a=end-of-candidates"]


def _track(line: MediaOffer, track: TrackParameters, parameters: Sequence[tuple[str, str]]) -> list[str]:
    payload_type = track.codec.payload_type
    lines = [f"a=rtcp-fb:{payload_type} {feedback}" for feedback in sorted(track.feedback)]
    if parameters:
        lines.append(f"a=fmtp:{payload_type} " + ";".join(f"{key}={value}" for key, value in parameters))
    reversed_directions = {"sendrecv": "", "sendonly": "/recvonly", "recvonly": "/sendonly", "inactive": "/inactive"}
    for offered in line.extensions:
        if track.extension_id(offered.uri) == offered.id:
            lines.append(f"a=extmap:{offered.id}{reversed_directions[offered.direction]} {offered.uri}")
    return lines


def _start_bitrate(track: TrackParameters) -> tuple[tuple[str, str], ...]:
    """libwebrtc begins at 300 kbit/s and needs half a minute to 720p; from here, measured, 8 s. Others ignore it.

    Only where transport-wide feedback tells it within 100 ms that its uplink cannot take so much.
    """
    adapts = track.kind == "video" and "transport-cc" in track.feedback
    return (("x-google-start-bitrate", _start_kilobits),) if adapts else ()


def _source(track: TrackParameters, stream_id: str) -> list[str]:
    """The SSRCs of a track, RTX's in one FID group with the media's (RFC 4588 section 8.2)."""
    repaired = track.rtx_payload_type is not None
    if track.ssrc is None or (repaired and track.rtx_ssrc is None):
        raise LocalError("A track of a viewer has no SSRC.")
    msid = f"{stream_id} {stream_id}-{track.kind}"
    lines = [f"a=msid:{msid}"]
    if repaired:
        lines.append(f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}")
    for ssrc in (track.ssrc, track.rtx_ssrc) if repaired else (track.ssrc,):
        lines += [f"a=ssrc:{ssrc} cname:{stream_id}", f"a=ssrc:{ssrc} msid:{msid}"]
    return lines


def _family(ip: str) -> str:
    return "IP6" if ":" in ip else "IP4"


def _session_id(local: LocalPeer) -> int:
    """Another one for each session, as RFC 8866 section 5.2 wants it, of 62 bits as RFC 9429 section 5.2.1 does."""
    return int.from_bytes(hashlib.sha256(local.ufrag.encode()).digest()[:8], "big") >> 2


_printable = re.compile(r"[!-~][ -~]*")


def _joined(lines: list[str]) -> str:
    if not all(_printable.fullmatch(line) for line in lines):
        raise LocalError("An answer would hold something else than printable ASCII: see the local peer and stream id.")
    return "".join(line + "\r\n" for line in lines)
