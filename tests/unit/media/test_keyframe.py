from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from media.keyframe import keyframes_known, starts_keyframe

CODECS = ["VP8", "VP9", "AV1", "H264", "H265"]


def vp8(flags: int, extension: bytes, first: int) -> bytes:
    return bytes([flags]) + extension + bytes([first]) + b"rest"


@pytest.mark.parametrize(
    ("flags", "extension"),
    [
        (0x10, b""),
        (0x18, b""),
        (0x30, b""),
        (0x90, b"\x00"),
        (0x90, b"\x80\x7f"),
        (0x90, b"\x80\x81\x01"),
        (0x90, b"\xf0\x81\x01\x05\x20"),
        (0x90, b"\x40\x05"),
        (0x90, b"\x20\x40"),
        (0x90, b"\x10\x01"),
    ],
)
def test_a_vp8_keyframe_is_told_behind_every_descriptor(flags: int, extension: bytes) -> None:
    assert starts_keyframe("VP8", vp8(flags, extension, 0x10))
    assert not starts_keyframe("VP8", vp8(flags, extension, 0x11))
    assert not starts_keyframe("VP8", vp8(flags & ~0x10, extension, 0x10))
    assert not starts_keyframe("VP8", vp8(flags | 0x01, extension, 0x10))


@pytest.mark.parametrize(
    "payload",
    [b"\x08data", b"\x88\x05data", b"\x88\x80\x05data", b"\xa8\x05\x00\x00data", b"\x0adata", b"\xb8\x05\x01data"],
)
def test_a_vp9_keyframe_begins_a_frame_without_prediction_in_the_lowest_layer(payload: bytes) -> None:
    assert starts_keyframe("VP9", payload)
    assert not starts_keyframe("VP9", bytes([payload[0] | 0x40]) + payload[1:])
    assert not starts_keyframe("VP9", bytes([payload[0] & ~0x08]) + payload[1:])


def test_a_higher_spatial_layer_of_vp9_is_no_start() -> None:
    assert not starts_keyframe("VP9", b"\xa8\x05\x03\x00data")
    assert not starts_keyframe("VP9", b"\xa8\x80\x05\x02\x00data")


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        (b"\x18\x0asequence", True),
        (b"\x08\x05\x0adata\x03\x32ab", True),
        (b"\x88\x05\x32data", False),
        (b"\x10\x0asequence", True),
        (b"\x10\x32frame", False),
        (b"\x20\x02\x12\x00\x0asequence", True),
        (b"\x00\x02\x12\x00\x03\x0aab", True),
        (b"\x00\x02\x12\x00\x03\x32ab", False),
        (b"\xa0\x02\x0a\x00\x32frame", False),
        (b"\xa0\x02\x32\x00\x0asequence", True),
        (b"\x90\x0acontinued", False),
        (b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\x0a", False),
        (b"\x00\x00\x00\x00\x02\x0aa", True),
    ],
)
def test_an_av1_start_is_marked_new_or_holds_a_sequence_header(payload: bytes, starts: bool) -> None:
    assert starts_keyframe("AV1", payload) == starts


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        (b"\x65idr", True),
        (b"\x67sps", True),
        (b"\x68pps", False),
        (b"\x61delta", False),
        (b"\x06sei", False),
        (b"\x18\x00\x02\x09\xf0\x00\x02\x67a\x00\x02\x68a", True),
        (b"\x18\x00\x02\x68a\x00\x02\x65a", True),
        (b"\x18\x00\x02\x68a\x00\x02\x61a", False),
        (b"\x18\x00\x09\x65a", False),
        (b"\x18\x00\x00\x00\x02\x67a", True),
        (b"\x19\x00\x01\x00\x02\x67a", True),
        (b"\x7c\x85idr", True),
        (b"\x7c\x87sps", True),
        (b"\x7c\x05idr", False),
        (b"\x7c\x45idr", False),
        (b"\x7c\x81delta", False),
        (b"\x7d\x85\x00\x01idr", True),
    ],
)
def test_an_h264_start_is_an_idr_or_sps_alone_aggregated_or_fragmented(payload: bytes, starts: bool) -> None:
    assert starts_keyframe("H264", payload) == starts


def h265(kind: int) -> bytes:
    return bytes([kind << 1, 1])


@pytest.mark.parametrize("kind", range(48))
def test_an_h265_start_is_a_random_access_picture_or_its_parameters(kind: int) -> None:
    starts = kind in (16, 17, 18, 19, 20, 21, 32, 33)
    assert starts_keyframe("H265", h265(kind) + b"data") == starts
    assert starts_keyframe("H265", h265(48) + b"\x00\x03\x44\x01a\x00\x03" + h265(kind) + b"a") == starts
    assert starts_keyframe("H265", h265(49) + bytes([0x80 | kind]) + b"data") == starts
    assert not starts_keyframe("H265", h265(49) + bytes([kind]) + b"data")


def test_codecs_without_a_detector_start_at_once_instead() -> None:
    assert not starts_keyframe("OPUS", b"\x65data")
    assert not starts_keyframe("FLEXFEC-03", b"\x65data")
    assert not keyframes_known("OPUS")
    assert all(keyframes_known(codec) for codec in CODECS)


@pytest.mark.parametrize("codec", CODECS)
def test_an_empty_or_one_byte_payload_is_no_start(codec: str) -> None:
    assert not starts_keyframe(codec, b"")
    assert not any(starts_keyframe(codec, bytes([byte])) for byte in range(256))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(CODECS), st.binary(max_size=60))
def test_random_payloads_at_every_length_never_raise_and_read_alike_in_place(codec: str, payload: bytes) -> None:
    for length in range(len(payload) + 1):
        part = payload[:length]
        assert starts_keyframe(codec, memoryview(part)) == starts_keyframe(codec, part)


@pytest.mark.parametrize(("codec", "make"), [("VP8", Vp8Encoder), ("H264", H264Encoder)])
def test_a_real_encoders_keyframes_are_found_and_only_those(codec: str, make: Callable[[], Any]) -> None:
    encoder = make()
    for i in range(6):
        frame = av.VideoFrame(320, 240, "yuv420p")
        for plane, value in zip(frame.planes, (40 * i, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = i * 3000, Fraction(1, 90000)
        payloads, _ = encoder.encode(frame, force_keyframe=i in (0, 4))
        starts = [starts_keyframe(codec, payload) for payload in payloads]
        assert starts[0] == (i in (0, 4))
        assert any(starts) == (i in (0, 4))
