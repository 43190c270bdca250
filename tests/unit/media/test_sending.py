from random import Random
from uuid import uuid4

from aiortc.rtp import RtcpByePacket, RtcpPacket

from media import rtcp
from media.consumer import Consumer, ConsumerTrack
from media.counters import Counters
from media.producer import Producer
from media.sdes import described_mids
from media.sending import RtpSender, farewells
from tests.unit.media.rtp_samples import AUDIO, VIDEO, Node


def sending(pipe: bool = False) -> tuple[RtpSender, Consumer, Counters, list[object]]:
    asked: list[object] = []
    producer = Producer(uuid4(), [VIDEO, AUDIO], False, Node().router.forwarder, asked.append)
    tracks = [ConsumerTrack(source, source.with_ssrc(5 + at), pipe, 0) for at, source in enumerate((VIDEO, AUDIO))]
    counters = Counters()
    return RtpSender(counters, Random(1)), Consumer(producer, tracks, pipe), counters, asked


def test_requests_about_removed_tracks_are_unknown() -> None:
    sender, consumer, counters, asked = sending()
    sender.add(consumer)
    sender.feedback(rtcp.Pli(5), 0.0)
    assert sender.remove(consumer) == [5, 6]
    sender.feedback(rtcp.Pli(5), 0.0)
    sender.feedback(rtcp.Nack(5, (1,)), 0.0)
    assert (len(asked), counters.rtcp_unknown_ssrc, counters.keyframe_requests_received) == (1, 2, 1)


def test_a_request_for_a_keyframe_of_audio_asks_nobody() -> None:
    sender, consumer, _, asked = sending()
    sender.add(consumer)
    sender.feedback(rtcp.Pli(6), 0.0)
    assert asked == []


def test_losses_are_counted_with_their_track() -> None:
    sender, consumer, counters, _ = sending()
    sender.add(consumer)
    sender.feedback(rtcp.Nack(5, (1, 2)), 0.0)
    assert (consumer.tracks["video"].reception.nacked, counters.nacks_received) == (2, 2)


def test_feedback_of_no_interest_is_passed_over() -> None:
    sender, _, counters, _ = sending()
    sender.feedback(None, 0.0)
    assert counters == Counters()


def test_a_replaced_ssrc_is_said_to_have_ended_and_the_fresh_one_described() -> None:
    sender, consumer, _, _ = sending(pipe=True)
    outgoing = sender.add(consumer)[0]
    compound = sender.replace_ssrc(outgoing, 77)
    assert described_mids(compound) == [(77, VIDEO.mid)]
    (bye, *_) = RtcpPacket.parse(compound)
    assert isinstance(bye, RtcpByePacket)
    assert (bye.sources, outgoing.track.ssrc) == ([5], 77)
    assert sender.remove(consumer) == [77, 6]


def test_farewells_of_many_sources_are_several() -> None:
    compounds = list(farewells(1, list(range(40))))
    parts = [part for compound in compounds for part in RtcpPacket.parse(compound) if isinstance(part, RtcpByePacket)]
    assert [len(part.sources) for part in parts] == [31, 9]
    assert list(farewells(1, [])) == []
