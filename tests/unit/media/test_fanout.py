from media.consumer import ConsumerTrack
from media.fanout import Fanout
from media.forward import Burst
from media.rtp import parse_header
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
