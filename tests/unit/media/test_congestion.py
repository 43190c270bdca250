from dataclasses import replace

from aiortc.rtp import RtcpPacket, RtcpPsfbPacket

from media import rtcp
from media.congestion import CongestionFeedback
from media.parameters import TrackParameters
from media.rtp import elements, parse_header
from tests.unit.media.rtp_samples import SEND_TIME, TWCC, VIDEO, packet


def agreed(*feedback: str) -> TrackParameters:
    return replace(VIDEO, extensions=(TWCC, SEND_TIME), feedback=frozenset(feedback))


def fed(*tracks: TrackParameters) -> list[bytes]:
    """What is sent about ten seconds of packets with both extensions."""
    feedback = CongestionFeedback()
    feedback.agree(tracks)
    sent = []
    for number in range(1000):
        now = number * 0.01
        sent_at = int(now * (1 << 18)) & 0xFFFFFF
        block = b"\x51" + number.to_bytes(2, "big") + b"\x62" + sent_at.to_bytes(3, "big")
        data = packet(7, number, block=block, payload=bytes(1000))
        header = parse_header(data)
        feedback.received(data, header, elements(data, header), now)
        if (when := feedback.timeout()) is not None and when <= now:
            sent += feedback.poll(1, now)
    return sent


def test_transport_wide_feedback_is_preferred() -> None:
    sent = fed(agreed("transport-cc", "goog-remb"))
    assert len(sent) > 10
    assert {(data[0] & 0x1F, data[1]) for data in sent} == {(15, 205)}


def test_without_it_the_publisher_is_told_an_estimate() -> None:
    (parsed, *_) = RtcpPacket.parse(fed(agreed("goog-remb"))[-1])
    assert isinstance(parsed, RtcpPsfbPacket)
    message = rtcp.feedback_message(parsed)
    assert isinstance(message, rtcp.Remb)
    assert message.ssrcs == (7,)


def test_nothing_is_sent_that_was_not_agreed() -> None:
    assert fed(agreed("nack")) == []
    assert fed(replace(VIDEO, extensions=(), feedback=frozenset({"transport-cc", "goog-remb"}))) == []


def test_one_track_that_agreed_is_enough() -> None:
    assert len(fed(agreed("nack"), agreed("transport-cc"))) > 10


def test_packets_without_the_extension_are_no_matter() -> None:
    for kind in ("transport-cc", "goog-remb"):
        feedback = CongestionFeedback()
        feedback.agree([agreed(kind)])
        data = packet(7, 1)
        feedback.received(data, parse_header(data), [], 0.0)
        assert (feedback.timeout(), feedback.poll(1, 0.0)) == (None, [])
