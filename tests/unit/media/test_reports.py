from random import Random
from uuid import uuid4

from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from foundation import limits
from media import rtcp
from media.consumer_track import ConsumerTrack
from media.producer import Producer
from media.reports import (
    Outgoing,
    ReceiverReports,
    ReportSchedule,
    SenderReports,
    joined,
    receiver_reports,
    sender_report,
)
from media.rtp import parse_header
from media.source import Source, ntp_of_unix
from tests.unit.media.rtp_samples import AUDIO, OPUS, UNIX_TIME, VIDEO, VP8, Node, packet


def outgoing() -> Outgoing:
    producer = Producer(uuid4(), [VIDEO, AUDIO], False, Node().router.forwarder, lambda track: None)
    track = ConsumerTrack(AUDIO, AUDIO.with_ssrc(5), False, 0)
    return Outgoing(track, producer.tracks["audio"], "name")


def heard(source: Source, number: int, timestamp: int, now: float) -> None:
    data = packet(source.ssrc, number, timestamp)
    source.received(parse_header(data), len(data), now)


def parsed(report: bytes) -> RtcpSrPacket:
    first = RtcpPacket.parse(report)[0]
    assert isinstance(first, RtcpSrPacket)
    return first


def test_a_schedule_sleeps_until_it_is_woken_and_after_each_report() -> None:
    schedule = ReportSchedule(Random(1))
    assert (schedule.timeout(), schedule.poll(5.0)) == (None, False)
    schedule.wake(5.0)
    due = schedule.timeout()
    assert due is not None
    assert 5.5 <= due <= 6.5
    schedule.wake(5.9)
    assert schedule.timeout() == due
    assert (schedule.poll(due - 0.01), schedule.poll(due), schedule.timeout()) == (False, True, None)


def test_reports_are_spread_over_half_to_one_and_a_half_seconds() -> None:
    rng, gaps = Random(1), []
    for _ in range(200):
        schedule = ReportSchedule(rng)
        schedule.wake(0.0)
        gaps.append(schedule.timeout() or 0.0)
    assert 0.5 <= min(gaps) < 0.6 < 1.4 < max(gaps) <= 1.5


def test_only_sources_heard_since_are_reported() -> None:
    reports = ReceiverReports(Random(1))
    sources = [Source(1, VP8, 0.0), Source(2, VP8, 0.0)]
    heard(sources[0], 1, 0, 0.0)
    reports.received(0.0)
    assert reports.poll(0.1, sources) == []
    assert [block.ssrc for block in reports.poll(2.0, sources)] == [1]
    heard(sources[1], 1, 0, 2.0)
    assert [block.ssrc for block in reports.poll(4.0, sources)] == [2]
    assert reports.poll(6.0, sources) == []
    assert reports.timeout() is None


def test_a_track_is_reported_on_when_it_flows_and_then_until_it_rests() -> None:
    reports, one, other = SenderReports(Random(1)), outgoing(), outgoing()
    assert reports.timeout() is None
    reports.flows(one, 1.0)
    one.track.packets = 1
    assert reports.timeout() == 1.0
    assert reports.poll(1.0) == ([one], [])
    reports.flows(other, 1.2)
    other.track.packets = 1
    assert reports.poll(1.2) == ([other], [])
    one.track.packets = 2
    assert reports.poll(3.0) == ([one], [other])
    assert reports.poll(6.0) == ([], [one])
    assert reports.timeout() is None
    reports.flows(other, 7.0)
    assert reports.poll(7.0) == ([other], [])


def test_a_track_that_is_gone_is_not_reported_on() -> None:
    reports, one, other = SenderReports(Random(1)), outgoing(), outgoing()
    reports.flows(one, 1.0)
    reports.poll(1.0)
    reports.flows(other, 1.0)
    reports.stop(one)
    reports.stop(other)
    assert (reports.timeout() is None, reports.poll(1.1)) == (False, ([], []))
    assert reports.poll(9.0) == ([], [])


def test_a_sender_report_is_the_sources_own_moved_on() -> None:
    out = outgoing()
    source = Source(0xB0, OPUS, 0.0)
    out.source.bind(source, 0.0)
    source.sender_report(7 << 32, 1000, 10.0)
    out.track.timestamp_offset = 5
    report = parsed(sender_report(out, 10.25, UNIX_TIME))
    assert report.sender_info.ntp_timestamp == (7 << 32) + (1 << 30)
    assert report.sender_info.rtp_timestamp == 1000 + 12_000 + 5


def test_without_any_report_of_the_sender_our_own_clock_is_told() -> None:
    out = outgoing()
    assert sender_report(out, 0.0, UNIX_TIME) == b""
    source = Source(0xB0, OPUS, 0.0)
    out.source.bind(source, 0.0)
    assert sender_report(out, 0.0, UNIX_TIME) == b""
    heard(source, 1, 480, 10.0)
    report = parsed(sender_report(out, 10.5, UNIX_TIME))
    assert report.sender_info.ntp_timestamp == ntp_of_unix(UNIX_TIME)
    assert report.sender_info.rtp_timestamp == 480 + 24_000


def test_a_track_without_a_report_is_told_by_its_siblings_clock() -> None:
    out = outgoing()
    sibling, source = Source(0xA0, VP8, 0.0), Source(0xB0, OPUS, 0.0)
    out.source.producer.tracks["video"].bind(sibling, 0.0)
    out.source.bind(source, 0.0)
    sibling.sender_report(7 << 32, 0, 10.0)
    heard(source, 1, 480, 10.0)
    report = parsed(sender_report(out, 11.0, UNIX_TIME))
    assert report.sender_info.ntp_timestamp == 8 << 32
    assert report.sender_info.rtp_timestamp == 480 + 48_000


def test_a_round_trip_is_measured_only_by_the_last_report() -> None:
    out = outgoing()
    source = Source(0xB0, OPUS, 0.0)
    out.source.bind(source, 0.0)
    source.sender_report(7 << 32, 0, 10.0)
    sender_report(out, 10.0, UNIX_TIME)
    out.received_block(RtcpReceiverInfo(5, 0, 0, 0, 0, 0x00060000, 0), 10.2)
    assert out.track.reception.rtt_seconds is None
    out.received_block(RtcpReceiverInfo(5, 0, 0, 0, 0, 0x00070000, 0x2000), 10.2)
    assert out.track.reception.rtt_seconds is not None
    assert abs(out.track.reception.rtt_seconds - 0.075) < 1e-9


def test_blocks_are_spread_over_as_many_compounds_as_needed() -> None:
    blocks = [RtcpReceiverInfo(ssrc, 0, 0, 0, 0, 0, 0) for ssrc in range(70)]
    compounds = receiver_reports(1, "name", blocks)
    assert receiver_reports(1, "name", []) == []
    reports = [RtcpPacket.parse(compound)[0] for compound in compounds]
    assert [len(report.reports) for report in reports if isinstance(report, RtcpRrPacket)] == [31, 31, 8]
    assert max(map(len, compounds)) <= limits.rtcp_compound_bytes_max


def test_packets_are_packed_into_datagrams() -> None:
    packets = [rtcp.sender_report(ssrc, 0, 0, 0, 0) for ssrc in range(100)]
    compounds = joined([*packets, b""])
    assert b"".join(compounds) == b"".join(packets)
    assert [len(compound) for compound in compounds] == [1176, 1176, 448]
    assert joined([]) == []
