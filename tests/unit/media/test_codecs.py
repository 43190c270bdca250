"""Which codecs pass, which offered one takes a stream, and what an answer says of it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.codecs import choose, forwarded, received_parameters, sent_parameters
from media.parameters import Codec


def video(name: str, payload_type: int = 96, **parameters: Any) -> Codec:
    told = tuple((key.replace("_", "-"), value) for key, value in parameters.items())
    return Codec(f"video/{name}", 90000, None, payload_type, told)


def h264(profile_level_id: str, mode: str = "1", payload_type: int = 96, **more: str) -> Codec:
    return video("H264", payload_type, packetization_mode=mode, profile_level_id=profile_level_id, **more)


def opus(payload_type: int = 111, **parameters: Any) -> Codec:
    return Codec("audio/opus", 48000, 2, payload_type, tuple(parameters.items()))


@pytest.mark.parametrize("name", ["VP8", "VP9", "AV1", "H264", "H265", "vp8"])
def test_video_codecs_are_forwarded(name: str) -> None:
    assert forwarded(video(name))


@pytest.mark.parametrize("name", ["PCMU", "PCMA", "G722"])
def test_telephone_codecs_are_forwarded(name: str) -> None:
    assert forwarded(Codec(f"audio/{name}", 8000, 1, 0))


def test_opus_is_forwarded_in_its_only_form() -> None:
    assert forwarded(opus())
    assert not forwarded(Codec("audio/opus", 16000, 2, 111))
    assert not forwarded(Codec("audio/opus", 48000, 1, 111))


@pytest.mark.parametrize("name", ["rtx", "red", "ulpfec", "flexfec-03", "raw", ""])
def test_repair_and_unknown_video_is_not_forwarded(name: str) -> None:
    assert not forwarded(video(name))


@pytest.mark.parametrize("name", ["CN", "telephone-event", "red", "ISAC", "L16", "VP8"])
def test_comfort_noise_tones_and_unknown_audio_are_not_forwarded(name: str) -> None:
    assert not forwarded(Codec(f"audio/{name}", 8000, 1, 13))


def test_another_codec_cannot_take_a_stream() -> None:
    assert choose(video("VP8"), [video("VP9"), video("H264"), opus()]) is None


def test_another_clock_rate_cannot_take_a_stream() -> None:
    assert choose(Codec("audio/G722", 8000, 1, 9), [Codec("audio/G722", 16000, 1, 9)]) is None


def test_channels_must_be_equal_and_are_one_when_absent() -> None:
    assert choose(Codec("audio/PCMU", 8000, 1, 0), [Codec("audio/PCMU", 8000, None, 0)])
    assert choose(Codec("audio/PCMU", 8000, 1, 0), [Codec("audio/PCMU", 8000, 2, 0)]) is None


def test_names_are_compared_without_case() -> None:
    assert choose(Codec("audio/OPUS", 48000, 2, 97), [opus(109)]) == opus(109)


def test_opus_parameters_do_not_matter() -> None:
    assert choose(opus(stereo="1", useinbandfec="1"), [opus(109, stereo="0")])


def test_of_equal_codecs_the_client_s_first_is_taken() -> None:
    assert choose(video("VP8"), [video("VP8", 100), video("VP8", 101)]) == video("VP8", 100)


@pytest.mark.parametrize(
    ("name", "key", "default", "other"),
    [("VP9", "profile_id", "0", "2"), ("AV1", "profile", "0", "1"), ("H265", "profile_id", "1", "2")],
)
def test_a_profile_must_be_equal_and_has_a_default(name: str, key: str, default: str, other: str) -> None:
    bare = video(name)
    explicit = video(name, 96, **{key: default})
    different = video(name, 96, **{key: other})
    assert choose(bare, [different, explicit]) == explicit
    assert choose(explicit, [different, bare]) == bare
    assert choose(different, [bare, explicit]) is None


def test_an_h265_tier_must_be_equal() -> None:
    assert choose(video("H265"), [video("H265", tier_flag="1")]) is None
    assert choose(video("H265", tier_flag="0", level_id="120"), [video("H265", level_id="93")])


@pytest.mark.parametrize("level", ["0a", "1f", "28", "34"])
def test_h264_levels_do_not_matter(level: str) -> None:
    assert choose(h264("42e01f"), [h264("42e0" + level)])


@pytest.mark.parametrize("equal", ["42E01F", "42c01f", "424015", "4d801f", "4d8032", "58c01f", "58e01f", "42f01f"])
def test_constrained_baseline_has_many_spellings(equal: str) -> None:
    taken = choose(h264("42e01f"), [h264("42001f"), h264("4d001f"), h264(equal, payload_type=101)])
    assert taken
    assert taken.payload_type == 101


def test_the_equal_profile_is_preferred_to_a_larger_one() -> None:
    offered = [h264("640032", payload_type=100), h264("4d0032", payload_type=101), h264("42e01f", payload_type=102)]
    taken = choose(h264("42e01f"), offered)
    assert taken
    assert taken.payload_type == 102


@pytest.mark.parametrize(
    ("stream", "offered"),
    [
        ("42001f", "42e01f"),
        ("42e01f", "42001f"),
        ("42e01f", "4d001f"),
        ("42e01f", "640c1f"),
        ("640c1f", "64001f"),
        ("4d001f", "64001f"),
        ("640c1f", "f4001f"),
        ("64001f", "f4001f"),
    ],
)
def test_a_decoder_of_a_larger_h264_profile_takes_the_stream(stream: str, offered: str) -> None:
    assert choose(h264(stream), [h264(offered)])


@pytest.mark.parametrize(
    ("stream", "offered"),
    [
        ("64001f", "42e01f"),
        ("64001f", "640c1f"),
        ("4d001f", "42e01f"),
        ("4d001f", "640c1f"),
        ("f4001f", "64001f"),
        ("6e001f", "64001f"),
        ("58001f", "42e01f"),
        ("64801f", "64001f"),
    ],
)
def test_a_decoder_of_a_smaller_h264_profile_does_not(stream: str, offered: str) -> None:
    assert choose(h264(stream), [h264(offered)]) is None


@pytest.mark.parametrize("profile", ["6e001f", "7a001f", "58001f", "64801f", "ff001f"])
def test_an_unusual_h264_profile_takes_its_own_streams(profile: str) -> None:
    assert choose(h264(profile), [h264(profile[:4] + "28")])


def test_h264_packetization_modes_must_be_equal() -> None:
    assert choose(h264("42e01f", "1"), [h264("42e01f", "0")]) is None
    assert choose(h264("42e01f", "0"), [h264("42e01f", "2")]) is None
    assert choose(h264("42e01f", "1"), [video("H264", profile_level_id="42e01f")]) is None


def test_a_receiver_of_mode_1_takes_single_nal_units() -> None:
    offered = [h264("42e01f", "1", 100), h264("42e01f", "0", 101)]
    assert choose(h264("42e01f", "0"), offered[:1]) == offered[0]
    assert choose(h264("42e01f", "0"), offered) == offered[1]


@pytest.mark.parametrize("malformed", ["422001f", "42e0", "zzzzzz", ""])
def test_a_malformed_h264_profile_is_constrained_baseline(malformed: str) -> None:
    assert choose(h264(malformed), [h264("42e01f")])


def test_h264_without_configuration_takes_any_stream_if_nothing_else_does() -> None:
    bare = video("H264", 102)
    assert choose(h264("64001f"), [bare]) == bare
    assert choose(h264("64001f"), [bare, h264("64001f")]) == h264("64001f")


def test_a_publisher_is_answered_with_its_own_configuration() -> None:
    offered = video("VP9", profile_id="2", max_fs="12288", max_fr="60")
    assert received_parameters(offered) == (("profile-id", "2"),)


def test_decoder_limits_are_not_echoed_to_a_publisher() -> None:
    assert received_parameters(video("VP8", max_fs="12288", max_fr="60")) == ()


def test_a_publisher_may_send_h264_at_any_level_if_levels_may_differ() -> None:
    told = dict(received_parameters(h264("42e01f", level_asymmetry_allowed="1")))
    assert told == {"packetization-mode": "1", "profile-level-id": "42e034", "level-asymmetry-allowed": "1"}
    assert dict(received_parameters(h264("42e01f")))["profile-level-id"] == "42e01f"


def test_a_malformed_profile_is_echoed_as_it_is() -> None:
    assert dict(received_parameters(h264("422001f", level_asymmetry_allowed="1")))["profile-level-id"] == "422001f"


def test_opus_preferences_are_echoed_and_descriptions_are_not() -> None:
    offered = opus(111, minptime="10", stereo="1", **{"sprop-stereo": "1"})
    assert received_parameters(offered) == (("minptime", "10"), ("stereo", "1"))


def test_a_viewer_is_told_what_an_opus_stream_is() -> None:
    stream = opus(111, stereo="1", **{"sprop-stereo": "1", "x-unknown": "1"})
    assert sent_parameters(stream, opus(109, maxplaybackrate="48000")) == (("stereo", "1"), ("sprop-stereo", "1"))


def test_a_viewer_is_told_the_profile_of_the_stream_and_its_parameter_sets() -> None:
    stream = h264("42e028", sprop_parameter_sets="Z0LAH9kA,aMuDyyA=")
    told = dict(sent_parameters(stream, h264("42e01f", level_asymmetry_allowed="1")))
    assert told == {
        "packetization-mode": "1",
        "profile-level-id": "42e028",
        "level-asymmetry-allowed": "1",
        "sprop-parameter-sets": "Z0LAH9kA,aMuDyyA=",
    }


def test_a_viewer_who_takes_it_by_a_larger_profile_is_told_that_profile() -> None:
    assert dict(sent_parameters(h264("640c28"), h264("f4001f")))["profile-level-id"] == "f4001f"


def test_a_viewer_is_not_told_a_malformed_profile() -> None:
    assert dict(sent_parameters(h264("422001f"), h264("42e01f")))["profile-level-id"] == "42e01f"


def test_a_viewer_without_a_configuration_is_told_that_of_the_stream() -> None:
    assert dict(sent_parameters(h264("64001f"), video("H264", 102))) == dict(h264("64001f").parameters)


@pytest.mark.parametrize("value", ["1\r\na=candidate:x", "1\n", "1;x=y", "\0", "1 2", "é", "x" * 257, ""])
def test_a_value_that_could_break_its_line_is_left_out(value: str) -> None:
    stream = opus(stereo=value)
    assert sent_parameters(stream, opus()) == ()
    assert received_parameters(stream) == ()


texts = st.text(max_size=12)
codecs = st.builds(
    Codec,
    st.sampled_from(["video/H264", "video/VP9", "audio/opus", "video/", "/", ""]) | texts,
    st.sampled_from([90000, 48000, 0]),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 127),
    st.lists(st.tuples(st.sampled_from(["profile-level-id", "packetization-mode", "profile-id"]) | texts, texts)).map(
        tuple
    ),
)


@settings(deadline=None, max_examples=200)
@given(codecs, st.lists(codecs, max_size=4))
def test_no_codec_is_too_strange(stream: Codec, offered: list[Codec]) -> None:
    taken = choose(stream, offered)
    assert taken is None or taken in offered
    for other in [stream, *offered]:
        for key, value in (*received_parameters(other), *sent_parameters(stream, other)):
            assert f"{key}{value}".isprintable()
            assert " " not in value
            assert ";" not in value
