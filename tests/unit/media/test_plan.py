"""What becomes of an offer: the tracks of a publisher, the tracks for a viewer."""

from dataclasses import replace
from pathlib import Path

import pytest

from foundation.errors import BadOffer, NoCommonCodec
from media.feedback import TRANSPORT_WIDE_CC_URI
from media.parameters import Codec, HeaderExtension, TrackParameters
from media.plan import plan_publish, plan_view
from media.remb import ABS_SEND_TIME_URI
from media.sdp import Offer, parse_offer

OFFERS = {path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))}
PUBLISHERS = [name for name in OFFERS if not name.endswith("_view")]
VIEWERS = [name for name in OFFERS if name.endswith("_view") or "sendrecv" in name]

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

AUDIO = TrackParameters("audio", "0", Codec("audio/opus", 48000, 2, 109, (("stereo", "1"),)), 7)
VIDEO = TrackParameters("video", "1", Codec("video/VP8", 90000, None, 120), 8)


def offer(name: str, *changes: tuple[str, str]) -> Offer:
    text = OFFERS[name]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_offer(text)


def published(name: str) -> dict[str, TrackParameters]:
    return {track.kind: track for track in plan_publish(offer(name)).tracks}


def h264(profile_level_id: str, mode: str = "1") -> TrackParameters:
    parameters = (("packetization-mode", mode), ("profile-level-id", profile_level_id))
    return replace(VIDEO, codec=Codec("video/H264", 90000, None, 102, parameters))


# --- publishers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHERS)
def test_a_real_publisher_sends_one_audio_and_one_video_track(name: str) -> None:
    plan = plan_publish(offer(name))
    assert sorted(track.kind for track in plan.tracks) == ["audio", "video"]
    for track in plan.tracks:
        assert TrackParameters.from_wire(track.to_wire()) == track


@pytest.mark.parametrize(
    ("name", "codec", "payload_type"),
    [
        ("chromium_publish", "VP8", 96),
        ("firefox_publish", "VP8", 120),
        ("safari_publish", "H264", 96),
        ("obs_publish", "H264", 96),
        ("gstreamer_publish", "H264", 96),
        ("ffmpeg_publish", "H264", 106),
        ("aiortc_publish", "VP8", 97),
    ],
)
def test_the_client_s_first_codec_is_taken(name: str, codec: str, payload_type: int) -> None:
    track = published(name)["video"]
    assert (track.codec.name, track.codec.payload_type) == (codec, payload_type)


def test_codecs_which_are_not_forwarded_are_passed_over() -> None:
    reordered = offer("chromium_publish", ("SAVPF 96 97 102", "SAVPF 118 97 120 98"), ("SAVPF 111 63", "SAVPF 63 13 8"))
    assert [track.codec.payload_type for track in plan_publish(reordered).tracks] == [8, 98]


def test_the_stream_keeps_the_parameters_of_the_offer() -> None:
    codec = published("gstreamer_publish")["video"].codec
    assert codec.parameter("sprop-parameter-sets").startswith("Z0LAH9kA")
    assert codec.parameter("profile-level-id") == "42c01f"


def test_ssrcs_are_those_of_the_media() -> None:
    tracks = published("firefox_publish")
    assert (tracks["audio"].ssrc, tracks["video"].ssrc) == (2749103856, 914820573)


