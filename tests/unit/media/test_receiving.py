from dataclasses import replace
from random import Random
from uuid import uuid4

from aiortc.rtp import RtcpSrPacket

from foundation import limits
from media import rtcp
from media.consumer import Consumer
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.parameters import TrackParameters
from media.producer import Producer
from media.receiving import RtpReceiver
from tests.unit.media.rtp_samples import AUDIO, KEYFRAME, VIDEO, Node, RecordingTransport, packet


class Reception:
    """A receiver with one producer, and a viewer of it."""

    def __init__(self, *published: TrackParameters) -> None:
        tracks = published or (VIDEO, AUDIO)
        node = Node()
        self.port = node.port
        self.counters = Counters()
        self.receiver = RtpReceiver(self.counters, Random(1))
        self.producer = Producer(uuid4(), tracks, False, node.router.forwarder, self.want)
        self.receiver.add(self.producer)
        self.transport = RecordingTransport(node.port)
        watched = [replace(track, ssrc=5 + at, rtx_payload_type=None) for at, track in enumerate(tracks)]
        pairs = zip(tracks, watched, strict=True)
        self.consumer = Consumer(self.producer, [ConsumerTrack(*pair, False, 0) for pair in pairs], False)
        self.consumer.connect(self.transport, 0.0)

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


REPAIRED = replace(VIDEO, feedback=frozenset({"nack", "nack pli"}), rtx_payload_type=97, rtx_ssrc=0xA1)


def rtx(number: int, original: int, payload: bytes = b"\x10\x01", ssrc: int = 0xA1) -> bytes:
    return packet(ssrc, number, payload=original.to_bytes(2, "big") + payload, payload_type=97)


def nacks(here: Reception, now: float, rtt_seconds: float | None = None) -> list[tuple[int, ...]]:
    """The sequence numbers of each NACK that is due."""
    parts = [part for data in here.receiver.poll(1, "name", now, rtt_seconds) for part in rtcp.parse_compound(data)]
    return [message.lost for part in parts if isinstance(message := rtcp.feedback_message(part), rtcp.Nack)]


def keyframe_requests(here: Reception, now: float) -> int:
    here.receiver.poll(1, "name", now)
    return here.counters.keyframe_requests_sent


class TestRepair:
    def test_a_missing_packet_is_asked_for_and_its_rtx_is_forwarded_as_the_packet(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(10, KEYFRAME), video(11), video(13)], 0.0)
        assert here.receiver.timeout() == limits.nack_delay_seconds
        assert nacks(here, 0.01) == [(12,)]
        here.transport.received()
        here.receiver.received([rtx(1, 12, b"\x10\x01late")], 0.05)
        (late,) = here.transport.received()
        assert late[12:] == b"\x10\x01late"
        assert (here.counters.packets_repaired, here.counters.rtx_unneeded) == (1, 0)
        assert nacks(here, 1.0) == []
        source = here.producer.tracks["video"].source
        assert source is not None
        assert source.lost == 0

    def test_a_plain_retransmission_will_do(self) -> None:
        here = Reception(replace(REPAIRED, rtx_payload_type=None, rtx_ssrc=None))
        here.receiver.received([video(0, KEYFRAME), video(2)], 0.0)
        assert nacks(here, 0.01) == [(1,)]
        here.receiver.received([video(1)], 0.05)
        assert nacks(here, 1.0) == []
        assert len(here.transport.received()) == 3

    def test_original_and_retransmission_are_forwarded_once(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(0, KEYFRAME), video(2), rtx(1, 1), video(1), rtx(2, 1), rtx(3, 0)], 0.0)
        assert len(here.transport.received()) == 3
        assert (here.counters.rtp_refused, here.counters.rtx_unneeded) == (1, 2)

    def test_probes_and_rtx_before_the_first_packet_are_no_matter(self) -> None:
        here = Reception(REPAIRED)
        probe = packet(0xA1, 1, payload=b"", payload_type=97)
        here.receiver.received([rtx(0, 5), probe, video(9, KEYFRAME), probe], 0.0)
        assert len(here.transport.received()) == 1
        assert here.counters.rtx_unneeded == 3
        assert here.producer.tracks["video"].ssrc == 0xA0

    def test_old_packets_sent_again_as_probes_do_not_make_the_source_begin_anew(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(number, KEYFRAME) for number in range(1000)], 0.0)
        here.receiver.received([rtx(number, 100 + number) for number in range(300)], 0.1)
        source = here.producer.tracks["video"].source
        assert source is not None
        assert (source.restarts, here.counters.rtx_unneeded) == (0, 300)

    def test_broken_rtx_is_counted_at_every_truncated_length(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(0, KEYFRAME), video(2)], 0.0)
        whole = rtx(1, 1, b"")
        for length in range(len(whole)):
            here.receiver.received([whole[:length]], 0.0)
        assert (here.counters.rtp_malformed, here.counters.rtx_unneeded) == (13, 1)
        assert here.counters.packets_repaired == 0

    def test_a_keyframe_may_come_by_rtx(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(0), video(2), rtx(1, 1, KEYFRAME)], 0.0)
        assert here.producer.tracks["video"].keyframes == 1

    def test_rtx_for_an_older_source_is_not_taken_for_the_new_one(self) -> None:
        here = Reception(replace(REPAIRED, ssrc=None))
        here.receiver.received([video(0, KEYFRAME), video(2)], 0.0)
        here.receiver.received([packet(0xA9, 30_000, payload=KEYFRAME)], 5.0)
        here.receiver.received([rtx(1, 1)], 5.0)
        assert here.counters.rtx_unneeded == 1

    def test_what_cannot_be_repaired_asks_for_a_keyframe(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(0, KEYFRAME), video(2)], 0.0)
        assert keyframe_requests(here, 0.01) == 0
        while (when := here.receiver.timeout()) is not None and when < 3.0 and not here.counters.keyframe_requests_sent:
            here.receiver.poll(1, "name", when)
        assert here.counters.keyframe_requests_sent == 1

    def test_nobody_asks_for_a_keyframe_nobody_watches(self) -> None:
        here = Reception(REPAIRED)
        here.consumer.close()
        here.receiver.received([video(0, KEYFRAME), video(900)], 0.0)
        assert keyframe_requests(here, 0.01) == 0

    def test_the_round_trip_of_the_path_spaces_the_requests(self) -> None:
        here = Reception(REPAIRED)
        here.receiver.received([video(0, KEYFRAME), video(2)], 0.0)
        assert nacks(here, 0.01, rtt_seconds=0.4) == [(1,)]
        assert nacks(here, 0.5, rtt_seconds=0.4) == []
        assert nacks(here, 0.51, rtt_seconds=0.4) == [(1,)]

    def test_a_packet_with_a_payload_type_nobody_wants_is_not_missing(self) -> None:
        here = Reception(replace(AUDIO, feedback=frozenset({"nack"})))
        here.receiver.received([audio(0), packet(0xB0, 1, payload_type=13), audio(2)], 0.0)
        assert nacks(here, 0.01) == []

    def test_the_reports_of_an_rtx_stream_are_known_and_not_needed(self) -> None:
        here = Reception(REPAIRED)
        (report,) = rtcp.parse_compound(rtcp.sender_report(0xA1, 1, 2, 3, 4))
        assert isinstance(report, RtcpSrPacket)
        here.receiver.sender_reported(report, 0.0)
        assert here.counters.rtcp_unknown_ssrc == 0
        assert here.receiver.hears(0xA1)
        assert here.receiver.remove(here.producer) == [0xA1]
