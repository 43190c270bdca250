from dataclasses import replace
from uuid import uuid4

import pytest

from foundation import limits
from media.counters import Counters
from media.nack_sender import NackSender
from media.parameters import TrackParameters
from media.producer import Producer, ProducerTrack
from media.rtcp import Nack, feedback_message, parse_compound
from media.source import Source
from tests.unit.media.rtp_samples import AUDIO, VIDEO, VP8, Node

REPAIRED = replace(VIDEO, feedback=frozenset({"nack"}))
DELAY = limits.nack_delay_seconds


def track_of(parameters: TrackParameters = REPAIRED, piped: bool = False, ssrc: int = 7) -> ProducerTrack:
    producer = Producer(uuid4(), [parameters], piped, Node().router.forwarder, lambda track: None)
    track = producer.tracks[parameters.kind]
    track.bind(Source(ssrc, VP8, 0.0), 0.0)
    return track


def sender_of(*tracks: ProducerTrack) -> NackSender:
    sender = NackSender(Counters())
    sender.add(tracks)
    return sender


def asked(sender: NackSender, now: float) -> list[tuple[int, tuple[int, ...]]]:
    """The SSRCs and numbers of the NACKs that are due."""
    packets, _ = sender.poll(1, now)
    messages = [feedback_message(part) for data in packets for part in parse_compound(data)]
    return [(message.media_ssrc, message.lost) for message in messages if isinstance(message, Nack)]


@pytest.mark.parametrize(
    ("track", "asks"),
    [
        (track_of(), True),
        (track_of(VIDEO), False),
        (track_of(VIDEO, piped=True), True),
        (track_of(AUDIO), False),
        (track_of(AUDIO, piped=True), True),
        (track_of(replace(AUDIO, feedback=frozenset({"nack"}))), True),
    ],
)
def test_parents_are_asked_and_publishers_that_agreed(track: ProducerTrack, asks: bool) -> None:
    sender = sender_of(track)
    sender.received(track, [1, 3], (), 0.0)
    assert asked(sender, DELAY) == ([(7, (2,))] if asks else [])


def test_all_tracks_are_asked_for_in_one_round_and_counted() -> None:
    counters = Counters()
    sender = NackSender(counters)
    tracks = [track_of(ssrc=7), track_of(ssrc=8)]
    sender.add(tracks)
    for track in tracks:
        sender.received(track, [1, 4], (), 0.0)
    assert asked(sender, DELAY) == [(7, (2, 3)), (8, (2, 3))]
    assert counters.nacks_sent == 4


def test_rounds_have_a_pause_between_them() -> None:
    sender = sender_of(one := track_of(), other := track_of(ssrc=8))
    sender.received(one, [1, 3], (), 0.0)
    sender.received(other, [1, 3], (), 0.001)
    assert len(asked(sender, DELAY)) == 1
    assert sender.timeout() == DELAY + limits.nack_poll_gap_seconds_min
    assert asked(sender, DELAY + 0.002) == []
    assert asked(sender, DELAY + limits.nack_poll_gap_seconds_min) == [(8, (2,))]


def test_when_nothing_is_missing_nothing_is_due() -> None:
    sender = sender_of(track := track_of())
    sender.received(track, [1, 3], (), 0.0)
    sender.received(track, [2], (), 0.001)
    assert asked(sender, DELAY) == []
    assert sender.timeout() is None


def test_a_new_source_has_lost_nothing_of_the_old_one() -> None:
    sender = sender_of(track := track_of())
    sender.received(track, [1, 3], (), 0.0)
    track.bind(Source(9, VP8, 1.0), 1.0)
    assert asked(sender, 1.0) == []
    sender.received(track, [70], (), 1.0)
    sender.received(track, [72], (), 1.0)
    assert asked(sender, 1.0 + DELAY) == [(9, (71,))]


def test_a_source_that_ended_and_a_track_that_is_gone_are_not_asked() -> None:
    sender = sender_of(ended := track_of(), gone := track_of(ssrc=8))
    for track in (ended, gone):
        sender.received(track, [1, 3], (), 0.0)
    ended.unbind()
    sender.forget(gone)
    assert asked(sender, DELAY) == []
    assert sender.timeout() is None
    sender.received(gone, [5], (), 1.0)
    sender.repaired(gone, 4, 1.0)
    assert sender.timeout() is None


def test_a_track_that_only_a_keyframe_can_heal_is_told() -> None:
    sender = sender_of(track := track_of())
    sender.received(track, [1, 900], (), 0.0)
    assert sender.poll(1, DELAY) == ([], [track])
    assert sender.timeout() is None


def test_the_round_trip_is_the_path_s_or_that_of_answers_or_a_guess() -> None:
    sender = sender_of(track := track_of(replace(REPAIRED, rtx_payload_type=97)))
    assert sender.rtt_seconds == limits.rtt_default_seconds
    sender.received(track, [1, 3], (), 0.0)
    asked(sender, 0.01)
    sender.repaired(track, 2, 0.05)
    assert sender.rtt_seconds == pytest.approx(0.04)
    sender.received(track, [5], (), 1.0)
    asked(sender, 1.01)
    sender.repaired(track, 4, 1.13)
    assert sender.rtt_seconds == pytest.approx(0.05)
    sender.path_rtt_seconds = 0.2
    assert sender.rtt_seconds == 0.2


def test_a_round_trip_that_has_grown_is_found_out_though_all_is_asked_for_too_soon() -> None:
    sender = sender_of(track := track_of(replace(REPAIRED, rtx_payload_type=97)))
    for second in range(100):
        sequence, rtt = 2 * second + 2, 0.02 if second < 50 else 0.05
        sender.received(track, [sequence - 1, sequence + 1], (), float(second))
        for millisecond in range(10, 10 + int(1000 * rtt)):
            asked(sender, second + millisecond / 1000)
        sender.repaired(track, sequence, second + 0.01 + rtt)
    assert sender.rtt_seconds == pytest.approx(0.05, rel=0.05)


def test_without_rtx_a_late_packet_is_the_answer() -> None:
    sender = sender_of(track := track_of())
    sender.received(track, [1, 3], (), 0.0)
    asked(sender, 0.01)
    sender.received(track, [2], (), 0.05)
    assert sender.rtt_seconds == pytest.approx(0.04)


def test_with_rtx_a_late_packet_is_just_late() -> None:
    sender = sender_of(track := track_of(replace(REPAIRED, rtx_payload_type=97)))
    sender.received(track, [1, 3], (), 0.0)
    asked(sender, 0.01)
    sender.received(track, [2], (), 0.011)
    assert sender.rtt_seconds == limits.rtt_default_seconds
