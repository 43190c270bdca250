"""Which codecs pass through the SFU, which offered codec can take a given stream, and what an answer says of it.

Nothing is decoded, so a stream goes to whoever says that it can decode it: equal codec and equal configuration,
levels aside (they are a receiver's wish, not a property one could act on without transcoding).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from media.parameters import Codec

_clock_rates = {
    "video/vp8": 90000,
    "video/vp9": 90000,
    "video/av1": 90000,
    "video/h264": 90000,
    "video/h265": 90000,
    "audio/opus": 48000,
    "audio/pcmu": 8000,
    "audio/pcma": 8000,
    "audio/g722": 8000,
}
"""What is forwarded. RTX, RED, FEC, CN and telephone-event are not media of their own: nobody here would read them."""

forwarded_names = "VP8, VP9, AV1, H264, H265, opus, PCMU, PCMA, G722"
"""For the message to whoever has nothing of them."""

_configuration = {
    "VP9": {"profile-id": "0"},
    "AV1": {"profile": "0"},
    "H265": {"profile-space": "0", "profile-id": "1", "tier-flag": "0", "tx-mode": "SRST"},
}
"""Parameters that must be equal, with their defaults: RFC 9628, RFC 7798, the AV1 RTP specification."""

_received = {
    "H264": ("level-asymmetry-allowed", "packetization-mode", "profile-level-id"),
    "H265": ("profile-space", "profile-id", "tier-flag", "level-id", "tx-mode"),
    "VP9": ("profile-id",),
    "AV1": ("profile", "level-idx", "tier"),
    "OPUS": ("minptime", "useinbandfec", "stereo", "usedtx", "cbr", "maxaveragebitrate", "maxplaybackrate"),
}
"""Echoed to a publisher. Not `max-fs`, `max-fr` and such: they limit what a decoder takes, and we have none."""

_sent = {
    **_received,
    "H264": (*_received["H264"], "sprop-parameter-sets"),
    "H265": (*_received["H265"], "sprop-vps", "sprop-sps", "sprop-pps"),
    "OPUS": (*_received["OPUS"], "sprop-stereo", "sprop-maxcapturerate"),
}
"""Told to a viewer of the stream: parameter sets may come by SDP only, and stereo is not seen in the payload."""

_value = re.compile(r"[!-:<-~]{1,256}", re.ASCII)
"""Of an `fmtp` parameter: those of a relayed stream come from another node and must not break out of their line."""


def forwarded(codec: Codec) -> bool:
    """Whether the SFU takes this codec from a publisher."""
    mime_type = codec.mime_type.lower()
    return _clock_rates.get(mime_type) == codec.clock_rate and (mime_type != "audio/opus" or codec.channels == 2)


def choose(stream: Codec, offered: Sequence[Codec]) -> Codec | None:
    """The offered codec that can take the stream; of several the closest, then the one the client prefers."""
    ranked = [(rank, codec) for codec in offered if (rank := _distance(stream, codec)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def received_parameters(offered: Codec) -> tuple[tuple[str, str], ...]:
    """The `fmtp` of an answer to a publisher: what it may send to us."""
    kept = _kept(offered, _received)
    if offered.name == "H264" and offered.parameter("level-asymmetry-allowed") == "1":
        kept = tuple((key, _any_level(value) if key == "profile-level-id" else value) for key, value in kept)
    return kept


def sent_parameters(stream: Codec, offered: Codec) -> tuple[tuple[str, str], ...]:
    """The `fmtp` of an answer to a viewer: what the stream is, in the configuration that was offered."""
    if stream.name != "H264" or _bare(offered):
        return _kept(stream, _sent)
    own = dict(_kept(offered, _received))
    told = H264Profile.of(stream).name == H264Profile.of(offered).name
    profile = stream.parameter("profile-level-id")
    if told and "profile-level-id" in own and _profile_level_id.fullmatch(profile):
        own["profile-level-id"] = profile
    return (*own.items(), *((key, value) for key, value in _kept(stream, _sent) if key == "sprop-parameter-sets"))


def _distance(stream: Codec, offered: Codec) -> int | None:
    """How far an offered codec is from the stream's own configuration; None where it cannot take the stream."""
    if (stream.mime_type.lower(), stream.clock_rate) != (offered.mime_type.lower(), offered.clock_rate):
        return None
    if (stream.channels or 1) != (offered.channels or 1):
        return None
    if stream.name == "H264":
        return _h264_distance(stream, offered)
    defaults = _configuration.get(stream.name, {})
    equal = all(stream.parameter(key, value) == offered.parameter(key, value) for key, value in defaults.items())
    return 0 if equal else None


