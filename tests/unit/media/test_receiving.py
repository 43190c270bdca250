from random import Random
from uuid import uuid4

from media.consumer import Consumer, ConsumerTrack
from media.counters import Counters
from media.producer import Producer
from media.receiving import RtpReceiver
from tests.unit.media.rtp_samples import AUDIO, KEYFRAME, VIDEO, Node, RecordingTransport, packet


class Reception:
    """A receiver with one producer, and a viewer of it."""

    def __init__(self) -> None:
        node = Node()
        self.port = node.port
        self.counters = Counters()
        self.receiver = RtpReceiver(self.counters, Random(1))
        self.producer = Producer(uuid4(), [VIDEO, AUDIO], False, node.router.forwarder, self.want)
        self.receiver.add(self.producer)
        self.transport = RecordingTransport(node.port)
        tracks = [ConsumerTrack(source, source.with_ssrc(5 + at), False, 0) for at, source in enumerate((VIDEO, AUDIO))]
        Consumer(self.producer, tracks, False).connect(self.transport, 0.0)

    def want(self, track: object) -> None:
        """Nobody is asked here."""


def video(number: int, payload: bytes = b"\x10\x01") -> bytes:
    return packet(0xA0, number, payload=payload)


def audio(number: int) -> bytes:
    return packet(0xB0, number, payload_type=111)


def test_packets_of_one_track_leave_together_however_they_came() -> None:
    here = Reception()
    here.receiver.received([video(0, KEYFRAME), audio(0)], 0.0)
    here.port.calls = 0
    here.receiver.received([video(1), audio(1), video(2), audio(2), video(3)], 0.1)
    assert here.port.calls == 2
    assert len(here.transport.received()) == 7


def test_a_keyframe_is_noticed_and_counted() -> None:
    here = Reception()
    here.receiver.received([video(0, KEYFRAME), video(1), video(2, KEYFRAME)], 0.0)
    assert here.producer.tracks["video"].keyframes == 1
    assert here.producer.tracks["video"].keyframe_requests.timeout() is None


def test_packets_before_a_change_of_source_leave_before_it() -> None:
    here = Reception()
    here.receiver.received([audio(0)], 0.0)
    here.receiver.received([audio(1), packet(0xB9, 50, payload_type=111), audio(2)], 5.0)
    assert len(here.transport.received()) == 3
    assert here.counters.rtp_unknown_ssrc == 1


def test_a_removed_producer_is_not_fed() -> None:
    here = Reception()
    here.receiver.received([audio(0)], 0.0)
    assert here.receiver.hears(0xB0)
    assert here.receiver.remove(here.producer) == [0xB0]
    assert not here.receiver.hears(0xB0)
    here.receiver.received([audio(1)], 0.1)
    assert len(here.transport.received()) == 1


def test_without_packets_nothing_is_due() -> None:
    here = Reception()
    assert (here.receiver.timeout(), here.receiver.poll(1, "name", 100.0)) == (None, [])
