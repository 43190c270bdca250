import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteError
from foundation.packing import pack, unpack
from media.parameters import Codec, HeaderExtension, TrackParameters

words = st.text(max_size=20)
tracks = st.builds(
    TrackParameters,
    kind=st.sampled_from(["audio", "video"]),
    mid=words,
    codec=st.builds(
        Codec,
        mime_type=words,
        clock_rate=st.integers(1, 0xFFFFFFFF),
        channels=st.none() | st.integers(1, 255),
        payload_type=st.integers(0, 127),
        parameters=st.lists(st.tuples(words, words), max_size=4).map(tuple),
    ),
    ssrc=st.none() | st.integers(0, 0xFFFFFFFF),
    extensions=st.lists(st.builds(HeaderExtension, st.integers(1, 255), words), max_size=4).map(tuple),
    feedback=st.frozensets(words, max_size=4),
    rtx_payload_type=st.none() | st.integers(0, 127),
    rtx_ssrc=st.none() | st.integers(0, 0xFFFFFFFF),
    backlog_end=st.none() | st.integers(0, 0xFFFF),
)
TRACK = TrackParameters("video", "0", Codec("video/VP8", 90000, None, 96), 1)


@given(tracks)
def test_a_track_comes_back_from_the_wire(track: TrackParameters) -> None:
    assert TrackParameters.from_wire(unpack(pack(track.to_wire()), 100_000)) == track


def test_unknown_fields_are_ignored_and_those_of_older_nodes_may_miss() -> None:
    wire = TRACK.to_wire() | {"later": 1}
    del wire["rtx_pt"], wire["rtx_ssrc"], wire["backlog_end"]
    assert TrackParameters.from_wire(wire) == TRACK


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "text"},
        {"mid": 1},
        {"mid": "x" * 257},
        {"ssrc": -1},
        {"ssrc": 1 << 32},
        {"ssrc": True},
        {"pt": 128},
        {"pt": None},
        {"rate": 0},
        {"channels": 0},
        {"fmtp": [["a"]]},
        {"fmtp": "ab"},
        {"fmtp": [["a", "b"]] * 33},
        {"ext": [[0, "uri"]]},
        {"ext": [[1, "uri", "more"]]},
        {"ext": {1: "uri"}},
        {"fb": [1]},
        {"rtx_pt": 200},
        {"rtx_ssrc": "x"},
        {"backlog_end": 0x10000},
    ],
)
def test_a_malformed_track_is_a_remote_error(change: dict[str, object]) -> None:
    with pytest.raises(RemoteError):
        TrackParameters.from_wire(TRACK.to_wire() | change)


@pytest.mark.parametrize("wire", [None, 1, [], "x", {}, b""])
def test_what_is_no_map_of_a_track_is_a_remote_error(wire: object) -> None:
    with pytest.raises(RemoteError):
        TrackParameters.from_wire(wire)


def test_the_name_of_a_codec_is_in_upper_case() -> None:
    assert Codec("audio/opus", 48000, 2, 111).name == "OPUS"


def test_an_extension_is_found_by_its_uri() -> None:
    track = TrackParameters("audio", "0", TRACK.codec, extensions=(HeaderExtension(3, "urn:x"),))
    assert track.extension_id("urn:x") == 3
    assert track.extension_id("urn:y") is None