_profile_level_id = re.compile(r"([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", re.ASCII)

_h264_profiles = (
    (0x42, 0x4F, 0x40, "constrained baseline"),
    (0x4D, 0x8F, 0x80, "constrained baseline"),
    (0x58, 0xCF, 0xC0, "constrained baseline"),
    (0x42, 0x4F, 0x00, "baseline"),
    (0x58, 0xCF, 0x80, "baseline"),
    (0x4D, 0xAF, 0x00, "main"),
    (0x58, 0xCF, 0x00, "extended"),
    (0x64, 0xFF, 0x00, "high"),
    (0x64, 0xFF, 0x0C, "constrained high"),
    (0x6E, 0xFF, 0x00, "high 10"),
    (0x7A, 0xFF, 0x00, "high 4:2:2"),
    (0xF4, 0xFF, 0x00, "high 4:4:4 predictive"),
)
"""profile_idc, mask and value of profile-iop, profile: RFC 6184 table 5, and constrained high as WebKit offers it."""

_h264_decodes = {
    "constrained baseline": frozenset({"baseline"}),
    "baseline": frozenset({"constrained baseline"}),
    "main": frozenset({"baseline", "constrained baseline"}),
    "constrained high": frozenset({"baseline", "constrained baseline"}),
    "high": frozenset({"baseline", "constrained baseline", "main", "constrained high"}),
    "high 4:4:4 predictive": frozenset({"baseline", "constrained baseline", "main", "constrained high", "high"}),
}
"""Profiles that a decoder of a profile also decodes (H.264 A.2).

Full baseline is counted with the constrained one: the difference (FMO, ASO) is in no encoder that speaks WebRTC, and
without it Chromium's first H264, 42001f, would reach no Safari, which offers 42e01f and 640c1f only.
"""


@dataclass(frozen=True, slots=True)
class H264Profile:
    """What RFC 6184 section 8.1 calls the sub-profile: `name` is equal where two profile-level-ids differ in level."""

    name: str
    packetization_mode: str

    @classmethod
    def of(cls, codec: Codec) -> "H264Profile":
        """Absent or malformed means constrained baseline, as in libwebrtc; FFmpeg 8 writes `422001f` and means that."""
        match = _profile_level_id.fullmatch(codec.parameter("profile-level-id", "42e01f"))
        name = "constrained baseline"
        if match:
            idc, iop = int(match[1], 16), int(match[2], 16)
            known = (name for want, mask, value, name in _h264_profiles if idc == want and iop & mask == value)
            name = next(known, f"{idc:02x}{iop:02x}")
        return cls(name, codec.parameter("packetization-mode", "0"))


def _bare(offered: Codec) -> bool:
    """H264 without a configuration, as GStreamer's whepsrc offers it: it takes whatever there is."""
    return not offered.parameter("profile-level-id") and not offered.parameter("packetization-mode")


def _h264_distance(stream: Codec, offered: Codec) -> int | None:
    """Equal is best; a decoder of a larger profile, or of packetization mode 1 for a stream of mode 0, will do."""
    if _bare(offered):
        return 2 * len(_h264_profiles)
    own, theirs = H264Profile.of(stream), H264Profile.of(offered)
    decodes = _h264_decodes.get(theirs.name, frozenset())
    if theirs.name != own.name and own.name not in decodes:
        return None
    modes = (own.packetization_mode, theirs.packetization_mode)
    if modes[0] != modes[1] and modes != ("0", "1"):
        return None
    larger = 0 if theirs.name == own.name else len(decodes)
    return 2 * larger + (modes[0] != modes[1])


def _any_level(profile_level_id: str) -> str:
    """The same profile at level 5.2 (RFC 6184 8.2.2 lets an answer raise it): what is forwarded has no level here.

    Browsers offer level 3.1, which ends at 720p with 30 frames/s; an encoder that keeps to it would slow 1080p to 13.
    """
    return profile_level_id[:4] + "34" if _profile_level_id.fullmatch(profile_level_id) else profile_level_id


def _kept(codec: Codec, names: dict[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    known = names.get(codec.name, ())
    return tuple((key, value) for key, value in codec.parameters if key in known and _value.fullmatch(value))
