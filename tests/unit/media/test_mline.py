"""One m-line of an offer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import BadOffer
from media.mline import MediaOffer, OfferedExtension, read_media
from media.parameters import Codec
from media.sdp_lines import Section, split_sections

BUNDLES = (("a", "v"),)


def read(head: str, *attributes: str, session: tuple[str, ...] = ()) -> MediaOffer:
    lines = ["v=0", *(f"a={line}" for line in session), f"m={head}", *(f"a={line}" for line in attributes)]
    outer, (section,) = split_sections("\r\n".join(lines))
    return read_media(section, outer, BUNDLES)


def video(*attributes: str, formats: str = "96", session: tuple[str, ...] = ()) -> MediaOffer:
    return read(f"video 9 UDP/TLS/RTP/SAVPF {formats}", "mid:v", "rtcp-mux", *attributes, session=session)


def audio(*attributes: str, formats: str = "111") -> MediaOffer:
    return read(f"audio 9 UDP/TLS/RTP/SAVPF {formats}", "mid:a", "rtcp-mux", *attributes)


def test_the_head_is_kept_as_it_was_written() -> None:
    line = read("video 9/2 TCP/TLS/RTP/SAVPF 96 97 ", "mid:v", "rtcp-mux")
    assert (line.kind, line.protocol, line.formats) == ("video", "TCP/TLS/RTP/SAVPF", ("96", "97"))


@pytest.mark.parametrize(
    "head",
    [
        "",
        "video",
        "video 9",
        "video 9 UDP/TLS/RTP/SAVPF",
        "video x UDP/TLS/RTP/SAVPF 96",
        "video -1 UDP/TLS/RTP/SAVPF 96",
        "video ٣ UDP/TLS/RTP/SAVPF 96",
        "vid:eo 9 UDP/TLS/RTP/SAVPF 96",
        "video 9 UDP/TLS/RTP/SAVPF é",
        "video 999999 UDP/TLS/RTP/SAVPF 96",
        "video 9 UDP/TLS/RTP/SAVPF " + "9" * 33,
        "video 9 UDP/TLS/RTP/SAVPF" + " 96" * (limits.sdp_formats_max + 1),
    ],
)
def test_a_malformed_head_is_refused(head: str) -> None:
    with pytest.raises(BadOffer, match="m-line"):
        read(head, "mid:v", "rtcp-mux")


@pytest.mark.parametrize("mid", ["0", "video0", "audio_1", "sdparta_0", "{a-b}", "~", "A.b*c"])
def test_a_mid_is_any_token(mid: str) -> None:
    assert read("video 9 UDP/TLS/RTP/SAVPF 96", f"mid:{mid}", "rtcp-mux").mid == mid


@pytest.mark.parametrize("mid", ["a b", "a/b", "a,b", "é", "x" * 65, "a\u2028b"])
def test_a_malformed_mid_is_refused(mid: str) -> None:
    with pytest.raises(BadOffer, match="mid"):
        read("video 9 UDP/TLS/RTP/SAVPF 96", f"mid:{mid}", "rtcp-mux")


def test_port_0_rejects_a_line() -> None:
    line = read("video 0 UDP/TLS/RTP/SAVPF 96", "mid:v", "rtpmap:96 VP8/90000")
    assert line.rejected
    assert not line.answerable


def test_a_bundle_only_line_with_port_0_is_wanted_and_inherits_rtcp_mux() -> None:
    line = read("video 0 UDP/TLS/RTP/SAVPF 96", "mid:v", "bundle-only", "rtpmap:96 VP8/90000")
    assert line.answerable


def test_bundle_only_outside_of_a_bundle_means_nothing() -> None:
    assert read("video 0 UDP/TLS/RTP/SAVPF 96", "mid:x", "bundle-only").rejected


def test_rtcp_must_be_multiplexed() -> None:
    with pytest.raises(BadOffer, match="rtcp-mux"):
        read("video 9 UDP/TLS/RTP/SAVPF 96", "mid:v")


@pytest.mark.parametrize("protocol", ["UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF", "RTP/AVPF", "RTP/SAVP"])
def test_all_spellings_of_the_protocol_are_one(protocol: str) -> None:
    assert read(f"audio 9 {protocol} 0", "mid:a", "rtcp-mux").answerable


@pytest.mark.parametrize(
    "head", ["application 9 UDP/DTLS/SCTP webrtc-datachannel", "text 9 RTP/SAVPF 98", "video 9 UDP 96", "video 9 x 96"]
)
def test_other_media_cannot_be_answered(head: str) -> None:
    line = read(head, "mid:v")
    assert not line.rejected
    assert not line.answerable


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly", "inactive"])
def test_the_direction_is_its_own_or_the_session_s(direction: str) -> None:
    assert video(direction, session=("recvonly",)).direction == direction
    assert video(session=(direction,)).direction == direction
    assert video(direction).direction == direction


def test_without_a_direction_it_is_both() -> None:
    assert video().direction == "sendrecv"


def test_codecs_are_in_the_order_of_the_formats() -> None:
    line = video("rtpmap:96 VP8/90000", "rtpmap:98 VP9/90000", "fmtp:98 profile-id=2", formats="98 97 96")
    assert line.codecs == (
        Codec("video/VP9", 90000, None, 98, (("profile-id", "2"),)),
        Codec("video/VP8", 90000, None, 96),
    )


def test_parameters_may_stand_before_the_codec() -> None:
    line = video("fmtp:96 profile-id=0", "rtpmap:96 VP9/90000")
    assert line.codecs[0].parameter("profile-id") == "0"


def test_parameters_are_trimmed_and_the_first_of_a_name_counts() -> None:
    line = audio("rtpmap:111 opus/48000/2", "fmtp:111 minptime=10; stereo = 1;;useinbandfec;stereo=0", "fmtp:111 x=a=b")
    assert line.codecs[0].parameters == (("minptime", "10"), ("stereo", "1"), ("useinbandfec", ""), ("x", "a=b"))


def test_odd_and_excess_parameters_are_left_out() -> None:
    many = ";".join(f"p{n}={n}" for n in range(100))
    assert len(audio("rtpmap:111 opus/48000/2", f"fmtp:111 é=1;a b=2;x={'y' * 257};{many}").codecs[0].parameters) == 32
    assert audio("rtpmap:111 opus/48000/2", "fmtp:111 é=1;a b=2", "fmtp:x y=1", "fmtp").codecs[0].parameters == ()


@pytest.mark.parametrize(("payload_type", "name"), [(0, "PCMU"), (8, "PCMA"), (9, "G722")])
def test_static_payload_types_need_no_rtpmap(payload_type: int, name: str) -> None:
    assert audio(formats=str(payload_type)).codecs == (Codec(f"audio/{name}", 8000, 1, payload_type),)


def test_a_static_payload_type_may_be_mapped_otherwise() -> None:
    assert audio("rtpmap:0 opus/48000/2", formats="0").codecs[0].name == "OPUS"


def test_static_payload_types_are_of_audio() -> None:
    assert video(formats="0 8 9").codecs == ()


def test_channels_are_1_unless_told() -> None:
    assert audio("rtpmap:109 G722/8000/1", formats="109").codecs[0].channels == 1
    assert audio("rtpmap:109 G722/8000", formats="109").codecs[0].channels == 1


def test_unmapped_repeated_and_impossible_formats_are_left_out() -> None:
    maps = [f"rtpmap:{n} VP8/90000" for n in (72, 96)]
    line = video(*maps, formats="34 72 96 96 128 300 x *")
    assert [codec.payload_type for codec in line.codecs] == [96]


@pytest.mark.parametrize("value", ["96", "96 VP8", "x VP8/90000", "128 VP8/90000", "96 V P8/1", "96 VP8/x", "٩ VP8/1"])
def test_a_malformed_rtpmap_is_refused(value: str) -> None:
    with pytest.raises(BadOffer, match="rtpmap"):
        video(f"rtpmap:{value}")


def test_a_payload_type_of_two_codecs_is_refused() -> None:
    with pytest.raises(BadOffer, match="payload type"):
        video("rtpmap:96 VP8/90000", "rtpmap:96 VP9/90000")


def test_a_repeated_rtpmap_is_one() -> None:
    assert len(video("rtpmap:96 VP8/90000", "rtpmap:96 VP8/90000").codecs) == 1


def test_feedback_is_by_payload_type_and_wildcard() -> None:
    line = video(
        "rtpmap:96 VP8/90000",
        "rtpmap:97 rtx/90000",
        "rtcp-fb:* ccm fir",
        "rtcp-fb:96 nack",
        "rtcp-fb:96 nack  PLI",
        "rtcp-fb:96 nack pli",
        "rtcp-fb:96 ccm tmmbr",
        "rtcp-fb:99 goog-remb",
        "rtcp-fb",
        formats="96 97",
    )
    assert line.feedback == {96: {"nack", "nack pli", "ccm fir"}, 97: {"ccm fir"}}


def test_extensions_keep_their_direction_and_drop_their_attributes() -> None:
    line = video("extmap:3 urn:x", "extmap:6/recvonly http://y#z short", "extmap:4097 urn:far")
    assert line.extensions == (
        OfferedExtension(3, "urn:x", "sendrecv"),
        OfferedExtension(6, "http://y#z", "recvonly"),
        OfferedExtension(4097, "urn:far", "sendrecv"),
    )


def test_session_extensions_hold_for_every_line() -> None:
    line = video("extmap:3 urn:x", session=("extmap:4 urn:y", "extmap:5 urn:x"))
    assert [(extension.id, extension.uri) for extension in line.extensions] == [(3, "urn:x"), (4, "urn:y")]


@pytest.mark.parametrize("value", ["", "1", "x urn:a", "1/upwards urn:a", "1/send urn:a", "1 urn:é", "1 " + "u" * 257])
def test_a_malformed_extension_is_refused(value: str) -> None:
    with pytest.raises(BadOffer, match="extmap"):
        video(f"extmap:{value}")


def test_an_id_of_two_extensions_is_refused() -> None:
    with pytest.raises(BadOffer, match="extension id"):
        video("extmap:3 urn:x", "extmap:3 urn:y")


def test_too_many_extensions_are_refused() -> None:
    most = [f"extmap:{n} urn:{n}" for n in range(limits.sdp_extensions_max)]
    assert len(video(*most).extensions) == limits.sdp_extensions_max
    with pytest.raises(BadOffer, match="header extensions"):
        video(*most, session=("extmap:9999 urn:x",))


def test_a_single_ssrc_is_that_of_the_media() -> None:
    assert video("ssrc:4294967295 cname:x", "ssrc:4294967295 msid:a b").ssrc == 0xFFFFFFFF


@pytest.mark.parametrize("semantics", ["FID", "FEC-FR"])
def test_the_first_of_a_repair_group_is_that_of_the_media(semantics: str) -> None:
    assert video("ssrc:2 cname:x", "ssrc:1 cname:x", f"ssrc-group:{semantics} 1 2").ssrc == 1


def test_the_first_of_old_style_simulcast_is_taken() -> None:
    groups = ["ssrc-group:SIM 1 2 3", "ssrc-group:FID 1 4", "ssrc-group:FID 2 5", "ssrc-group:FID 3 6"]
    line = video(*groups, *(f"ssrc:{n} cname:x" for n in range(1, 7)))
    assert (line.ssrc, line.rtx_ssrc) == (1, 4)


def test_several_ssrcs_without_a_group_are_none() -> None:
    assert video("ssrc:1 cname:x", "ssrc:2 cname:x", "ssrc-group:").ssrc is None
    assert video().ssrc is None


@pytest.mark.parametrize("value", ["", "x cname:y", "-1 x", "4294967296 x", "٣ x", "1_0 x", "9" * 5000])
def test_a_malformed_ssrc_is_refused(value: str) -> None:
    with pytest.raises(BadOffer, match="ssrc"):
        video(f"ssrc:{value}")
    with pytest.raises(BadOffer, match="ssrc"):
        video(f"ssrc-group:FID 1 {value or 'x'}")


def test_reduced_size_rtcp_is_noticed() -> None:
    assert video("rtcp-rsize").rtcp_rsize
    assert not video().rtcp_rsize


names = st.sampled_from(["mid", "rtpmap", "fmtp", "rtcp-fb", "extmap", "ssrc", "ssrc-group", "rtcp-mux", "bundle-only"])
values = st.text(alphabet="0123456789 /:;=*-.aAVP\u0663é", max_size=20) | st.text(max_size=20)
heads = st.sampled_from(["video 9 UDP/TLS/RTP/SAVPF 96 97", "audio 0 RTP/SAVPF 0 111"]) | values


@settings(deadline=None, max_examples=200)
@given(heads, st.dictionaries(names, st.lists(values, min_size=1, max_size=3)))
def test_any_section_is_read_or_refused(head: str, attributes: dict[str, list[str]]) -> None:
    try:
        line = read_media(Section(head, attributes), Section(), BUNDLES)
    except BadOffer:
        return
    reflected = [line.kind, line.protocol, line.mid, *line.formats, *(extension.uri for extension in line.extensions)]
    for text in reflected + [codec.mime_type for codec in line.codecs]:
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text


def test_the_ssrc_of_rtx_is_grouped_with_that_of_the_media() -> None:
    named = ["ssrc:1 cname:x", "ssrc:2 cname:x"]
    assert video(*named, "ssrc-group:FID 1 2").rtx_ssrc == 2
    assert video(*named, "ssrc-group:FEC-FR 1 2").rtx_ssrc is None
    assert video(*named, "ssrc:3 cname:x", "ssrc-group:FID 1 2 3").rtx_ssrc is None
    assert video(*named).rtx_ssrc is None


@pytest.mark.parametrize(
    ("lines", "payload_type"),
    [
        (["rtpmap:97 rtx/90000", "fmtp:97 apt=96"], 97),
        (["rtpmap:97 RTX/90000", "fmtp:97 apt=96;rtx-time=3000"], 97),
        (["rtpmap:97 rtx/90000", "fmtp:97 rtx-time=3000"], None),
        (["rtpmap:97 rtx/90000", "fmtp:97 apt=98"], None),
        (["rtpmap:97 rtx/48000", "fmtp:97 apt=96"], None),
        (["rtpmap:97 red/90000", "fmtp:97 apt=96"], None),
    ],
)
def test_rtx_belongs_to_the_payload_type_it_names(lines: list[str], payload_type: int | None) -> None:
    line = video("rtpmap:96 VP8/90000", *lines, formats="96 97")
    assert line.rtx_payload_type(line.codecs[0]) == payload_type
