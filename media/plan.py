"""What becomes of an offer: which tracks a publisher sends us, which tracks a viewer gets, under which numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from foundation.errors import BadOffer, NoCommonCodec
from media.codecs import choose, forwarded, forwarded_names, sent_parameters
from media.feedback import TRANSPORT_WIDE_CC_URI
from media.mline import MediaOffer
from media.parameters import KINDS, Codec, HeaderExtension, Kind, TrackParameters
from media.remb import ABS_SEND_TIME_URI
from media.rewriter import HOP_EXTENSIONS
from media.rtp import ONE_BYTE_ID_MAX
from media.sdp import Offer

_google = "http://www.webrtc.org/experiments/rtp-hdrext/"

_published_extensions = frozenset(
    {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        ABS_SEND_TIME_URI,
        TRANSPORT_WIDE_CC_URI,
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        _google + "playout-delay",
        _google + "video-content-type",
        _google + "color-space",
        _google + "abs-capture-time",
    }
)
"""Ours to use (mid, send times), and what a viewer's player acts on and no forwarding makes wrong.

Left out: `urn:3gpp:video-orientation`, so that the publisher turns its pictures itself and they are upright for every
viewer, whatever its player knows; `toffset` and `video-timing`, which a hop makes wrong; the rids, as no simulcast is
answered; the dependency descriptor and layer allocation, since no layer is chosen yet, and since the descriptor of a
keyframe needs the two-byte form: a viewer who gets the later ones without it throws the frames away.
"""

_keyframe_feedback = frozenset({"nack pli", "ccm fir"})
_publisher_feedback = {
    "audio": frozenset({"nack", "goog-remb", "transport-cc"}),
    "video": _keyframe_feedback | {"nack", "goog-remb", "transport-cc"},
}
_viewer_feedback = {
    "audio": frozenset({"nack", "goog-remb"}),
    "video": _keyframe_feedback | {"nack", "goog-remb"},
}
"""Browsers offer `nack` for video alone; who offers it for audio has a buffer that can wait for a repair."""


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """The tracks that a client sends, as it sends them; at least one."""

    tracks: tuple[TrackParameters, ...]


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """The tracks that a client gets, as it takes them, still without SSRCs; at least one.

    `codec.parameters` are those to be answered, not those of the stream.
    """

    tracks: tuple[TrackParameters, ...]


def plan_publish(offer: Offer) -> PublishPlan:
    """The audio and the video track that the client sends, each in the first codec of its list that is forwarded.

    Simulcast is not answered, so that the client sends one encoding (RFC 8853 section 5.3.2). Raises `NoCommonCodec`
    when a track it sends cannot be forwarded, and `BadOffer` when it sends two tracks of a kind (RFC 9725 section 4.4:
    an offer is not taken in part), or tracks which could not be told apart.
    """
    sending = [line for line in offer.media if line.kind in KINDS and not line.rejected and "send" in line.direction]
    kinds = [line.kind for line in sending]
    if not sending:
        raise NoCommonCodec("The offer would send neither audio nor video.")
    if len(set(kinds)) < len(kinds):
        raise BadOffer("The SDP offer cannot be used: a stream has at most one audio and one video track.")
    if not all(line.answerable for line in sending):
        raise NoCommonCodec("The offer would send a track in no codec that is forwarded here: " + forwarded_names + ".")
    tracks = tuple(_published(line) for line in sending)
    if len(tracks) > 1 and not _distinct(*tracks):
        raise BadOffer("The SDP offer cannot be used: its tracks share a payload type or an SSRC.")
    return PublishPlan(_repaired_apart(tracks))


def plan_view(offer: Offer, tracks: Sequence[TrackParameters]) -> ViewPlan:
    """For each track of a stream the first m-line that can take it; lines and tracks may remain without a match.

    Raises `NoCommonCodec` when nothing matches.
    """
    waiting = list(tracks)
    planned = []
    for line in offer.media:
        for track in waiting:
            if codec := _taken(line, track):
                waiting.remove(track)
                planned.append(_viewed(line, track, codec))
                break
    if not planned:
        names = sorted({track.codec.name for track in tracks if forwarded(track.codec)}) or ["no known codec"]
        raise NoCommonCodec(f"The stream is in {' and '.join(names)}: the offer does not take that.")
    return ViewPlan(_repaired_apart(planned))


def _published(line: MediaOffer) -> TrackParameters:
    codec = line.forwardable[0]
    feedback = _publisher_feedback[line.kind] & line.feedback[codec.payload_type]
    extensions = _extensions(line, _published_extensions, "sendonly")
    counted = "transport-cc" in feedback and any(extension.uri == TRANSPORT_WIDE_CC_URI for extension in extensions)
    if not counted:
        feedback -= {"transport-cc"}
        extensions = tuple(extension for extension in extensions if extension.uri != TRANSPORT_WIDE_CC_URI)
    return TrackParameters(
        kind=cast(Kind, line.kind),
        mid=line.mid,
        codec=codec,
        ssrc=line.ssrc,
        extensions=extensions,
        feedback=feedback,
        rtx_payload_type=_rtx_payload_type(line, codec, feedback),
        rtx_ssrc=line.rtx_ssrc,
    )


def _taken(line: MediaOffer, track: TrackParameters) -> Codec | None:
    return choose(track.codec, line.forwardable) if line.receives and line.kind == track.kind else None


def _viewed(line: MediaOffer, track: TrackParameters, codec: Codec) -> TrackParameters:
    carried = frozenset(extension.uri for extension in track.extensions) - HOP_EXTENSIONS
    feedback = _viewer_feedback[line.kind] & line.feedback[codec.payload_type]
    return TrackParameters(
        kind=track.kind,
        mid=line.mid,
        codec=replace(codec, parameters=sent_parameters(track.codec, codec)),
        extensions=_extensions(line, carried, "recvonly"),
        feedback=feedback,
        rtx_payload_type=_rtx_payload_type(line, codec, feedback),
    )


def _rtx_payload_type(line: MediaOffer, codec: Codec, feedback: frozenset[str]) -> int | None:
    """For video alone, as nobody offers it for audio, and with the requests without which none would be sent."""
    return line.rtx_payload_type(codec) if line.kind == "video" and "nack" in feedback else None


def _repaired_apart(tracks: Sequence[TrackParameters]) -> tuple[TrackParameters, ...]:
    """The tracks, without RTX where its payload type or SSRC is taken: then plain retransmission has to do."""
    media_types = {track.codec.payload_type for track in tracks}
    media_ssrcs = {track.ssrc for track in tracks} - {None}
    return tuple(
        replace(track, rtx_payload_type=None, rtx_ssrc=None)
        if track.rtx_payload_type in media_types | {None} or track.rtx_ssrc in media_ssrcs
        else track
        for track in tracks
    )


def _extensions(line: MediaOffer, wanted: frozenset[str], direction: str) -> tuple[HeaderExtension, ...]:
    """Those wanted which the client offers for `direction`, seen from its side.

    Ids are replaced in place in the packets, so that one must fit the one-byte form, which is what everybody sends.
    """
    return tuple(
        HeaderExtension(extension.id, extension.uri)
        for extension in line.extensions
        if extension.uri in wanted
        and 1 <= extension.id <= ONE_BYTE_ID_MAX
        and extension.direction in ("sendrecv", direction)
    )


def _distinct(one: TrackParameters, other: TrackParameters) -> bool:
    """Whether packets of the two tracks can be told apart: by their SSRCs, or else by their payload types."""
    if one.ssrc is not None and other.ssrc is not None:
        return one.ssrc != other.ssrc
    return one.codec.payload_type != other.codec.payload_type