def test_feedback_about_bandwidth_keyframes_and_losses_is_agreed() -> None:
    tracks = published("chromium_publish")
    assert tracks["audio"].feedback == {"transport-cc"}
    assert tracks["video"].feedback == {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"}
    assert published("obs_publish")["video"].feedback == {"nack", "nack pli", "goog-remb"}
    assert published("ffmpeg_publish")["video"].feedback == frozenset()


def test_audio_is_repaired_for_those_who_ask_for_it() -> None:
    asking = offer("chromium_publish", ("a=rtcp-fb:111 transport-cc", "a=rtcp-fb:111 nack"))
    audio, _ = plan_publish(asking).tracks
    assert (audio.feedback, audio.rtx_payload_type) == ({"nack"}, None)


@pytest.mark.parametrize(
    ("name", "payload_type", "ssrc"),
    [
        ("chromium_publish", 97, 3373851530),
        ("safari_publish", 97, 4027715938),
        ("aiortc_publish", 98, 2834884546),
        ("chromium_simulcast", 97, None),
        ("gstreamer_publish", None, None),
        ("obs_publish", None, None),
    ],
)
def test_retransmissions_of_a_publisher_s_video_come_as_it_says(
    name: str, payload_type: int | None, ssrc: int | None
) -> None:
    tracks = published(name)
    assert (tracks["video"].rtx_payload_type, tracks["video"].rtx_ssrc) == (payload_type, ssrc)
    assert (tracks["audio"].rtx_payload_type, tracks["audio"].rtx_ssrc) == (None, None)


def test_without_nack_there_are_no_retransmissions() -> None:
    deaf = offer("chromium_publish", ("a=rtcp-fb:96 nack\r\n", ""))
    _, video = plan_publish(deaf).tracks
    assert (video.feedback & {"nack"}, video.rtx_payload_type, video.rtx_ssrc) == (frozenset(), None, None)


@pytest.mark.parametrize(
    "change",
    [
        ("a=fmtp:97 apt=96", "a=fmtp:97 apt=102"),
        ("a=fmtp:97 apt=96", "a=fmtp:97 apt=+96"),
        ("a=rtpmap:97 rtx/90000", "a=rtpmap:97 rtx/8000"),
        ("3373851530", "3399979381"),
    ],
)
def test_an_rtx_that_cannot_be_told_apart_or_fits_nothing_is_not_answered(change: tuple[str, str]) -> None:
    _, video = plan_publish(offer("chromium_publish", change)).tracks
    assert (video.rtx_payload_type, video.rtx_ssrc) == (None, None)
    assert "nack" in video.feedback


def test_a_viewer_s_video_is_repaired_under_its_own_payload_type() -> None:
    audio, video = plan_view(offer("firefox_view"), plan_publish(offer("chromium_publish")).tracks).tracks
    assert (audio.rtx_payload_type, video.rtx_payload_type, video.rtx_ssrc) == (None, 124, None)


def test_transport_wide_feedback_needs_the_extension_and_the_feedback() -> None:
    without_extension = published("gstreamer_publish")["video"]
    assert without_extension.feedback == {"nack pli", "ccm fir"}
    audio = published("firefox_publish")["audio"]
    assert audio.extension_id(TRANSPORT_WIDE_CC_URI) is None
    (first, second) = plan_publish(offer("chromium_publish", ("a=rtcp-fb:96 transport-cc\r\n", ""))).tracks
    assert first.extension_id(TRANSPORT_WIDE_CC_URI) == 3
    assert second.extension_id(TRANSPORT_WIDE_CC_URI) is None
    assert "transport-cc" not in second.feedback


def test_useful_extensions_are_taken_under_the_client_s_ids() -> None:
    video = published("chromium_publish")["video"]
    assert {extension.uri.rpartition("/")[2].rpartition(":")[2]: extension.id for extension in video.extensions} == {
        "abs-send-time": 2,
        "draft-holmer-rmcat-transport-wide-cc-extensions-01": 3,
        "mid": 4,
        "playout-delay": 5,
        "video-content-type": 6,
        "color-space": 8,
    }


@pytest.mark.parametrize(
    "part", ["video-orientation", "toffset", "rtp-stream-id", "timing", "dependency", "allocation"]
)
def test_other_extensions_are_not_taken(part: str) -> None:
    assert part in OFFERS["chromium_simulcast"]
    assert not any(part in extension.uri for extension in published("chromium_simulcast")["video"].extensions)


def test_an_extension_the_client_only_receives_is_not_taken() -> None:
    both = offer("firefox_publish", ("extmap:6/recvonly", "extmap:6/sendonly"))
    assert plan_publish(both).tracks[1].extension_id(PLAYOUT_DELAY_URI) == 6
    assert not any("playout" in extension.uri for extension in published("firefox_publish")["video"].extensions)


@pytest.mark.parametrize("identifier", [0, 15, 16, 4100])
def test_an_id_outside_of_the_one_byte_form_is_not_taken(identifier: int) -> None:
    track = plan_publish(offer("chromium_publish", ("extmap:2 http", f"extmap:{identifier} http"))).tracks[1]
    assert track.extension_id(ABS_SEND_TIME_URI) is None
    assert track.extension_id(MID_URI) == 4


def test_a_publisher_may_send_one_kind_alone() -> None:
    (track,) = plan_publish(offer("chromium_publish", ("m=audio 35528", "m=audio 0"))).tracks
    assert track.kind == "video"


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_an_offer_which_sends_nothing_has_no_tracks(direction: str) -> None:
    with pytest.raises(NoCommonCodec, match="neither"):
        plan_publish(offer("chromium_publish", ("a=sendonly", f"a={direction}")))


def test_a_track_in_no_known_codec_refuses_the_whole_offer() -> None:
    with pytest.raises(NoCommonCodec, match="VP8, VP9"):
        plan_publish(offer("obs_publish", ("rtpmap:96 H264", "rtpmap:96 H266")))
    with pytest.raises(NoCommonCodec, match="opus"):
        plan_publish(offer("obs_publish", ("a=rtpmap:111 opus/48000/2\r\n", "")))
    with pytest.raises(NoCommonCodec):
        plan_publish(offer("obs_publish", ("m=video 57249 UDP/TLS/RTP/SAVPF", "m=video 57249 UDP/X")))


def test_two_tracks_of_a_kind_are_refused() -> None:
    text = OFFERS["obs_publish"]
    second = text[text.index("m=video") :].replace("a=mid:1", "a=mid:2").replace("ssrc:1730294857", "ssrc:1")
    with pytest.raises(BadOffer, match="at most one"):
        plan_publish(parse_offer(text.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + second))


def test_tracks_with_one_ssrc_are_refused() -> None:
    with pytest.raises(BadOffer, match="share"):
        plan_publish(offer("obs_publish", ("1730294857", "1730294856")))


def test_tracks_may_share_a_payload_type_only_if_their_ssrcs_are_known() -> None:
    one_type = offer("gstreamer_publish", (":97 ", ":96 "), ("SAVPF 97", "SAVPF 96"))
    assert [track.codec.payload_type for track in plan_publish(one_type).tracks] == [96, 96]
    with pytest.raises(BadOffer, match="share"):
        plan_publish(offer("rfc9725_publish", (":96 ", ":111 "), ("SAVPF 96 97", "SAVPF 111 97")))


# --- viewers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIEWERS)
def test_a_real_viewer_gets_both_tracks_of_a_usual_stream(name: str) -> None:
    plan = plan_view(offer(name), [VIDEO, AUDIO])
    assert sorted(track.kind for track in plan.tracks) == ["audio", "video"]
    for track in plan.tracks:
        assert track.ssrc is None
        assert track.codec.payload_type in next(m for m in offer(name).media if m.mid == track.mid).feedback


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_every_real_publisher_can_be_seen_by_every_real_viewer(publisher: str, viewer: str) -> None:
    stream = plan_publish(offer(publisher)).tracks
    if (publisher, viewer) in {("safari_publish", name) for name in ("aiortc_view", "firefox_view")} or (
        (publisher, viewer) == ("safari_publish", "chromium_sendrecv_with_data")
    ):
        stream = tuple(track for track in stream if track.kind == "audio")
    assert len(plan_view(offer(viewer), stream).tracks) == len(stream)


def test_the_viewer_s_numbers_are_used() -> None:
    audio, video = plan_view(offer("firefox_view"), plan_publish(offer("chromium_publish")).tracks).tracks
    assert (audio.mid, audio.codec.payload_type, video.mid, video.codec.payload_type) == ("0", 109, "1", 120)
    assert video.extensions == (HeaderExtension(6, PLAYOUT_DELAY_URI),)
    assert video.feedback == {"nack", "nack pli", "ccm fir", "goog-remb"}
    assert audio.extensions == (HeaderExtension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),)


