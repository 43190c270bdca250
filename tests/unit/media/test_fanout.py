from dataclasses import replace

from foundation import limits
from media.burst import Burst
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.fanout import Fanout
from media.forward import Forwarder
from media.rtp import parse_header
from media.srtp import SendBuffer
from tests.unit.media import test_history
from tests.unit.media.rtp_samples import AUDIO, VIDEO, RecordingPort, RecordingTransport, fanout, packet


def joined(target: Fanout, port: RecordingPort, ssrc: int = 5) -> tuple[ConsumerTrack, RecordingTransport]:
    track, transport = ConsumerTrack(AUDIO, AUDIO.with_ssrc(ssrc), False, 0), RecordingTransport(port)
    track.connect(transport)
    target.add(track)
    return track, transport


def burst(*numbers: int, keyframes: tuple[int, ...] = ()) -> Burst:
    made = Burst(0.0)
    for at, number in enumerate(numbers):
        data = packet(1, number)
        made.add(data, parse_header(data), number, at in keyframes)
    return made


def test_who_left_gets_nothing_and_the_others_all() -> None:
    port = RecordingPort()
    target = fanout(port)
    (one, at_one), (_, at_other) = joined(target, port, 5), joined(target, port, 6)
    target.forward(burst(1))
    target.remove(one)
    target.remove(one)
    target.forward(burst(2))
    assert (len(at_one.received()), len(at_other.received()), len(target)) == (1, 2, 1)


def test_one_that_never_began_can_leave() -> None:
    port = RecordingPort()
    target = fanout(port)
    track, transport = joined(target, port)
    target.remove(track)
    target.forward(burst(1))
    assert (transport.received(), len(target)) == ([], 0)


def test_flow_is_told_at_the_first_packet_and_after_a_rest() -> None:
    port = RecordingPort()
    target = fanout(port)
    track, _ = joined(target, port)
    told: list[int] = []
    track.on_flow = lambda: told.append(track.packets)
    target.rest(track)
    for number in range(4):
        target.forward(burst(number))
        if number == 1:
            target.rest(track)
    assert told == [1, 3]


def test_flow_is_told_again_after_a_change_of_source() -> None:
    port = RecordingPort()
    target = fanout(port)
    track, _ = joined(target, port)
    told: list[int] = []
    track.on_flow = lambda: told.append(track.packets)
    target.forward(burst(1))
    target.rest(track)
    target.source_changed()
    target.forward(burst(700))
    target.forward(burst(701))
    assert told == [1, 2]


def test_a_video_viewer_begins_at_the_keyframe_inside_a_burst() -> None:
    port = RecordingPort()
    target = fanout(port)
    track, transport = ConsumerTrack(VIDEO, VIDEO.with_ssrc(5), False, 9), RecordingTransport(port)
    track.connect(transport)
    target.add(track)
    target.forward(burst(1, 2))
    target.forward(burst(3, 5, 4, 6, keyframes=(1,)))
    assert [parse_header(data).sequence_number for data in transport.received()] == [9, 10]


def test_one_that_skips_begins_anew_and_one_that_waits_cannot_skip() -> None:
    port = RecordingPort()
    target = fanout(port)
    track, transport = joined(target, port)
    target.skip(track)
    target.forward(burst(1))
    target.skip(track)
    target.forward(burst(5))
    assert [parse_header(data).sequence_number for data in transport.received()] == [0, 1]


