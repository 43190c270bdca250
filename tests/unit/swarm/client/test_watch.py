"""What a watcher makes of the counters and sounds it gets."""

from swarm.client.testpicture import COUNTER_MODULUS
from swarm.client.watch import Watched


def watched(*counters: int | None) -> Watched:
    result = Watched()
    for counter in counters:
        result.seen(640, 360, counter)
    return result


def test_consecutive_counters_lose_nothing() -> None:
    assert watched(5, 6, 7).lost == 0


def test_skipped_counters_are_lost() -> None:
    assert watched(5, 8, 10).lost == 3


def test_a_repeated_counter_loses_nothing() -> None:
    assert watched(5, 5, 6).lost == 0


def test_a_counter_that_goes_back_is_a_new_beginning() -> None:
    result = watched(1000, 0, 1)
    assert (result.lost, result.counter) == (0, 1)


def test_the_counter_begins_again_without_a_loss() -> None:
    assert watched(COUNTER_MODULUS - 1, 0).lost == 0


def test_a_picture_without_a_counter_counts_as_a_frame_only() -> None:
    result = watched(None, 7, None, 8)
    assert (result.frames, result.counters, result.lost) == (4, 2, 0)


def test_silence_is_told_from_sound() -> None:
    result = Watched()
    for level in (0.0, 0.001, 0.2):
        result.heard(level)
    assert (result.audio_frames, result.sounding) == (3, 1)


def test_the_line_tells_size_counter_and_losses() -> None:
    result = watched(5, 7)
    result.heard(0.2)
    assert result.line() == "2 frames of 640x360, counter 7, 1 lost, 1 audio frames, 1 with sound"


def test_the_line_of_nothing_is_short() -> None:
    assert Watched().line() == "0 frames, 0 audio frames, 0 with sound"