def test_extensions_of_the_publisher_s_transport_are_never_passed_on() -> None:
    uris = ["mid", "rtp-stream-id", "repaired-rtp-stream-id"]
    carried = [HeaderExtension(n, f"urn:ietf:params:rtp-hdrext:sdes:{uri}") for n, uri in enumerate(uris, 1)]
    stream = replace(
        VIDEO, extensions=(*carried, HeaderExtension(9, TRANSPORT_WIDE_CC_URI), HeaderExtension(10, ABS_SEND_TIME_URI))
    )
    assert plan_view(offer("chromium_view"), [stream]).tracks[0].extensions == ()


def test_an_extension_the_viewer_only_sends_is_not_passed_on() -> None:
    stream = replace(VIDEO, extensions=(HeaderExtension(9, PLAYOUT_DELAY_URI),))
    only = offer("firefox_view", ("extmap:6/recvonly", "extmap:6/sendonly"))
    assert plan_view(only, [stream]).tracks[0].extensions == ()


def test_lines_without_a_track_and_tracks_without_a_line_remain() -> None:
    (track,) = plan_view(offer("chromium_view"), [VIDEO]).tracks
    assert track.mid == "1"
    hevc = replace(VIDEO, codec=Codec("video/H265", 90000, None, 49))
    (track,) = plan_view(offer("chromium_view"), [hevc, AUDIO]).tracks
    assert track.mid == "0"


