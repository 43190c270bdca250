from dataclasses import replace
from uuid import uuid4

import pytest

from foundation import limits
from foundation.errors import LocalError
from media.consumer import Consumer
from media.consumer_track import ConsumerTrack
from media.parameters import TrackParameters
from media.producer import Producer, ProducerTrack
from media.rtp import parse_header
from media.source import Source
from tests.unit.media.rtp_samples import AUDIO, OPUS, VIDEO, VP8, Node, packet


def make(*tracks: TrackParameters) -> tuple[Producer, list[ProducerTrack]]:
    """A producer, and the tracks it asked a keyframe for."""
    asked: list[ProducerTrack] = []
    return Producer(uuid4(), tracks, False, Node().router.forwarder, asked.append), asked


def consume(producer: Producer, *, pipe: bool = False) -> Consumer:
    tracks = [ConsumerTrack(t.parameters, t.parameters.with_ssrc(5), pipe, 0) for t in producer.tracks.values()]
    return Consumer(producer, tracks, pipe)


def heard(source: Source, *numbers: int) -> None:
    for number in numbers:
        data = packet(source.ssrc, number)
        source.received(parse_header(data), len(data), 0.0)


def test_closing_closes_the_consumers_for_the_same_reason_and_tells_once() -> None:
    producer, _ = make(AUDIO)
    consumers = [consume(producer), consume(producer, pipe=True)]
    reasons: list[str] = []
    producer.on_close.append(reasons.append)
    for consumer in consumers:
        consumer.on_close.append(reasons.append)
    producer.close()
    producer.close("again")
    assert reasons == ["ended"] * 3
    assert all(consumer.closed for consumer in consumers)
    assert producer.consumers == set()


def test_viewers_and_pipes_are_counted_apart_until_the_producer_closes() -> None:
    producer, _ = make(AUDIO)
    seen: list[tuple[int, int]] = []
    producer.on_consumers_changed.append(lambda viewers, pipes: seen.append((viewers, pipes)))
    viewer, pipe = consume(producer), consume(producer, pipe=True)
    viewer.close()
    viewer.close()
    assert seen == [(1, 0), (1, 1), (0, 1)]
    producer.close()
    assert len(seen) == 3
    assert (pipe.closed, producer.viewers, producer.pipes) == (True, 0, 0)


def test_two_tracks_of_a_kind_are_refused() -> None:
    with pytest.raises(LocalError):
        make(AUDIO, AUDIO)


def test_a_full_producer_takes_no_more_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "consumers_per_producer_max", 1)
    producer, _ = make(AUDIO)
    consume(producer)
    with pytest.raises(LocalError):
        consume(producer)


def test_a_closed_producer_takes_no_consumers() -> None:
    producer, _ = make(AUDIO)
    producer.close()
    with pytest.raises(LocalError):
        consume(producer)


def test_keyframes_are_asked_for_video_that_is_there() -> None:
    producer, asked = make(AUDIO, VIDEO)
    audio_only, asked_of_audio = make(AUDIO)
    producer.request_keyframe("audio")
    audio_only.request_keyframe("video")
    producer.request_keyframe("video")
    producer.close()
    producer.request_keyframe("video")
    assert (asked, asked_of_audio) == ([producer.tracks["video"]], [])


def test_what_former_sources_brought_stays_counted() -> None:
    producer, _ = make(replace(AUDIO, ssrc=None))
    track = producer.tracks["audio"]
    assert track.stats()["ssrc"] is None
    for ssrc in (1, 2):
        source = Source(ssrc, OPUS, 0.0)
        track.bind(source, 0.0)
        heard(source, 10, 12)
    size = len(packet(1, 1))
    assert track.stats() == {
        "kind": "audio",
        "codec": "OPUS",
        "ssrc": 2,
        "packets": 4,
        "bytes": 4 * size,
        "lost": 2,
        "keyframes": 0,
    }
    track.unbind()
    assert producer.stats() == [{**track.stats(), "packets": 4}]


def test_a_keyframe_of_several_starts_counts_once() -> None:
    producer, _ = make(VIDEO)
    track = producer.tracks["video"]
    for timestamp in (100, 100, 100, 200):
        track.keyframe_seen(timestamp, 0.0)
    assert track.keyframes == 2


def test_the_first_source_binds_and_another_waits_for_the_gap() -> None:
    track = make(VIDEO)[0].tracks["video"]
    gap = limits.ssrc_change_gap_seconds_min
    assert track.may_bind(1, 0.0)
    track.bind(Source(1, VP8, 0.0), 0.0)
    assert not track.may_bind(2, gap / 2)
    assert track.may_bind(2, gap)


def test_a_former_ssrc_waits_until_the_present_one_is_silent() -> None:
    track = make(VIDEO)[0].tracks["video"]
    gap = limits.ssrc_change_gap_seconds_min
    track.bind(Source(1, VP8, 0.0), 0.0)
    track.bind(Source(2, VP8, 5.0), 5.0)
    track.heard_at = 9.0
    assert not track.may_bind(1, 9.0 + gap / 2)
    assert track.may_bind(1, 9.0 + gap)


def test_only_so_many_former_ssrcs_are_remembered() -> None:
    track = make(VIDEO)[0].tracks["video"]
    for ssrc in range(limits.ssrcs_remembered_max + 2):
        track.bind(Source(ssrc, VP8, 0.0), 0.0)
    track.heard_at = 1.0
    assert (track.may_bind(0, 1.0), track.may_bind(1, 1.0)) == (True, False)


def test_a_new_source_asks_for_a_keyframe_when_somebody_consumes() -> None:
    producer, asked = make(VIDEO)
    track = producer.tracks["video"]
    track.bind(Source(1, VP8, 0.0), 0.0)
    track.bind(Source(2, VP8, 0.0), 0.0)
    assert asked == []
    consume(producer)
    track.bind(Source(3, VP8, 0.0), 0.0)
    assert asked == [track]
