"""Pipes that begin out of the cache: at the packet their other end misses, or at the last keyframe."""

from dataclasses import replace

import pytest
from aiortc.rtp import RtcpPsfbPacket

from foundation import limits
from media import rtcp
from media.pipe import PipeTransport
from media.producer import Producer
from media.rtp import parse_header
from tests.unit.media.rtp_samples import AUDIO, DELTA, KEYFRAME, VIDEO, Client, Node, packet

REPAIRED = replace(VIDEO, feedback=frozenset({"nack", "nack pli"}))


class Cached:
    """A node with seconds of a stream in its cache: 30 frames/s of 8 packets, a keyframe every `group` frames."""

    def __init__(self, frames: int = 45, group: int = 30, first: int = 0, missing: tuple[int, ...] = ()) -> None:
        self.node = Node()
        self.publisher = Client(self.node)
        self.producer: Producer = self.publisher.publish(REPAIRED, AUDIO)
        self.group, self.number, self.frames, self.missing = group, first, 0, missing
        for _ in range(frames):
            self.frame()
        self.publisher.heard(RtcpPsfbPacket)
        self.link = Client(self.node)
        self.pipe = PipeTransport(self.link.session)

    def frame(self) -> None:
        packets = []
        for at in range(8):
            start = KEYFRAME if self.frames % self.group == 0 and at == 0 else DELTA
            if self.number not in self.missing:
                packets.append(packet(0xA0, self.number, 3000 * self.frames, start + bytes(900)))
            self.number += 1
        self.publisher.sends(*packets, packet(0xB0, self.frames, 960 * self.frames, b"sound", payload_type=111))
        self.frames += 1
        self.node.virtual.advance(1 / 30)

    def video(self) -> list[tuple[int, int]]:
        headers = [parse_header(data) for data in self.link.transport.received()]
        return [(header.sequence_number, header.timestamp) for header in headers if header.payload_type == 96]

    def asked(self) -> int:
        self.node.virtual.advance(0.0)
        return len(self.publisher.heard(RtcpPsfbPacket))


@pytest.mark.parametrize("first", [0, 65_400])
def test_a_pipe_begins_at_the_packet_that_is_missing_and_is_live_within_a_tenth_of_a_second(first: int) -> None:
    cached = Cached(first=first)
    wanted = cached.number - 100
    tracks = cached.pipe.pipe_out(cached.producer, {"video": wanted & 0xFFFF})
    assert cached.video() == []  # the message with the tracks goes first
    assert tracks[0].backlog_end == (cached.number - 1) & 0xFFFF
    cached.node.virtual.advance(limits.pipe_lead_seconds + limits.pipe_resume_seconds)
    assert [number for number, _ in cached.video()] == [n & 0xFFFF for n in range(wanted, cached.number)]
    before = cached.number
    cached.frame()
    assert [number for number, _ in cached.video()] == [n & 0xFFFF for n in range(before, cached.number)]
    assert cached.asked() == 0


def test_a_pipe_that_would_begin_just_before_a_roll_over_of_the_numbers_begins_a_little_earlier() -> None:
    cached = Cached(first=65_400)
    cached.pipe.pipe_out(cached.producer, {"video": 65_534})
    cached.node.virtual.advance(0.2)
    got = [number for number, _ in cached.video()]
    assert got == [n & 0xFFFF for n in range(65_534 - limits.pipe_run_up_packets, cached.number)]


def test_a_whole_cache_is_sent_in_bounded_bursts() -> None:
    cached = Cached(frames=115, group=1000)
    cached.pipe.pipe_out(cached.producer, {"video": 8})
    sizes = []
    for _ in range(24):
        cached.node.virtual.advance(0.005)
        sizes.append(len(cached.video()))
    assert sum(sizes) == cached.number - 8
    assert max(sizes) <= 2 * 0.012 * cached.number / limits.pipe_resume_seconds


