"""A new link takes a stream over from another one: until it is level, what either brings first is passed on, once."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError
from media.overlap import Overlap
from media.parameters import Codec
from media.producer import Producer
from media.rtp import parse_header
from tests.unit.media.rtp_samples import AUDIO, DELTA, KEYFRAME, VIDEO, Client, Node, packet

NEW_VIDEO = replace(VIDEO, ssrc=0xC0, mid="c0")
NEW_AUDIO = replace(AUDIO, ssrc=0xD0, mid="d0")


def video(ssrc: int, sequence: int, *, key: bool = False) -> bytes:
    return packet(ssrc, sequence, 3000 * sequence, (KEYFRAME if key else DELTA) + b"picture")


def audio(ssrc: int, sequence: int) -> bytes:
    return packet(ssrc, sequence, 960 * sequence, b"sound", payload_type=111)


class Moving:
    """A node with a viewer, fed by one link and about to be fed by another."""

    def __init__(self, *, sound: bool = False, first: int = 1) -> None:
        self.node = Node()
        self.old, self.new, self.viewer = Client(self.node), Client(self.node), Client(self.node)
        self.producer: Producer = self.old.publish(*((VIDEO, AUDIO) if sound else (VIDEO,)), piped=True)
        self.viewer.watch(self.producer)
        self.old.sends(video(0xA0, first, key=True))
        if sound:
            self.old.sends(audio(0xB0, 1))
        self._first = parse_header(self.viewer.transport.received()[0]).sequence_number - first
        self.told: list[str] = []
        tracks = [NEW_VIDEO, NEW_AUDIO] if sound else [NEW_VIDEO]
        self.new.session.adopt(self.producer, tracks, same_source=True, on_flowing=lambda: self.told.append("flowing"))

    def got(self) -> list[int]:
        """The numbers of video that the viewer was sent since the last call."""
        headers = [parse_header(data) for data in self.viewer.transport.received()]
        return [(h.sequence_number - self._first) & 0xFFFF for h in headers if h.payload_type == 96]

    @property
    def taken_over(self) -> bool:
        assert bool(self.told) == (self.producer.id in self.new.session.producers)
        return bool(self.told)


def test_the_old_link_feeds_while_the_new_one_repeats() -> None:
    moving = Moving()
    moving.old.sends(video(0xA0, 2), video(0xA0, 3))
    moving.new.sends(video(0xC0, 1), video(0xC0, 2))
    moving.old.sends(video(0xA0, 4))
    assert moving.got() == [2, 3, 4]
    assert not moving.taken_over
    assert moving.node.router.counters.rtp_repeated == 2


def test_the_first_new_number_takes_over() -> None:
    moving = Moving()
    moving.new.sends(video(0xC0, 1), video(0xC0, 2), video(0xC0, 3))
    moving.old.sends(video(0xA0, 2), video(0xA0, 4))
    assert moving.got() == [2, 3]
    assert moving.taken_over
    assert moving.old.session.producers == {}


def test_a_hole_is_filled_by_the_link_that_is_behind() -> None:
    moving = Moving()
    moving.old.sends(video(0xA0, 2), video(0xA0, 4), video(0xA0, 5))
    moving.new.sends(video(0xC0, 3))
    assert moving.got() == [2, 4, 5, 3]
    assert not moving.taken_over
    assert moving.producer.positions() == {"video": 6}


def test_every_track_has_to_be_level_and_both_links_bring_what_is_new() -> None:
    moving = Moving(sound=True)
    moving.old.sends(audio(0xB0, 2), audio(0xB0, 3))
    moving.new.sends(video(0xC0, 2), audio(0xD0, 2), video(0xC0, 3))
    moving.old.sends(video(0xA0, 2), video(0xA0, 3), video(0xA0, 4))
    assert moving.got() == [2, 3, 4]
    assert not moving.taken_over
    assert moving.producer.positions() == {"video": 5, "audio": 4}
    moving.new.sends(audio(0xD0, 3), audio(0xD0, 4))
    assert moving.taken_over


def test_one_that_is_farther_away_takes_over_when_its_time_has_come() -> None:
    moving = Moving()
    moving.old.sends(video(0xA0, 2), video(0xA0, 3))
    moving.new.sends(video(0xC0, 1))
    moving.node.virtual.advance(limits.pipe_overlap_seconds_max / 2)
    moving.new.sends(video(0xC0, 2))
    assert not moving.taken_over
    moving.node.virtual.advance(limits.pipe_overlap_seconds_max / 2)
    moving.new.sends(video(0xC0, 3), video(0xC0, 4))
    assert moving.taken_over
    assert moving.got() == [2, 3, 4]


def test_when_the_old_link_dies_the_next_packet_takes_over() -> None:
    moving = Moving()
    moving.old.sends(video(0xA0, 2), video(0xA0, 3))
    moving.new.sends(video(0xC0, 1))
    moving.old.session.transport_closed("silent")
    moving.new.sends(video(0xC0, 2), video(0xC0, 3), video(0xC0, 4))
    assert moving.taken_over
    assert moving.got() == [2, 3, 4]


def test_a_description_of_what_was_announced_is_no_reason_to_take_over() -> None:
    moving = Moving()
    moving.new.session._receiver.described(0xC0, NEW_VIDEO.mid, moving.node.loop.now)
    assert not moving.taken_over


def test_whoever_is_told_may_refuse_and_the_old_link_goes_on() -> None:
    moving = Moving()
    session, producer = moving.new.session, moving.producer
    session.adopt(producer, [NEW_VIDEO], same_source=True, on_flowing=lambda: session.drop(producer))
    moving.new.sends(video(0xC0, 2))
    moving.old.sends(video(0xA0, 2), video(0xA0, 3))
    assert moving.got() == [2, 3]
    assert moving.producer.id in moving.old.session.producers


def test_names_of_the_new_link_are_taken_for_those_that_consumers_know() -> None:
    moving = Moving(sound=True)
    renamed = replace(NEW_VIDEO, codec=replace(VIDEO.codec, payload_type=120), extensions=())
    moving.new.session.adopt(moving.producer, [renamed, NEW_AUDIO], same_source=True)
    moving.new.sends(packet(0xC0, 2, 6000, DELTA + b"picture", payload_type=120))
    moving.new.sends(video(0xC0, 3))
    assert moving.got() == [2]
    assert moving.node.router.counters.rtp_malformed == 1


def test_other_tracks_are_refused_at_once() -> None:
    moving = Moving()
    with pytest.raises(LocalError):
        Overlap(moving.producer, [replace(NEW_VIDEO, codec=Codec("video/H264", 90000, None, 96))])


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from([1, 65_530]))
def test_in_whatever_order_two_links_bring_it_everything_comes_once(data: st.DataObject, first: int) -> None:
    moving = Moving(first=first)
    old, new = first + 1, first + data.draw(st.integers(0, 1))
    last = first + 40
    while new <= last:
        if data.draw(st.booleans()) and old <= last:
            moving.old.sends(video(0xA0, old))
            old += 1
        else:
            moving.new.sends(video(0xC0, new))
            new += 1
    got = moving.got()
    assert got == [number & 0xFFFF for number in range(first + 1, last + 1)]
