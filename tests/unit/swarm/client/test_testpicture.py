"""The test picture keeps its counter through the codecs of real calls."""

import fractions
import itertools
import random

import av
import pytest
from aiortc.codecs import depayload, get_decoder, get_encoder
from aiortc.codecs.base import Decoder, Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import LocalError
from swarm.client import testpicture
from swarm.client.testpicture import COUNTER_MODULUS, TestPicture, TestTone, loudness, read_counter


def painted(counter: int, width: int = 640, height: int = 360) -> av.VideoFrame:
    frame = testpicture._Painter(width, height).paint(counter)
    frame.pts = 0
    frame.time_base = fractions.Fraction(1, 90_000)
    return frame


def codec_pair(mime_type: str) -> tuple[Encoder, Decoder]:
    codec = RTCRtpCodecParameters(mimeType=mime_type, clockRate=90_000, payloadType=97)
    return get_encoder(codec), get_decoder(codec)


def coded(encoder: Encoder, decoder: Decoder, mime_type: str, frame: av.VideoFrame) -> list[av.VideoFrame]:
    parameters = RTCRtpCodecParameters(mimeType=mime_type, clockRate=90_000, payloadType=97)
    payloads, timestamp = encoder.encode(frame)
    data = b"".join(depayload(parameters, payload) for payload in payloads)
    return [
        out for out in decoder.decode(JitterFrame(data=data, timestamp=timestamp)) if isinstance(out, av.VideoFrame)
    ]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, COUNTER_MODULUS - 1))
def test_a_counter_is_read_from_its_picture(counter: int) -> None:
    assert read_counter(painted(counter, 320, 180)) == counter


@pytest.mark.parametrize(
    ("width", "height"), [(640, 360), (1280, 720), (1920, 1080), (320, 240), (160, 96), (426, 240)]
)
def test_a_counter_is_read_at_every_size(width: int, height: int) -> None:
    assert read_counter(painted(987_654, width, height)) == 987_654


@pytest.mark.parametrize("mime_type", ["video/VP8", "video/H264"])
@pytest.mark.parametrize("bitrate", [100_000, 1_000_000])
def test_counters_survive_lossy_coding(mime_type: str, bitrate: int) -> None:
    encoder, decoder = codec_pair(mime_type)
    encoder.target_bitrate = bitrate  # type: ignore[attr-defined]
    painter = testpicture._Painter(640, 360)
    read = []
    for index in range(30):
        frame = painter.paint(5_000 + index * 37)
        frame.pts, frame.time_base = index * 3000, fractions.Fraction(1, 90_000)
        read += [read_counter(out) for out in coded(encoder, decoder, mime_type, frame)]
    assert read == [5_000 + index * 37 for index in range(30)]


def test_a_counter_survives_scaling_down_and_up() -> None:
    small = painted(4_711_000, 1280, 720).reformat(width=320, height=180)
    assert read_counter(small) == 4_711_000
    assert read_counter(small.reformat(width=1280, height=720)) == 4_711_000


def test_a_counter_is_read_from_other_pixel_formats() -> None:
    assert read_counter(painted(77).reformat(format="rgb24")) == 77
    assert read_counter(painted(77).reformat(format="nv12")) == 77


@pytest.mark.parametrize("level", [0, 16, 128, 235, 255])
def test_a_plain_picture_has_no_counter(level: int) -> None:
    frame = av.VideoFrame(640, 360, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([level]) * plane.buffer_size)
    assert read_counter(frame) is None


def test_noise_has_no_counter() -> None:
    rng = random.Random(1)
    frame = av.VideoFrame(320, 180, "yuv420p")
    for plane in frame.planes:
        plane.update(rng.randbytes(plane.buffer_size))
    assert read_counter(frame) is None


def test_a_picture_with_one_block_turned_over_is_not_believed() -> None:
    frame = painted(1000)
    plane = frame.planes[0]
    luma = bytearray(bytes(plane))
    for y in range(360 * 6 // 8, 360 * 7 // 8):
        start = y * plane.line_size
        luma[start : start + 40] = bytes([235]) * 40
    plane.update(bytes(luma))
    assert read_counter(frame) is None


@pytest.mark.parametrize(("width", "height"), [(641, 360), (640, 361), (100, 96), (160, 50)])
def test_a_size_that_cannot_be_drawn_is_refused(width: int, height: int) -> None:
    with pytest.raises(LocalError):
        TestPicture(width, height)


async def test_pictures_count_and_follow_the_clock() -> None:
    track = TestPicture(frames_per_second=100)
    frames = [await track.recv() for _ in range(3)]
    assert [read_counter(frame) for frame in frames] == [0, 1, 2]
    assert [frame.pts for frame in frames] == [0, 900, 1800]
    track.stop()


async def test_pictures_move() -> None:
    track = TestPicture(frames_per_second=1000)
    first, second = [bytes((await track.recv()).planes[0]) for _ in range(2)]
    assert first != second
    track.stop()


async def test_a_stopped_track_gives_no_more_frames() -> None:
    for track in (TestPicture(), TestTone()):
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()


async def test_the_tone_sounds_and_goes_on_without_a_step() -> None:
    tone = TestTone()
    frames = [await tone.recv() for _ in range(2)]
    assert [frame.pts for frame in frames] == [0, 960]
    assert all(0.1 < loudness(frame) < 0.3 for frame in frames)
    samples = [sample for frame in frames for sample in memoryview(frame.planes[0]).cast("B").cast("h")[:960].tolist()]
    assert max(abs(b - a) for a, b in itertools.pairwise(samples)) < 600


def test_silence_is_not_loud() -> None:
    frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    assert loudness(frame) == 0.0
