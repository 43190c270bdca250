"""A piped producer outlives the link that brought it: another link may bring it on, and its viewers stay."""

from dataclasses import replace

import pytest

from foundation import limits
from foundation.errors import LocalError
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
