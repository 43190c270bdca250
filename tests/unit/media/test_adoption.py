"""A piped producer outlives the link that brought it: another link may bring it on, and its viewers stay."""

from dataclasses import replace

import pytest

from foundation import limits
from foundation.errors import LocalError
from media import rtcp
from media.parameters import Codec
from media.rtp import parse_header
from tests.unit.media.rtp_samples import DELTA, KEYFRAME, VIDEO, Client, Node, packet

OTHER = replace(VIDEO, ssrc=0xC0, mid="other")


def video(sequence: int, ssrc: int, *, key: bool = False) -> bytes:
    return packet(ssrc, sequence, 3000 * sequence, (KEYFRAME if key else DELTA) + b"picture")


def test_a_lost_link_leaves_its_piped_producer_waiting() -> None:
    node = Node()
    link, viewer = Client(node), Client(node)
    producer = link.publish(VIDEO, piped=True)
    consumer = viewer.watch(producer)
    link.session.transport_closed("gone")
    assert not producer.closed
    assert not consumer.closed
    assert node.router.get(producer.id) is producer


def test_viewers_go_on_with_what_another_link_brings() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(video(1, 0xA0, key=True), video(2, 0xA0))
    before = [parse_header(data).sequence_number for data in viewer.transport.received()]
    first.session.transport_closed("gone")
    second.session.adopt(producer, [OTHER])
    second.sends(video(7, 0xC0, key=True), video(8, 0xC0))
    after = [parse_header(data).sequence_number for data in viewer.transport.received()]
    assert len(before) == len(after) == 2
    assert after[0] == (before[-1] + 1) & 0xFFFF


def test_the_former_link_feeds_it_until_the_new_one_does() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    told: list[str] = []
    first.sends(video(1, 0xA0, key=True))
    second.session.adopt(producer, [OTHER], on_flowing=lambda: told.append("flowing"))
    first.sends(video(2, 0xA0))
    assert (len(viewer.transport.received()), told) == (2, [])
    second.sends(video(7, 0xC0, key=True))
    first.sends(video(3, 0xA0, key=True))
    assert (len(viewer.transport.received()), told) == (1, ["flowing"])
    assert first.session.producers == {}
    first.session.close()
    assert not producer.closed


def test_keyframes_are_asked_of_the_link_that_feeds_it_now() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    second.session.adopt(producer, [OTHER])
    second.sends(video(1, 0xC0))
    first.transport.taken_rtcp()
    viewer.watch(producer)
    assert second.transport.taken_rtcp() == []
    node.virtual.advance(limits.keyframe_gap_seconds_min)
    assert first.transport.taken_rtcp() == []
    assert second.transport.taken_rtcp() != []


def test_other_tracks_are_not_taken_for_the_same() -> None:
    node = Node()
    first, second = Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    h264 = replace(OTHER, codec=Codec("video/H264", 90000, None, 96))
    for tracks in ([h264], [], [OTHER, OTHER]):
        with pytest.raises(LocalError):
            second.session.adopt(producer, tracks)
    assert first.session.producers == {producer.id: producer}


def test_a_published_producer_ends_with_its_session() -> None:
    node = Node()
    publisher = Client(node)
    producer = publisher.publish(VIDEO)
    publisher.session.transport_closed("gone")
    assert producer.closed


def sequences(viewer: Client) -> list[int]:
    return [parse_header(data).sequence_number for data in viewer.transport.received()]


def test_the_same_source_goes_on_by_another_link_without_a_seam_and_without_a_repetition() -> None:
    node = Node()
    first, second, viewer, below = Client(node), Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    pipe = below.watch(producer, pipe=True)
    first.sends(video(1, 0xA0, key=True), video(2, 0xA0), video(4, 0xA0))
    assert producer.positions() == {"video": 3}
    second.session.adopt(producer, [OTHER], same_source=True)
    first.sends(video(5, 0xA0))
    second.sends(*(video(number, 0xC0) for number in range(3, 8)))
    first.sends(video(8, 0xA0))
    got = sequences(viewer)
    assert [(number - got[0]) & 0xFFFF for number in got] == [0, 1, 3, 4, 2, 5, 6]
    assert sequences(below) == [1, 2, 4, 5, 3, 6, 7]
    assert pipe.tracks["video"].ssrc is not None
    assert producer.positions() == {"video": 8}
    assert producer.stats()[0]["lost"] == 0


