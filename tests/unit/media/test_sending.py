from dataclasses import replace
from random import Random
from uuid import uuid4

from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRtpfbPacket,
    RtcpSrPacket,
)

from media import rtcp
from media.consumer import Consumer
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.producer import Producer
from media.sdes import described_mids
from media.sending import RtpSender, farewells
from tests.unit.media.rtp_samples import AUDIO, DELTA, KEYFRAME, VIDEO, Client, Node, packet


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


def group(publisher: Client, packets: int) -> None:
    """A keyframe and what follows it, a second long."""
    for number in range(packets):
        payload = (DELTA if number else KEYFRAME) + bytes(1000)
        publisher.sends(packet(0xA0, number, 3000 * number, payload))
        publisher.node.virtual.advance(1 / packets)


def test_a_late_viewer_catches_up_by_the_sessions_timer_and_asks_for_no_keyframe() -> None:
    node = Node()
    publisher = Client(node)
    producer = publisher.publish(VIDEO)
    group(publisher, 300)
    publisher.heard(RtcpPsfbPacket)
    viewer = Client(node)
    viewer.watch(producer)
    at_once = len(viewer.transport.received())
    assert 0 < at_once < 50
    node.virtual.advance(0.3)
    assert at_once + len(viewer.transport.received()) == 300
    assert publisher.heard(RtcpPsfbPacket) == []
    assert len(viewer.heard(RtcpSrPacket)) > 0


def test_a_viewer_that_connects_late_catches_up_too_and_may_leave_meanwhile() -> None:
    node = Node()
    publisher, viewer = Client(node), Client(node, connected=False)
    viewer.watch(publisher.publish(VIDEO))
    group(publisher, 300)
    viewer.session.transport_connected()
    node.virtual.advance(0.05)
    assert 0 < len(viewer.transport.received()) < 200
    viewer.session.close()
    node.virtual.advance(1.0)
    assert viewer.transport.received() == []


def test_nacks_are_answered_over_the_session() -> None:
    node = Node()
    publisher, viewer = Client(node), Client(node)
    producer = publisher.publish(replace(VIDEO, feedback=frozenset({"nack", "nack pli"})))
    track = viewer.watch(producer).tracks["video"]
    group(publisher, 5)
    assert viewer.transport.sockaddr is not None
    sent = node.port.taken(viewer.transport.sockaddr)
    first = int.from_bytes(sent[0][2:4], "big")
    viewer.says(bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=track.ssrc, lost=[first + 1, first + 3])))
    assert node.port.taken(viewer.transport.sockaddr) == [sent[1], sent[3]]
    assert (track.retransmitted, node.router.counters.nacks_received) == (2, 2)


def test_reports_about_retransmissions_are_no_strangers() -> None:
    sender, consumer, counters, _ = sending()
    track = consumer.tracks["video"]
    track.parameters = replace(track.parameters, rtx_ssrc=9, rtx_payload_type=97)
    sender.add(consumer)
    block = RtcpReceiverInfo(9, 0, 0, 0, 0, 0, 0)
    sender.receiver_reported(block, 0.0)
    assert counters.rtcp_unknown_ssrc == 0
    sender.remove(consumer)
    sender.receiver_reported(block, 0.0)
    assert counters.rtcp_unknown_ssrc == 1