def test_a_track_goes_to_one_line_only() -> None:
    text = OFFERS["gstreamer_view"]
    second = text[text.index("m=video") :].replace("video1", "video2")
    offered = parse_offer(text.replace("BUNDLE audio0 video1", "BUNDLE audio0 video1 video2") + second)
    assert [track.mid for track in plan_view(offered, [VIDEO]).tracks] == ["video1"]
    assert [track.mid for track in plan_view(offered, [VIDEO, VIDEO]).tracks] == ["video1", "video2"]


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_a_line_that_receives_nothing_gets_nothing(direction: str) -> None:
    with pytest.raises(NoCommonCodec, match="OPUS and VP8"):
        plan_view(offer("chromium_view", ("a=recvonly", f"a={direction}")), [VIDEO, AUDIO])


def test_a_stream_the_viewer_cannot_decode_is_refused() -> None:
    with pytest.raises(NoCommonCodec, match="H264"):
        plan_view(offer("firefox_view"), [h264("640028")])
    with pytest.raises(NoCommonCodec, match="no known codec"):
        plan_view(offer("firefox_view"), [replace(VIDEO, codec=Codec("video/\r\nevil", 90000, None, 96))])
    with pytest.raises(NoCommonCodec):
        plan_view(offer("firefox_view"), [])


@pytest.mark.parametrize(
    ("viewer", "profile", "mode", "payload_type"),
    [
        ("chromium_view", "42e01f", "1", 108),
        ("chromium_view", "42001f", "0", 104),
        ("chromium_view", "640c1f", "1", 41),
        ("firefox_view", "42001f", "1", 105),
        ("firefox_view", "42e028", "0", 97),
        ("safari_view", "42001f", "1", 98),
        ("safari_view", "640c28", "1", 96),
        ("gstreamer_view", "640028", "1", 102),
    ],
)
def test_h264_goes_to_the_payload_type_of_its_profile(viewer: str, profile: str, mode: str, payload_type: int) -> None:
    (track,) = plan_view(offer(viewer), [h264(profile, mode)]).tracks
    assert track.codec.payload_type == payload_type


def test_the_answered_parameters_describe_the_stream() -> None:
    (audio,) = plan_view(offer("chromium_view"), [AUDIO]).tracks
    assert audio.codec.parameters == (("stereo", "1"),)
    (video,) = plan_view(offer("chromium_view"), [h264("42e028")]).tracks
    assert video.codec.parameter("profile-level-id") == "42e028"
