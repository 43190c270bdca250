"""The answers to real offers, to strange ones, and what a real client does with them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aioice.ice
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import BadOffer, LocalError, NoCommonCodec
from media.answer import LocalPeer, write_answer
from media.parameters import Codec, HeaderExtension, TrackParameters
from media.plan import PublishPlan, ViewPlan, plan_publish, plan_view
from media.sdp import Offer, parse_offer

OFFERS = {path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))}
PUBLISHERS = [name for name in OFFERS if not name.endswith("_view")]
VIEWERS = [name for name in OFFERS if name.endswith("_view") or "sendrecv" in name]

STREAM_ID = "4f1cfb4e-6cf7-4c39-8f0c-1a1c5f6f9a10"
LOCAL = LocalPeer(
    "Loca",
    "l" * 24,
    ":".join(["0F"] * 32),
    "passive",
    (("192.0.2.1", 7400), ("2001:db8::1", 7400), ("127.0.0.1", 7400)),
)
AUDIO = TrackParameters("audio", "0", Codec("audio/opus", 48000, 2, 96, (("stereo", "1"),)), 7)
VIDEO = TrackParameters("video", "1", Codec("video/VP8", 90000, None, 97), 8)


def answered(offer: Offer, plan: PublishPlan | ViewPlan, local: LocalPeer = LOCAL) -> str:
    if isinstance(plan, ViewPlan):
        plan = ViewPlan(tuple(with_ssrcs(track, 1000 + index) for index, track in enumerate(plan.tracks)))
    return write_answer(offer, plan, local, STREAM_ID)


def with_ssrcs(track: TrackParameters, ssrc: int) -> TrackParameters:
    return replace(track, ssrc=ssrc, rtx_ssrc=None if track.rtx_payload_type is None else 1000 + ssrc)


def publish_answer(name: str, *changes: tuple[str, str]) -> str:
    text = OFFERS[name]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    offer = parse_offer(text)
    return answered(offer, plan_publish(offer))


def view_answer(name: str, tracks: Sequence[TrackParameters] = (AUDIO, VIDEO)) -> str:
    offer = parse_offer(OFFERS[name])
    return answered(offer, plan_view(offer, tracks))


def sections(answer: str) -> list[list[str]]:
    """The session part and the m-lines, each as its lines."""
    assert answer.endswith("\r\n")
    parts = re.split(r"\r\n(?=m=)", answer.removesuffix("\r\n"))
    return [part.split("\r\n") for part in parts]


# --- to real clients -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHERS)
def test_the_answer_to_a_real_publisher_is_an_answer(name: str) -> None:
    offer = parse_offer(OFFERS[name])
    answer = publish_answer(name)
    parsed = SessionDescription.parse(answer)
    assert [(line.kind, line.rtp.muxId) for line in parsed.media] == [(line.kind, line.mid) for line in offer.media]
    for line in parsed.media:
        if line.kind == "application":
            assert line.port == 0
            continue
        assert (line.direction, line.port, line.rtcp_mux) == ("recvonly", 7400, True)
        assert line.ice
        assert line.dtls
        assert line.ice.iceLite
        assert (line.ice.usernameFragment, line.ice.password) == (LOCAL.ufrag, LOCAL.pwd)
        assert [fingerprint.value for fingerprint in line.dtls.fingerprints] == [LOCAL.fingerprint_sha256]
        rtx = [codec.parameters["apt"] for codec in line.rtp.codecs[1:]]
        assert rtx in ([], [line.rtp.codecs[0].payloadType])
    assert "a=ssrc" not in answer


@pytest.mark.parametrize("name", VIEWERS)
def test_the_answer_to_a_real_viewer_is_an_answer(name: str) -> None:
    offer = parse_offer(OFFERS[name])
    parsed = SessionDescription.parse(view_answer(name))
    assert [(line.kind, line.rtp.muxId) for line in parsed.media] == [(line.kind, line.mid) for line in offer.media]
    for line in parsed.media[:2]:
        assert line.direction == "sendonly"
        assert parsed.webrtc_track_id(line) == f"{STREAM_ID}-{line.kind}"
        assert {source.cname for source in line.ssrc} == {STREAM_ID}
        repaired = len(line.rtp.codecs) > 1
        assert repaired == (line.kind == "video" and "rtx" in OFFERS[name])
        ssrcs = [source.ssrc for source in line.ssrc]
        assert [group.items for group in line.ssrc_group if group.semantic == "FID"] == ([ssrcs] if repaired else [])


def test_everything_a_publisher_needs_is_there() -> None:
    session, audio, video = sections(publish_answer("chromium_publish"))
    assert session[0] == "v=0"
    assert "a=ice-lite" in session
    assert "a=group:BUNDLE 0 1" in session
    assert audio[:2] == ["m=audio 7400 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 192.0.2.1"]
    assert video[2:] == [
        "a=mid:1",
        "a=recvonly",
        "a=ice-ufrag:Loca",
        "a=ice-pwd:" + "l" * 24,
        "a=fingerprint:sha-256 " + LOCAL.fingerprint_sha256,
        "a=setup:passive",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 7400 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 7400 typ host",
        "a=candidate:3 1 udp 2130705919 127.0.0.1 7400 typ host",
        "a=end-of-candidates",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 transport-cc",
        "a=fmtp:96 x-google-start-bitrate=2500",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        "a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    ]


def test_a_viewer_is_told_stream_track_and_ssrc() -> None:
    _, _, video = sections(view_answer("firefox_view"))
    assert f"a=msid:{STREAM_ID} {STREAM_ID}-video" in video
    assert f"a=ssrc:1001 cname:{STREAM_ID}" in video
    assert f"a=ssrc:1001 msid:{STREAM_ID} {STREAM_ID}-video" in video
    assert "a=rtpmap:120 VP8/90000" in video


def test_a_viewer_is_told_how_its_video_is_repaired() -> None:
    _, audio, video = sections(view_answer("chromium_view"))
    assert video[0].endswith(" 96 97")
    assert {"a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtcp-fb:96 nack", "a=ssrc-group:FID 1001 2001"} <= {*video}
    assert f"a=ssrc:2001 msid:{STREAM_ID} {STREAM_ID}-video" in video
    assert not any("rtx" in line or "FID" in line or "nack" in line for line in audio)


def test_reduced_size_rtcp_is_answered_only_where_it_was_offered() -> None:
    _, audio, video = sections(publish_answer("firefox_publish"))
    assert "a=rtcp-rsize" not in audio
    assert "a=rtcp-rsize" in video


def test_the_direction_of_an_extension_is_turned() -> None:
    stream = replace(
        VIDEO, extensions=(HeaderExtension(9, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),)
    )
    _, _, video = sections(view_answer("firefox_view", [stream]))
    assert "a=extmap:6/sendonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay" in video


def test_the_setup_is_the_local_one() -> None:
    offer = parse_offer(OFFERS["ffmpeg_publish"])
    answer = answered(offer, plan_publish(offer), replace(LOCAL, setup="active"))
    assert answer.count("a=setup:active\r\n") == 2
    assert "passive" not in answer


def test_simulcast_is_not_answered() -> None:
    answer = publish_answer("chromium_simulcast")
    assert "simulcast" not in answer
    assert "rid" not in answer


def test_encoding_names_mids_and_protocols_are_answered_as_they_were_written() -> None:
    answer = publish_answer("gstreamer_publish", ("UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF"))
    session, video, audio = sections(answer)
    assert "a=group:BUNDLE video0 audio1" in session
    assert "a=mid:video0" in video
    assert "a=rtpmap:97 OPUS/48000/2" in audio
    assert audio[0] == "m=audio 7400 TCP/TLS/RTP/SAVPF 97"


def test_telephone_codecs_are_answered_without_channels() -> None:
    _, audio, _ = sections(publish_answer("firefox_publish", ("SAVPF 109 9 0", "SAVPF 9 0 109")))
    assert "a=rtpmap:9 G722/8000" in audio


def test_parameters_are_written_in_one_line() -> None:
    _, audio, video = sections(publish_answer("obs_publish"))
    assert "a=fmtp:111 minptime=10;maxaveragebitrate=160000;stereo=1;useinbandfec=1" in audio
    assert "a=fmtp:96 profile-level-id=42e034;packetization-mode=1;level-asymmetry-allowed=1" in video
    assert not any(line.startswith("a=fmtp") for line in sections(publish_answer("ffmpeg_publish"))[1])


# --- lines without a track -------------------------------------------------------------------------------------------


def test_a_line_without_a_track_stays_in_the_bundle_and_is_inactive() -> None:
    session, audio, video = sections(view_answer("chromium_view", [VIDEO]))
    assert "a=group:BUNDLE 0 1" in session
    assert audio[0] == "m=audio 7400 UDP/TLS/RTP/SAVPF 111"
    assert "a=inactive" in audio
    assert not any("msid" in line or "ssrc" in line for line in audio)
    assert "a=sendonly" in video


def test_a_data_channel_is_rejected_in_its_place() -> None:
    session, _, _, data = sections(publish_answer("chromium_sendrecv_with_data"))
    assert "a=group:BUNDLE 0 1" in session
    assert data[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert data[1:] == ["c=IN IP4 0.0.0.0", "a=inactive", "a=mid:2"]


def test_a_line_the_client_rejects_is_rejected() -> None:
    text = OFFERS["obs_publish"] + "m=audio 0 UDP/TLS/RTP/SAVPF 0 8\r\na=inactive\r\n"
    offer = parse_offer(text)
    *_, last = sections(answered(offer, plan_publish(offer)))
    assert last == ["m=audio 0 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", "a=inactive"]


def test_a_bundle_only_line_is_answered_with_a_port() -> None:
    _, _, video = sections(publish_answer("rfc9725_publish"))
    assert video[0] == "m=video 7400 UDP/TLS/RTP/SAVPF 96 97"


def test_a_lone_line_outside_of_a_group_is_answered_without_one() -> None:
    text = OFFERS["obs_publish"]
    text = text[: text.index("m=video")].replace("a=group:BUNDLE 0 1\r\n", "").replace("a=mid:0\r\n", "")
    offer = parse_offer(text)
    answer = answered(offer, plan_publish(offer))
    assert "group" not in answer
    assert "mid:" not in answer
    assert "a=recvonly" in answer


# --- the local end ---------------------------------------------------------------------------------------------------


def test_without_a_candidate_there_is_a_placeholder() -> None:
    offer = parse_offer(OFFERS["obs_publish"])
    answer = answered(offer, plan_publish(offer), replace(LOCAL, candidates=()))
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n" in answer
    assert "candidate:" not in answer


def test_an_ipv6_candidate_may_be_the_first() -> None:
    offer = parse_offer(OFFERS["obs_publish"])
    assert "c=IN IP6 ::1\r\n" in answered(offer, plan_publish(offer), replace(LOCAL, candidates=[("::1", 7400)]))


def test_sessions_have_ids_of_their_own() -> None:
    offer = parse_offer(OFFERS["obs_publish"])
    one, other = (
        re.search(r"o=- (\d+) ", answered(offer, plan_publish(offer), replace(LOCAL, ufrag=ufrag)))
        for ufrag in ("abcd", "abce")
    )
    assert one
    assert other
    assert one[1] != other[1]
    assert int(one[1]) < 2**62


def test_a_viewer_needs_an_ssrc_for_each_track() -> None:
    offer = parse_offer(OFFERS["chromium_view"])
    with pytest.raises(LocalError, match="SSRC"):
        write_answer(offer, plan_view(offer, [AUDIO]), LOCAL, STREAM_ID)
    (video,) = plan_view(offer, [VIDEO]).tracks
    with pytest.raises(LocalError, match="SSRC"):
        write_answer(offer, ViewPlan((video.with_ssrc(1),)), LOCAL, STREAM_ID)


@pytest.mark.parametrize("injection", ["x\r\na=ice-lite", "x\ny", "x\0", "x\x7f", "é", "x\u2028y"])
def test_nothing_of_ours_can_break_a_line(injection: str) -> None:
    offer = parse_offer(OFFERS["chromium_view"])
    plan = ViewPlan(tuple(with_ssrcs(track, 1) for track in plan_view(offer, [AUDIO]).tracks))
    with pytest.raises(LocalError, match="ASCII"):
        write_answer(offer, plan, LOCAL, injection)
    with pytest.raises(LocalError, match="ASCII"):
        write_answer(offer, plan, replace(LOCAL, ufrag=injection), STREAM_ID)


@pytest.mark.parametrize("injection", ["1\r\na=candidate:evil", "1\nx", "1\0", "1\u2028", "1;stereo=0"])
def test_a_stream_of_another_node_cannot_break_a_line(injection: str) -> None:
    evil = replace(
        AUDIO, mid=injection, codec=replace(AUDIO.codec, parameters=(("stereo", injection), (injection, "1")))
    )
    evil = TrackParameters.from_wire(evil.to_wire())
    assert "fmtp" not in view_answer("chromium_view", [evil])


# --- strange offers --------------------------------------------------------------------------------------------------


def attempt(text: str) -> None:
    """Any other exception than the two of an offer fails the test; an answer is one to the offer."""
    try:
        offer = parse_offer(text)
    except BadOffer:
        return
    for plan in (plan_publish, lambda offer: plan_view(offer, [VIDEO, AUDIO])):
        try:
            answer = answered(offer, plan(offer))
        except (BadOffer, NoCommonCodec):
            continue
        lines = answer.removesuffix("\r\n").split("\r\n")
        assert all(line.isascii() and line.isprintable() and line for line in lines)
        heads = [line.split()[0] for line in lines if line.startswith("m=")]
        assert heads == [f"m={line.kind}" for line in offer.media]
        session = {"v=", "o=", "s=", "t="}
        assert {line[:2] for line in lines} <= session | {"a=", "c=", "m="}


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_without_any_one_of_its_lines_is_answered_or_refused(name: str) -> None:
    lines = OFFERS[name].splitlines(keepends=True)
    for index in range(len(lines)):
        attempt("".join(lines[:index] + lines[index + 1 :]))


junk = st.text(max_size=8) | st.sampled_from(
    ["\r\na=x:y\r\n", "\n", "\r", "\0", " ", ":", "=", "m=", "9" * 400, "-1", "\u2028", "0", "96", "/", ";", "recvonly"]
)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), junk), min_size=1, max_size=6)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(OFFERS)), edits)
def test_a_mutated_offer_is_answered_or_refused(name: str, changes: list[tuple[float, int, str]]) -> None:
    text = OFFERS[name]
    for place, length, insertion in changes:
        start = int(place * len(text))
        text = text[:start] + insertion + text[start + length :]
    attempt(text)


values = st.sampled_from(["mid", "rtpmap:111", "rtpmap:96", "fmtp:111", "extmap:1", "extmap:2", "ice-ufrag", "msid"])


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(OFFERS)), values, st.text(max_size=12))
def test_a_mutated_value_is_answered_or_refused(name: str, attribute: str, value: str) -> None:
    separator = " " if ":" in attribute else ":"
    attempt(re.sub(rf"(?m)^a={attribute}{separator}.*$", lambda _: f"a={attribute}{separator}{value}", OFFERS[name]))


# --- a real client ---------------------------------------------------------------------------------------------------


@pytest.fixture
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


NOWHERE = replace(LOCAL, candidates=(("127.0.0.1", 9),))


async def directions(client: RTCPeerConnection, tracks: Sequence[TrackParameters] | None) -> list[str | None]:
    """What the client agrees to after our answer to its offer; without `tracks` it publishes."""
    try:
        await client.setLocalDescription(await client.createOffer())
        offer = parse_offer(client.localDescription.sdp)
        plan = plan_publish(offer) if tracks is None else plan_view(offer, tracks)
        answer = answered(offer, plan, NOWHERE)
        await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        assert client.signalingState == "stable"
        return [transceiver.currentDirection for transceiver in client.getTransceivers()]
    finally:
        await client.close()


@pytest.mark.usefixtures("_loopback_only")
async def test_aiortc_takes_the_answer_to_what_it_publishes() -> None:
    client = RTCPeerConnection()
    client.addTransceiver(AudioStreamTrack(), direction="sendonly")
    client.addTransceiver(VideoStreamTrack(), direction="sendonly")
    assert await directions(client, None) == ["sendonly", "sendonly"]


@pytest.mark.usefixtures("_loopback_only")
@pytest.mark.parametrize(
    ("tracks", "agreed"),
    [
        ((AUDIO, VIDEO), ["recvonly", "recvonly"]),
        ((VIDEO,), ["inactive", "recvonly"]),
        ((AUDIO,), ["recvonly", "inactive"]),
    ],
)
async def test_aiortc_takes_the_answer_to_what_it_watches(tracks: Sequence[TrackParameters], agreed: list[str]) -> None:
    client = RTCPeerConnection()
    client.addTransceiver("audio", direction="recvonly")
    client.addTransceiver("video", direction="recvonly")
    assert await directions(client, tracks) == agreed


def test_only_a_publisher_with_transport_wide_feedback_is_told_where_to_start() -> None:
    offer = parse_offer(re.sub(r"a=rtcp-fb:\d+ transport-cc\r?\n", "", OFFERS["chromium_publish"]))
    assert "x-google-start-bitrate" not in answered(offer, plan_publish(offer))
    assert "x-google-start-bitrate" in publish_answer("chromium_publish")