class Late:
    """A group of frames of 8 packets at 30/s in the history, and a viewer that comes at `now`."""

    def __init__(self, frames: int = 60, missing: tuple[int, ...] = ()) -> None:
        self.port, self.counters, self.asked = RecordingPort(), Counters(), 0
        self.target = Fanout(Forwarder(self.port, SendBuffer(), self.counters), self.ask)
        self.now, self.missing, self.number = 0.0, missing, 0
        for _ in range(frames):
            self.frame()
        self.transport = RecordingTransport(self.port)
        feedback = frozenset({"nack"})
        self.track = ConsumerTrack(VIDEO, replace(VIDEO, ssrc=5, feedback=feedback), False, 100)
        self.track.connect(self.transport)
        self.flows = 0
        self.track.on_flow = self.flow

    def ask(self) -> None:
        self.asked += 1

    def flow(self) -> None:
        self.flows += 1

    def frame(self, key: bool = False) -> None:
        """The next frame arrives, 1/30 s after the last one."""
        self.now += 1 / 30
        numbers = [n for n in range(self.number, self.number + 8) if n not in self.missing]
        keyframes = (self.number,) if key or not self.number else ()
        self.send(*numbers, keyframes=keyframes)
        self.number += 8

    def send(self, *numbers: int, keyframes: tuple[int, ...] = ()) -> None:
        timestamp = 3000 * (numbers[0] // 8)
        made = test_history.burst(*numbers, now=self.now, keyframes=keyframes, timestamp=timestamp, size=1000)
        self.target.forward(made)

    def drain(self) -> None:
        """Polls when it is time, while live frames come."""
        due = self.now
        while (when := self.target.timeout(self.track)) is not None:
            due = max(due, when)
            if due > self.now + 1 / 30:
                self.frame()
            self.target.poll(self.track, due)

    def received(self) -> list[tuple[int, int]]:
        headers = [parse_header(data) for data in self.transport.received()]
        return [(header.sequence_number, header.timestamp) for header in headers]


def test_a_late_viewer_gets_the_group_and_then_what_is_live_without_a_seam() -> None:
    late = Late()
    assert late.target.catch_up(late.track, late.now)
    late.drain()
    late.frame()
    got = late.received()
    assert [number for number, _ in got] == list(range(100, 100 + late.number))
    times = [time for _, time in got][::8]
    assert times == sorted(set(times))
    assert times[59:] == [3000 * frame for frame in range(59, late.number // 8)]
    assert times[59] - times[0] == 59 * 3000 // 16
    assert late.number > 8 * 62
    assert (late.flows, late.counters.catch_ups, len(late.target), late.target.timeout(late.track)) == (1, 1, 1, None)


def test_a_late_viewer_of_an_old_keyframe_has_to_wait() -> None:
    late = Late(frames=100)
    assert not late.target.catch_up(late.track, late.now)
    assert (late.received(), late.track.running, late.counters.catch_ups) == ([], False, 0)


def test_losses_of_the_group_are_repaired_with_the_timestamps_it_was_sent_with() -> None:
    late = Late(frames=5)
    late.target.catch_up(late.track, late.now)
    late.drain()
    assert late.transport.sockaddr is not None
    datagrams = late.port.taken(late.transport.sockaddr)
    late.target.retransmit(late.track, (100, 117), late.now)
    assert late.port.taken(late.transport.sockaddr) == [datagrams[0], datagrams[17]]


def test_a_packet_of_the_group_that_comes_too_late_goes_only_to_who_asks_and_with_a_squeezed_timestamp() -> None:
    late = Late(frames=5, missing=(20,))
    late.target.catch_up(late.track, late.now)
    late.drain()
    late.received()
    late.send(20)
    assert late.received() == []
    late.target.retransmit(late.track, (120,), late.now)
    assert late.received() == [(120, 12_000 - 6000 // 16)]


def test_one_that_leaves_or_loses_its_source_while_catching_up_is_sent_no_more_of_it() -> None:
    for end in (Fanout.remove, Fanout.skip, lambda target, track: target.source_changed()):
        late = Late()
        late.target.catch_up(late.track, late.now)
        late.received()
        end(late.target, late.track)
        late.target.poll(late.track, late.now + 0.1)
        late.frame()
        assert (late.received(), late.target.timeout(late.track)) == ([], None)


def test_one_that_cannot_catch_up_in_time_begins_with_a_fresh_keyframe() -> None:
    late = Late()
    late.target.catch_up(late.track, late.now)
    sent = len(late.received())
    late.now += limits.catch_up_seconds_max + 0.1
    late.target.poll(late.track, late.now)
    late.frame()
    assert (late.asked, late.counters.catch_ups_abandoned, late.received()) == (1, 1, [])
    late.frame(key=True)
    assert late.received()[0] == (100 + sent, 3000 * 61)


def test_a_viewer_whose_packets_are_refused_gets_no_video_until_a_keyframe_and_nobody_else_notices() -> None:
    late = Late(frames=1)
    other, at_other = joined(late.target, late.port)
    late.target.add(late.track)
    late.frame(key=True)
    assert (len(late.received()), len(at_other.received())) == (8, 8)
    address, late.transport.sockaddr = late.transport.sockaddr, None
    for _ in range(limits.refusals_in_row_max + 5):
        late.frame()
    late.transport.sockaddr = address
    late.frame()
    assert late.received() == []
    assert late.track.unsent == 8 * limits.refusals_in_row_max
    assert (late.asked, late.counters.viewers_skipped) == (1, 1)
    assert (len(at_other.received()), other.unsent) == (8 * (limits.refusals_in_row_max + 6), 0)
    late.frame(key=True)
    assert [number for number, _ in late.received()] == list(range(132, 140))


def test_a_viewer_that_stays_slow_has_few_keyframes_asked_for() -> None:
    late = Late(frames=1)
    late.target.add(late.track)
    late.transport.sockaddr = None
    for _ in range(30 * 60):
        late.frame(key=True)
    assert late.counters.viewers_skipped > 100
    assert late.asked <= 60 / limits.slow_viewer_keyframe_gap_seconds + 1


def test_refusals_with_successes_between_them_drop_nothing_and_audio_is_never_dropped() -> None:
    late = Late(frames=1)
    late.target.add(late.track)
    sound, _ = joined(late.target, late.port, 7)
    late.frame(key=True)
    for _ in range(10):
        late.port.full = True
        late.frame()
        late.frame()
        late.port.full = False
        late.frame()
    assert (late.counters.viewers_skipped, late.track.running) == (0, True)
    late.port.full = True
    for _ in range(10):
        late.frame()
    assert (late.track.running, sound.running, late.counters.viewers_skipped) == (False, True, 1)