def test_timestamps_on_a_pipe_are_the_publishers() -> None:
    cached = Cached()
    cached.pipe.pipe_out(cached.producer, {"video": cached.number - 80})
    cached.node.virtual.advance(0.2)
    assert all(timestamp == 3000 * (number // 8) for number, timestamp in cached.video())


def test_a_new_pipe_begins_with_the_keyframe_in_the_cache_and_the_publisher_is_asked_for_nothing() -> None:
    cached = Cached()
    tracks = cached.pipe.pipe_out(cached.producer)
    cached.node.virtual.advance(0.2)
    assert [number for number, _ in cached.video()] == list(range(30 * 8, cached.number))
    assert (tracks[0].backlog_end, tracks[1].backlog_end) == (cached.number - 1, None)
    assert cached.asked() == 0


def test_what_left_the_cache_is_replaced_by_the_keyframe_or_else_by_what_is_live() -> None:
    cached = Cached(frames=200)
    cached.pipe.pipe_out(cached.producer, {"video": 8})
    cached.node.virtual.advance(0.2)
    assert cached.video()[0][0] == 180 * 8
    old = Cached(frames=110, group=1000)
    tracks = old.pipe.pipe_out(old.producer, {"video": 60_000})
    assert (tracks[0].backlog_end, old.asked()) == (None, 1)
    before = old.number
    old.frame()
    assert [number for number, _ in old.video()] == list(range(before, old.number))


def test_a_node_that_is_itself_behind_begins_when_the_packet_comes() -> None:
    cached = Cached()
    wanted = cached.number + 4
    tracks = cached.pipe.pipe_out(cached.producer, {"video": wanted})
    cached.frame()
    assert [number for number, _ in cached.video()] == list(range(wanted, cached.number))
    assert (tracks[0].backlog_end, cached.asked()) == (None, 0)


def test_a_packet_that_is_missing_here_too_is_sent_again_once_it_came_and_never_before_the_first() -> None:
    cached = Cached(missing=(300,))
    tracks = cached.pipe.pipe_out(cached.producer, {"video": 300})
    assert tracks[0].ssrc is not None
    cached.node.virtual.advance(0.2)
    assert cached.video()[0][0] == 301
    cached.publisher.sends(packet(0xA0, 300, 3000 * 37, DELTA + bytes(900)))
    assert cached.video() == []
    cached.node.virtual.advance(0.2)
    cached.link.says(rtcp.generic_nack(1, tracks[0].ssrc, [300]))
    (again,) = cached.link.transport.received()
    assert int.from_bytes(again[12:14], "big") == 300
    assert parse_header(again).ssrc == tracks[0].rtx_ssrc


def test_a_viewer_of_the_next_node_begins_behind_the_backlog_with_squeezed_timestamps() -> None:
    cached = Cached()
    child = Node()
    child.virtual, child.loop = cached.node.virtual, cached.node.loop
    link, viewer = Client(child), Client(child)
    below = PipeTransport(link.session)
    taken = below.pipe_in(cached.producer.id, cached.pipe.pipe_out(cached.producer))
    viewer.watch(taken, "video")
    for _ in range(60):
        child.virtual.advance(0.005)
        link.sends(*cached.link.transport.received())
    times = [parse_header(data).timestamp for data in viewer.transport.received()]
    assert len(times) == cached.number - 240
    assert times[-1] - times[0] <= 15 * 3000 // 16
    assert link.heard(RtcpPsfbPacket) == []


def test_packets_that_overtake_their_announcement_are_kept() -> None:
    cached = Cached()
    child = Node()
    child.virtual, child.loop = cached.node.virtual, cached.node.loop
    link = Client(child)
    below = PipeTransport(link.session)
    tracks = cached.pipe.pipe_out(cached.producer, {"video": cached.number - 16})
    cached.node.virtual.advance(0.2)
    link.sends(*cached.link.transport.received())
    told: list[str] = []
    taken = below.pipe_in(cached.producer.id, tracks, lambda: told.append("flowing"))
    child.virtual.advance(0.0)
    assert (told, taken.positions()["video"]) == (["flowing"], cached.number)
