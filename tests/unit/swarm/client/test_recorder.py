"""Recordings can be read back, whatever came first and whatever changed on the way."""

import fractions
from pathlib import Path

import av
import pytest
from av import AudioFrame, VideoFrame

from foundation import limits
from foundation.errors import LocalError
from swarm.client import testpicture
from swarm.client.recorder import Recorder
from swarm.client.testpicture import read_counter


def picture(index: int, width: int = 320, height: int = 180) -> VideoFrame:
    frame = testpicture._Painter(width, height).paint(index)
    frame.pts, frame.time_base = 90_000 + index * 3000, fractions.Fraction(1, 90_000)
    return frame


def sound(index: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="stereo", samples=960)
    frame.planes[0].update(b"\x00\x10" * (frame.planes[0].buffer_size // 2))
    frame.sample_rate = 48_000
    frame.pts, frame.time_base = 480_000 + index * 960, fractions.Fraction(1, 48_000)
    return frame


def read_back(path: Path) -> tuple[list[int | None], int]:
    with av.open(str(path)) as container:
        frames: list[object] = list(container.decode())
    sounds = [frame for frame in frames if isinstance(frame, AudioFrame)]
    pictures = [read_counter(frame) for frame in frames if isinstance(frame, VideoFrame)]
    return pictures, sum(frame.samples for frame in sounds)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
async def test_pictures_and_sound_are_recorded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    async with Recorder(str(path), audio=True, video=True) as recorder:
        for index in range(20):
            recorder.frame(picture(index))
            recorder.frame(sound(index))
    counters, samples = read_back(path)
    assert counters == list(range(1, 20))
    assert samples >= 20 * 960
    assert recorder.dropped == 0


async def test_pictures_alone_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    async with Recorder(str(path), audio=False, video=True) as recorder:
        for index in range(10):
            recorder.frame(picture(index))
    assert read_back(path) == (list(range(10)), 0)


async def test_a_change_of_resolution_is_scaled_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "changing.mp4"
    async with Recorder(str(path), audio=False, video=True) as recorder:
        for index in range(10):
            recorder.frame(picture(index) if index < 5 else picture(index, 640, 360))
    assert read_back(path)[0] == list(range(10))


async def test_timestamps_that_stand_still_or_go_back_are_mended(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    async with Recorder(str(path), audio=False, video=True) as recorder:
        for index in (0, 1, 1, 5, 3, 6):
            recorder.frame(picture(index))
    assert read_back(path)[0] == [0, 1, 1, 5, 3, 6]


async def test_an_expected_kind_that_never_comes_does_not_hold_up_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "recorded_frames_max", 5)
    path = tmp_path / "half.mp4"
    recorder = Recorder(str(path), audio=True, video=True)
    monkeypatch.setattr(limits, "recorded_frames_max", 3)
    async with recorder:
        for index in range(5):
            recorder.frame(picture(index))
    assert read_back(path)[0] == [2, 3, 4]


async def test_frames_for_which_there_is_no_room_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "recorded_frames_max", 1)
    recorder = Recorder(str(tmp_path / "slow.mp4"), audio=False, video=True)
    recorder.frame(picture(0))
    recorder.frame(picture(1))
    assert recorder.dropped == 1
    async with recorder:
        pass


async def test_a_recording_of_nothing_ends_cleanly(tmp_path: Path) -> None:
    async with Recorder(str(tmp_path / "nothing.mp4"), audio=True, video=True):
        pass


async def test_a_recording_that_breaks_off_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    recorder = Recorder(str(tmp_path / "full.mp4"), audio=False, video=True)
    await recorder.__aenter__()
    for index in range(limits.recorded_frames_max):
        recorder.frame(picture(index))
    with pytest.raises(LocalError, match="broke off"):
        await recorder.__aexit__()


def test_a_file_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"\.mp4"):
        Recorder(str(tmp_path / "talk.txt"), audio=True, video=True)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot write"):
        Recorder(str(tmp_path / "missing" / "talk.mp4"), audio=True, video=True)
