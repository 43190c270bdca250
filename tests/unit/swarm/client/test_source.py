"""What is published: a file, or the test picture and tone."""

import asyncio
import fractions
from pathlib import Path

import av
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from foundation.errors import LocalError
from swarm.client import testpicture
from swarm.client.source import Source


def write_clip(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        painter = testpicture._Painter(320, 180)
        for index in range(frames):
            frame = painter.paint(index)
            frame.pts, frame.time_base = index, fractions.Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


async def drained(track: MediaStreamTrack) -> int:
    count = 0
    try:
        while True:
            await track.recv()
            count += 1
    except MediaStreamError:
        return count


async def test_the_test_source_has_picture_and_sound_until_it_is_stopped() -> None:
    source = Source.test()
    assert [track.kind for track in source.tracks] == ["audio", "video"]
    source.stop()
    await source.wait_ended()


async def test_a_source_ends_when_all_its_tracks_have_ended() -> None:
    source = Source.test()
    ended = asyncio.ensure_future(source.wait_ended())
    source.tracks[0].stop()
    await asyncio.sleep(0)
    assert not ended.done()
    source.tracks[1].stop()
    await ended


async def test_a_file_is_played_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 5)
    source = Source.file(str(tmp_path / "clip.mp4"))
    assert source.audio is None
    assert source.video is not None
    assert await drained(source.video) == 5
    await source.wait_ended()


async def test_a_file_without_pictures_and_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n")
    with pytest.raises(LocalError, match="cannot play"):
        Source.file(str(tmp_path / "words.srt"))


@pytest.mark.parametrize("content", [b"", b"no media at all", bytes(1000)])
async def test_a_file_of_no_known_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(LocalError, match=r"cannot play .*clip\.mp4"):
        Source.file(str(tmp_path / "clip.mp4"))


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot play"):
        Source.file(str(tmp_path))