def test_what_a_resumed_link_loses_is_asked_for_there() -> None:
    node = Node()
    first, second = Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    first.sends(video(1, 0xA0, key=True), video(2, 0xA0), video(4, 0xA0))
    first.session.transport_closed("silent")
    second.session.adopt(producer, [OTHER], same_source=True)
    second.sends(video(8, 0xC0))
    node.virtual.advance(limits.nack_resumed_seconds + 0.1)
    asked = [part for data in second.transport.taken_rtcp() for part in rtcp.parse_compound(data)]
    nacks = [message for part in asked if isinstance(message := rtcp.feedback_message(part), rtcp.Nack)]
    assert {nack.media_ssrc for nack in nacks} == {0xC0}
    assert {number for nack in nacks for number in nack.lost} == {3, 5, 6, 7}


def test_another_publisher_session_begins_with_a_keyframe_and_the_names_consumers_know() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(video(1, 0xA0, key=True), video(2, 0xA0))
    before = [parse_header(data) for data in viewer.transport.received()]
    first.session.transport_closed("silent")
    back = replace(OTHER, codec=replace(VIDEO.codec, payload_type=120), extensions=())
    second.session.adopt(producer, [back], same_source=False)
    node.virtual.advance(2.0)
    start = packet(0xC0, 9000, 77, DELTA + b"picture", payload_type=120)
    key = packet(0xC0, 9001, 77, KEYFRAME + b"picture", payload_type=120)
    second.sends(start, key)
    (after,) = [parse_header(data) for data in viewer.transport.received()]
    assert after.sequence_number == (before[-1].sequence_number + 1) & 0xFFFF
    assert after.payload_type == 96
    assert 170_000 < (after.timestamp - before[-1].timestamp) & 0xFFFFFFFF < 190_000


def test_a_dropped_link_is_waited_for_no_more_and_the_present_one_goes_on() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(video(1, 0xA0, key=True))
    second.session.adopt(producer, [OTHER], same_source=True)
    second.session.drop(producer)
    second.sends(video(2, 0xC0))
    first.sends(video(2, 0xA0))
    assert len(sequences(viewer)) == 2
    first.session.drop(producer)
    first.sends(video(3, 0xA0))
    assert (sequences(viewer), producer.fed, producer.closed) == ([], False, False)


def test_whoever_hears_of_the_first_packet_may_still_refuse_the_link() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(video(1, 0xA0, key=True))
    second.session.adopt(producer, [OTHER], True, lambda: second.session.drop(producer))
    second.sends(video(2, 0xC0))
    first.sends(video(2, 0xA0))
    assert len(sequences(viewer)) == 2


def test_a_later_parent_takes_the_place_of_one_that_has_not_sent_yet() -> None:
    node = Node()
    first, second, third, viewer = Client(node), Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(video(1, 0xA0, key=True))
    second.session.adopt(producer, [OTHER], same_source=True)
    third.session.adopt(producer, [replace(OTHER, ssrc=0xD0, mid="third")], same_source=True)
    second.sends(video(2, 0xC0))
    third.sends(video(2, 0xD0), video(3, 0xD0))
    assert len(sequences(viewer)) == 3


def test_a_publisher_takes_over_what_was_piped_here_and_its_viewers_stay() -> None:
    node = Node()
    link, publisher, viewer = Client(node), Client(node), Client(node)
    producer = link.publish(VIDEO, piped=True)
    consumer = viewer.watch(producer)
    link.sends(video(1, 0xA0, key=True))
    before = sequences(viewer)
    link.session.transport_closed("silent")
    publisher.session.take_over(producer, [replace(VIDEO, ssrc=0xE0)])
    publisher.sends(video(700, 0xE0, key=True))
    assert sequences(viewer) == [(before[-1] + 1) & 0xFFFF]
    publisher.session.close()
    assert (producer.piped, producer.closed, consumer.closed) == (False, True, True)


def test_a_packet_just_too_late_never_looks_like_a_source_that_numbers_anew() -> None:
    node = Node()
    first, second, viewer = Client(node), Client(node), Client(node)
    producer = first.publish(VIDEO, piped=True)
    viewer.watch(producer)
    first.sends(*(video(number, 0xA0, key=number == 1) for number in range(1, 1500)))
    second.session.adopt(producer, [OTHER], same_source=True)
    viewer.transport.received()
    second.sends(*(video(number, 0xC0) for number in range(1, 1502)))
    assert len(sequences(viewer)) == 2
