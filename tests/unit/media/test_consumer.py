from dataclasses import replace
from uuid import uuid4

import pytest

from foundation import limits
from foundation.errors import LocalError
from media.consumer import Consumer
from media.consumer_track import ConsumerTrack, Format
from media.parameters import HeaderExtension
from media.producer import Producer
from media.srtp import AES_128_CM_SHA1_80
from tests.unit.media.rtp_samples import AUDIO, LEVEL, MID, VIDEO, Node, RecordingTransport


def viewer_track(first_number: int = 100) -> ConsumerTrack:
    return ConsumerTrack(VIDEO, VIDEO.with_ssrc(5), False, first_number)


def test_a_viewers_video_waits_for_a_keyframe_and_nothing_else_does() -> None:
    unknown = replace(VIDEO, codec=replace(VIDEO.codec, mime_type="video/unheard-of"))
    assert viewer_track().waits_for_keyframe
    assert not ConsumerTrack(VIDEO, VIDEO.with_ssrc(5), True, 0).waits_for_keyframe
    assert not ConsumerTrack(AUDIO, AUDIO.with_ssrc(5), False, 0).waits_for_keyframe
    assert not ConsumerTrack(unknown, unknown.with_ssrc(5), False, 0).waits_for_keyframe


def test_the_format_says_what_all_alike_consumers_share() -> None:
    node = Node()
    parameters = replace(AUDIO, extensions=(HeaderExtension(7, LEVEL.uri), MID), ssrc=5)
    track, pipe = ConsumerTrack(AUDIO, parameters, False, 0), ConsumerTrack(AUDIO, parameters, True, 0)
    for connecting in (track, pipe):
        connecting.connect(RecordingTransport(node.port, AES_128_CM_SHA1_80))
    assert track.format == Format(False, 111, ((LEVEL.id, 7),), 10, True)
    assert pipe.format == Format(True, -1, (), 10, False)


def test_a_track_needs_an_ssrc() -> None:
    with pytest.raises(LocalError):
        ConsumerTrack(AUDIO, replace(AUDIO, ssrc=None), False, 0)


def test_a_run_begins_where_the_last_one_ended() -> None:
    track = viewer_track(100)
    track.begin(5000, 1, 0.0)
    assert track.sequence_offset == 100 - 5000
    track.newest = (5010, 1, 0.0)
    track.skip()
    assert (track.running, track.start) == (False, 5011)
    track.begin(5020, 1, 0.0)
    assert 5020 + track.sequence_offset == 111
    assert track.timestamp_offset == 0


def test_timestamps_run_on_when_the_source_changes_by_a_tick_at_least() -> None:
    track = viewer_track()
    track.begin(1, 1000, 10.0)
    track.source_changed()
    track.begin(700, 50, 10.0)
    assert track.timestamp_offset == 951
    track.source_changed()
    track.begin(1, 0xFFFFFFFF, 11.0)
    assert (0xFFFFFFFF + track.timestamp_offset) & 0xFFFFFFFF == 1001 + 90_000


def test_a_pipe_wants_a_fresh_ssrc_only_for_one_it_has_used() -> None:
    track = ConsumerTrack(VIDEO, VIDEO.with_ssrc(5), True, 0)
    asked: list[int] = []
    track.on_ssrc_used = lambda: asked.append(track.ssrc)
    track.source_changed()
    assert asked == []
    track.begin(1, 1, 0.0)
    track.source_changed()
    track.source_changed()
    assert asked == [5]
    assert (track.sequence_offset, track.timestamp_offset) == (0, 0)


def test_a_viewers_video_has_been_refused_too_often_after_so_many_bursts_in_a_row() -> None:
    track, sound = viewer_track(), ConsumerTrack(AUDIO, AUDIO.with_ssrc(6), False, 0)

    def refused(each: ConsumerTrack) -> bool:
        each.packets += 5
        answers = [each.refused(5), each.refused(5)]
        assert not answers[1]
        return answers[0]

    track.packets = 100
    assert [refused(track) for _ in range(3)] == [False, False, True]
    track.packets += 1
    assert [refused(track) for _ in range(3)] == [False, False, True]
    assert not any(refused(sound) for _ in range(9))


def test_one_that_fell_behind_asks_for_a_keyframe_at_once_and_then_seldom() -> None:
    track = viewer_track()
    track.begin(1, 1, 0.0)
    track.fell_behind(10.0)
    assert (track.running, track.start, track.ask_at) == (False, 2, 10.0)
    track.asked_at = 10.0
    track.begin(5, 1, 11.0)
    assert track.ask_at is None
    track.fell_behind(12.0)
    assert track.ask_at == 10.0 + limits.slow_viewer_keyframe_gap_seconds


def test_closing_is_told_once_and_ends_the_flow() -> None:
    node = Node()
    producer = Producer(uuid4(), [AUDIO], False, node.router.forwarder, lambda track: None)
    track = ConsumerTrack(AUDIO, AUDIO.with_ssrc(5), False, 0)
    consumer = Consumer(producer, [track], False)
    consumer.connect(RecordingTransport(node.port), 0.0)
    assert len(producer.tracks["audio"].fanout) == 1
    reasons: list[str] = []
    consumer.on_close.append(reasons.append)
    consumer.close("gone")
    consumer.close()
    assert (reasons, len(producer.tracks["audio"].fanout)) == (["gone"], 0)
    consumer.connect(RecordingTransport(node.port), 0.0)
    assert len(producer.tracks["audio"].fanout) == 0


def test_stats_say_what_was_sent_and_what_the_receiver_said() -> None:
    track = viewer_track()
    track.reception.nacked = 3
    assert track.stats() == {
        "kind": "video",
        "codec": "VP8",
        "ssrc": 5,
        "packets": 0,
        "bytes": 0,
        "unsent": 0,
        "retransmitted": 0,
        "fraction_lost": 0.0,
        "jitter_ticks": 0,
        "rtt_seconds": None,
        "nacked": 3,
    }
