from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError
from media import rtcp
from media.rtp import parse_header
from media.sdes import described_mids
from tests.unit.media.rtp_samples import (
    AUDIO,
    DELTA,
    KEYFRAME,
    SEND_TIME,
    TWCC,
    VIDEO,
    Client,
    Node,
    packet,
)

VIDEO_SSRC, AUDIO_SSRC = 0xA0, 0xB0


def video(sequence: int, timestamp: int = 0, ssrc: int = VIDEO_SSRC, *, key: bool = False) -> bytes:
    return packet(ssrc, sequence, timestamp, (KEYFRAME if key else DELTA) + b"picture")


def audio(sequence: int, timestamp: int = 0, ssrc: int = AUDIO_SSRC) -> bytes:
    return packet(ssrc, sequence, timestamp, b"sound", payload_type=111)


def numbers(packets: list[bytes]) -> list[int]:
    return [parse_header(data).sequence_number for data in packets]


def steps(packets: list[bytes]) -> list[int]:
    """From each sequence number to the next."""
    found = numbers(packets)
    return [(later - earlier) & 0xFFFF for earlier, later in pairwise(found)]


def keyframe_requests(client: Client) -> list[int]:
    """The SSRCs a client was asked for a keyframe of."""
    return [part.media_ssrc for part in client.heard(RtcpPsfbPacket) if part.fmt == 1]


class TestReceivedRtp:
    def test_reaches_every_viewer_as_negotiated(self) -> None:
        node = Node()
        publisher, viewers = Client(node), [Client(node), Client(node)]
        producer = publisher.publish(VIDEO, AUDIO)
        consumers = [viewer.watch(producer) for viewer in viewers]
        publisher.sends(video(9), audio(19))
        for viewer in viewers:
            viewer.transport.received()
        publisher.sends(video(10, 3000, key=True), audio(20, 960), video(11, 3000), audio(21, 1920))
        for viewer, consumer in zip(viewers, consumers, strict=True):
            got = viewer.transport.received()
            headers = [parse_header(data) for data in got]
            ssrcs = [consumer.tracks[kind].ssrc for kind in ("video", "video", "audio", "audio")]
            assert [header.ssrc for header in headers] == ssrcs
            assert [header.timestamp for header in headers] == [3000, 3000, 960, 1920]
            assert [data[12:] for data in got] == [KEYFRAME + b"picture", DELTA + b"picture", b"sound", b"sound"]
        assert (node.router.counters.rtp_received, node.router.counters.packets_forwarded) == (6, 10)

    def test_is_dropped_and_counted_with_an_unknown_payload_type(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(AUDIO))
        publisher.sends(audio(1), packet(AUDIO_SSRC, 2, payload_type=13), packet(0x77, 3, payload_type=97), audio(3))
        assert steps(viewer.transport.received()) == [2]
        assert node.router.counters.rtp_unknown_payload_type == 2

    def test_is_dropped_and_counted_when_its_ssrc_fits_no_track(self) -> None:
        node = Node()
        link = Client(node)
        link.publish(VIDEO, piped=True)
        link.publish(replace(VIDEO, ssrc=0xA1), piped=True)
        link.sends(video(1, ssrc=0xA2))
        assert node.router.counters.rtp_unknown_ssrc == 1

    def test_is_refused_at_every_truncated_length(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(AUDIO))
        whole = packet(AUDIO_SSRC, 1, 0, b"", payload_type=111, block=b"\x10\x01\x32abc")
        for length in range(len(whole)):
            publisher.sends(whole[:length])
        assert node.router.counters.rtp_malformed == len(whole)
        publisher.sends(whole)
        assert len(viewer.transport.received()) == 1

    def test_with_a_broken_extension_is_refused(self) -> None:
        node = Node()
        publisher = Client(node)
        publisher.publish(AUDIO)
        publisher.sends(packet(AUDIO_SSRC, 1, payload_type=111, block=b"\x1f\x01\x02\x03"))
        assert node.router.counters.rtp_malformed == 1

    def test_that_would_not_fit_a_datagram_any_more_is_refused(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(VIDEO))
        for number, size in enumerate((limits.rtp_bytes_max, limits.rtp_bytes_max + 1)):
            publisher.sends(packet(VIDEO_SSRC, number, payload=(KEYFRAME + bytes(size))[: size - 12]))
        assert [len(data) for data in viewer.transport.received()] == [limits.rtp_bytes_max]
        assert node.router.counters.rtp_malformed == 1

    def test_is_refused_twice(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(AUDIO))
        publisher.sends(audio(1), audio(1))
        assert len(viewer.transport.received()) == 1
        assert node.router.counters.rtp_refused == 1

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda b: video(7)[:12] + b))))
    def test_may_be_anything(self, packets: list[bytes]) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(VIDEO, AUDIO))
        publisher.sends(*packets)
        assert node.router.counters.rtp_received == len(packets)

    def test_of_a_long_burst_is_forwarded_whole(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(AUDIO))
        publisher.sends(*(audio(number) for number in range(3 * limits.burst_packets_max + 5)))
        got = viewer.transport.received()
        assert len(got) == 3 * limits.burst_packets_max + 5
        assert set(steps(got)) == {1}


class TestBinding:
    def test_a_track_without_a_signalled_ssrc_takes_the_first_with_its_payload_type(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(replace(AUDIO, ssrc=None))
        viewer.watch(producer)
        assert producer.tracks["audio"].ssrc is None
        publisher.sends(audio(1, ssrc=0x99))
        assert producer.tracks["audio"].ssrc == 0x99
        assert len(viewer.transport.received()) == 1

    def test_the_mid_extension_decides_between_tracks_with_one_payload_type(self) -> None:
        node = Node()
        publisher = Client(node)
        tracks = [replace(VIDEO, ssrc=None), replace(AUDIO, ssrc=None, codec=replace(AUDIO.codec, payload_type=96))]
        producer = publisher.publish(*tracks)
        publisher.sends(packet(5, 1))
        assert node.router.counters.rtp_unknown_ssrc == 1
        publisher.sends(packet(5, 1, block=b"\x401"), packet(6, 1, block=b"\x400"), packet(7, 1, block=b"\x409"))
        assert (producer.tracks["audio"].ssrc, producer.tracks["video"].ssrc) == (5, 6)
        assert node.router.counters.rtp_unknown_ssrc == 2

    def test_a_publisher_may_change_its_ssrc_and_viewers_see_one_stream(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(VIDEO)
        viewer.watch(producer)
        publisher.sends(video(10, 1000, key=True), video(11, 4000))
        node.virtual.advance(2.0)
        publisher.sends(video(60_000, 5, 0xA9), video(60_001, 6, 0xA9, key=True), video(60_002, 6, 0xA9))
        got = viewer.transport.received()
        assert steps(got) == [1, 1, 1]
        assert len({parse_header(data).ssrc for data in got}) == 1
        assert parse_header(got[2]).timestamp == 4000 + 2 * 90_000
        assert producer.stats()[0] == {
            "kind": "video",
            "codec": "VP8",
            "ssrc": 0xA9,
            "packets": 5,
            "bytes": sum(map(len, [video(1)] * 5)),
            "lost": 0,
            "keyframes": 2,
        }

    def test_a_new_source_is_asked_for_a_keyframe(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(VIDEO))
        publisher.sends(video(10, key=True))
        node.virtual.advance(5.0)
        keyframe_requests(publisher)
        publisher.sends(video(1, ssrc=0xA9))
        assert keyframe_requests(publisher) == [0xA9]

    def test_late_packets_of_the_former_ssrc_do_not_take_the_track_back(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        viewer.watch(producer)
        publisher.sends(audio(10))
        node.virtual.advance(3.0)
        publisher.sends(audio(1, ssrc=0xB9), audio(11), audio(2, ssrc=0xB9))
        node.virtual.advance(3.0)
        publisher.sends(audio(3, ssrc=0xB9), audio(12), audio(4, ssrc=0xB9))
        assert len(viewer.transport.received()) == 5
        node.virtual.advance(limits.ssrc_change_gap_seconds_min)
        publisher.sends(audio(13))
        assert producer.tracks["audio"].ssrc == AUDIO_SSRC
        assert node.router.counters.rtp_unknown_ssrc == 2

    def test_the_ssrc_does_not_change_twice_a_second(self) -> None:
        node = Node()
        publisher = Client(node)
        producer = publisher.publish(AUDIO)
        publisher.sends(*(audio(1, ssrc=ssrc) for ssrc in range(500, 600)))
        assert producer.tracks["audio"].ssrc == 500
        assert node.router.counters.rtp_unknown_ssrc == 99

    def test_after_a_bye_another_ssrc_may_follow_at_once(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        viewer.watch(producer)
        publisher.sends(audio(1))
        publisher.says(rtcp.bye([AUDIO_SSRC, 0x12345]))
        publisher.sends(audio(2), audio(7, ssrc=0xB9))
        assert producer.tracks["audio"].ssrc == 0xB9
        assert steps(viewer.transport.received()) == [1]

    def test_a_source_that_numbers_anew_goes_on_without_a_seam(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(VIDEO))
        publisher.sends(video(10, key=True), video(11), video(40_000), video(40_001), video(40_002, key=True))
        assert steps(viewer.transport.received()) == [1, 1]


class TestReceivedRtcp:
    def test_a_viewers_pli_goes_up_with_the_sources_ssrc(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(VIDEO))
        publisher.sends(video(1, key=True))
        node.virtual.advance(10.0)
        keyframe_requests(publisher)
        viewer.says(rtcp.picture_loss_indication(1, consumer.tracks["video"].ssrc))
        assert keyframe_requests(publisher) == [VIDEO_SSRC]
        assert node.router.counters.keyframe_requests_received == 1

    def test_a_full_intra_request_does_the_same(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(VIDEO))
        publisher.sends(video(1, key=True))
        node.virtual.advance(10.0)
        keyframe_requests(publisher)
        viewer.says(rtcp.full_intra_request(1, consumer.tracks["video"].ssrc, 0))
        assert keyframe_requests(publisher) == [VIDEO_SSRC]

    def test_keyframe_requests_of_many_viewers_are_one_a_second(self) -> None:
        node = Node()
        publisher, viewers = Client(node), [Client(node) for _ in range(5)]
        producer = publisher.publish(VIDEO)
        consumers = [viewer.watch(producer) for viewer in viewers]
        assert keyframe_requests(publisher) == [VIDEO_SSRC]
        for tenth in range(25):
            for viewer, consumer in zip(viewers, consumers, strict=True):
                viewer.says(rtcp.picture_loss_indication(1, consumer.tracks["video"].ssrc))
            publisher.sends(video(tenth, key=False))
            node.virtual.advance(0.1)
        assert keyframe_requests(publisher) == [VIDEO_SSRC] * 2
        publisher.sends(video(100, key=True))
        node.virtual.advance(10.0)
        assert keyframe_requests(publisher) == []

    def test_a_publisher_that_knows_only_fir_gets_that(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(replace(VIDEO, feedback=frozenset({"ccm fir"}))))
        node.virtual.advance(1.0)
        messages = [rtcp.feedback_message(part) for part in publisher.heard(RtcpPsfbPacket)]
        assert messages == [rtcp.Fir(((VIDEO_SSRC, 0),)), rtcp.Fir(((VIDEO_SSRC, 1),))]

    def test_a_publisher_that_knows_neither_is_left_in_peace(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(replace(VIDEO, feedback=frozenset())))
        node.virtual.advance(10.0)
        assert publisher.heard(RtcpPsfbPacket) == []
        assert node.virtual.timers == 0

    def test_about_unknown_ssrcs_is_counted(self) -> None:
        node = Node()
        client = Client(node)
        block = RtcpReceiverInfo(5, 0, 0, 0, 0, 0, 0)
        client.says(
            rtcp.sender_report(5, 0, 0, 0, 0, [block]),
            rtcp.receiver_report(5, [block]),
            rtcp.picture_loss_indication(1, 5),
            rtcp.full_intra_request(1, 5, 0),
            bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=5, lost=[1])),
        )
        assert node.router.counters.rtcp_unknown_ssrc == 6
        assert node.router.counters.nacks_received == 0

    def test_nacks_are_counted(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(VIDEO))
        viewer.says(bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=consumer.tracks["video"].ssrc, lost=[1, 2, 30])))
        assert node.router.counters.nacks_received == 3

    def test_the_bitrate_a_receiver_allows_is_known(self) -> None:
        client = Client(Node())
        assert client.session.bitrate_allowed is None
        client.says(rtcp.receiver_estimated_maximum_bitrate(1, 2_000_000, [5]))
        assert client.session.bitrate_allowed == pytest.approx(2_000_000, rel=0.01)

    def test_is_refused_at_every_truncated_length(self) -> None:
        node = Node()
        client = Client(node)
        whole = rtcp.receiver_report(1, [RtcpReceiverInfo(5, 0, 0, 0, 0, 0, 0)])
        for length in range(len(whole)):
            client.says(whole[:length])
        assert (node.router.counters.rtcp_received, node.router.counters.rtcp_malformed) == (len(whole), len(whole))

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.tuples(st.sampled_from([200, 201, 202, 203, 205, 206]), st.binary(max_size=48))))
    def test_may_be_anything(self, parts: list[tuple[int, bytes]]) -> None:
        node = Node()
        client = Client(node)
        client.watch(client.publish(VIDEO))
        for kind, body in parts:
            body += bytes(-len(body) % 4)
            client.says(bytes((0x80 | len(body) % 32, kind)) + (len(body) // 4).to_bytes(2, "big") + body)
        assert node.router.counters.rtcp_received == len(parts)


class TestReports:
    def test_an_idle_session_has_no_timer(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(AUDIO))
        assert node.virtual.timers == 0

    def test_receiver_reports_go_out_every_half_to_one_and_a_half_seconds(self) -> None:
        node = Node()
        publisher = Client(node)
        publisher.publish(AUDIO)
        times = []
        for number in range(1500):
            publisher.sends(audio(number * 2))
            node.virtual.advance(0.02)
            if reports := publisher.heard(RtcpRrPacket):
                times.append(node.virtual.now)
                assert [block.ssrc for block in reports[0].reports] == [AUDIO_SSRC]
                assert 120 <= reports[0].reports[0].fraction_lost <= 130
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(0.45 < gap < 1.55 for gap in gaps)
        assert 24 < len(times) < 36

    def test_of_a_session_that_fell_silent_end(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        viewer.watch(publisher.publish(VIDEO, AUDIO))
        publisher.sends(video(1, key=True), audio(1))
        node.virtual.advance(10.0)
        publisher.heard(RtcpRrPacket)
        assert (node.virtual.timers, len(viewer.heard(RtcpSrPacket))) == (0, 2)
        publisher.sends(video(2), audio(2))
        node.virtual.advance(10.0)
        assert (len(publisher.heard(RtcpRrPacket)), len(viewer.heard(RtcpSrPacket))) == (1, 2)
        assert node.virtual.timers == 0

    def test_a_sender_report_follows_the_first_packet_and_then_every_second(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(AUDIO))
        publisher.sends(audio(1, 960))
        node.virtual.advance(0.0)
        reports = viewer.heard(RtcpSrPacket)
        assert [report.ssrc for report in reports] == [consumer.tracks["audio"].ssrc]
        assert reports[0].sender_info.packet_count == 1
        assert reports[0].sender_info.octet_count == len(b"sound")
        assert reports[0].sender_info.rtp_timestamp == 960
        for number in range(500):
            publisher.sends(audio(2 + number))
            node.virtual.advance(0.02)
        assert 7 <= len(viewer.heard(RtcpSrPacket)) <= 14

    def test_sender_reports_carry_the_publishers_clock_and_name(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(VIDEO, AUDIO)
        viewer.watch(producer)
        ntp = 0xE000_0000 << 32
        publisher.sends(audio(1, 960))
        publisher.says(rtcp.sender_report(AUDIO_SSRC, ntp, 5000, 1, 1))
        node.virtual.advance(0.5)
        viewer.transport.taken_rtcp()
        publisher.sends(video(1, 90_000, key=True))
        node.virtual.advance(0.0)
        compounds = viewer.transport.rtcp
        (report,) = viewer.heard(RtcpSrPacket)
        assert report.sender_info.ntp_timestamp - ntp == 1 << 31
        assert report.sender_info.rtp_timestamp == 90_000
        assert producer.id.hex.encode() in compounds[0]

    def test_the_round_trip_to_a_viewer_is_measured_by_its_reports(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(AUDIO))
        publisher.sends(audio(1, 960))
        node.virtual.advance(0.0)
        (report,) = viewer.heard(RtcpSrPacket)
        node.virtual.advance(0.35)
        lsr = report.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
        block = RtcpReceiverInfo(consumer.tracks["audio"].ssrc, 64, 1, 1, 7, lsr, 0x4000)
        viewer.says(rtcp.receiver_report(1, [block]))
        (stats,) = consumer.stats()
        assert stats["rtt_seconds"] == pytest.approx(0.1)
        assert (stats["fraction_lost"], stats["jitter_ticks"]) == (0.25, 7)

    def test_a_publisher_with_transport_wide_numbers_gets_feedback_about_them(self) -> None:
        node = Node()
        publisher = Client(node)
        publisher.publish(replace(VIDEO, extensions=(TWCC,), feedback=frozenset({"transport-cc"})))
        for number in range(20):
            publisher.sends(packet(VIDEO_SSRC, number, block=b"\x51" + number.to_bytes(2, "big")))
            node.virtual.advance(0.01)
        node.virtual.advance(0.3)
        feedback = [compound for compound in publisher.transport.taken_rtcp() if compound[1] == 205]
        assert len(feedback) >= 2
        assert all(compound[0] & 0x1F == 15 for compound in feedback)

    def test_a_publisher_with_send_times_only_gets_an_estimate(self) -> None:
        node = Node()
        publisher = Client(node)
        publisher.publish(replace(VIDEO, extensions=(SEND_TIME,), feedback=frozenset({"goog-remb"})))
        for number in range(3000):
            sent_at = int(number * 0.01 * (1 << 18)) & 0xFFFFFF
            publisher.sends(packet(VIDEO_SSRC, number, payload=bytes(500), block=b"\x62" + sent_at.to_bytes(3, "big")))
            node.virtual.advance(0.01)
        messages = [rtcp.feedback_message(part) for part in publisher.heard(RtcpPsfbPacket)]
        assert any(isinstance(message, rtcp.Remb) and message.ssrcs == (VIDEO_SSRC,) for message in messages)

    def test_more_sources_than_fit_one_report_are_all_reported(self) -> None:
        node = Node()
        link = Client(node)
        for number in range(40):
            link.publish(replace(AUDIO, ssrc=number, mid=str(number)), piped=True)
        link.sends(*(audio(1, ssrc=number) for number in range(40)))
        node.virtual.advance(2.0)
        compounds = list(link.transport.rtcp)
        blocks = [block.ssrc for report in link.heard(RtcpRrPacket) for block in report.reports]
        assert sorted(blocks) == list(range(40))
        assert all(len(compound) <= limits.rtcp_compound_bytes_max for compound in compounds)


class TestNacks:
    def test_go_out_when_they_are_due_and_again_after_a_round_trip_of_the_path(self) -> None:
        node = Node()
        link, viewer = Client(node), Client(node)
        link.transport.rtt_seconds = 0.2
        viewer.watch(link.publish(VIDEO, piped=True))
        link.sends(video(1, key=True), video(4))
        assert link.heard(RtcpRtpfbPacket) == []
        node.virtual.advance(0.02)
        (nack,) = link.heard(RtcpRtpfbPacket)
        assert (nack.fmt, nack.media_ssrc, nack.lost) == (1, VIDEO_SSRC, [2, 3])
        node.virtual.advance(0.2)
        assert link.heard(RtcpRtpfbPacket) == []
        link.sends(video(3))
        node.virtual.advance(0.1)
        (nack,) = link.heard(RtcpRtpfbPacket)
        assert nack.lost == [2]
        link.sends(video(2))
        node.virtual.advance(3.0)
        assert link.heard(RtcpRtpfbPacket) == []

    def test_that_nobody_answers_end_in_one_keyframe_request(self) -> None:
        node = Node()
        link, viewer = Client(node), Client(node)
        viewer.watch(link.publish(VIDEO, piped=True))
        link.sends(video(1, key=True))
        node.virtual.advance(2.0)
        link.transport.taken_rtcp()
        link.sends(video(2), video(4))
        node.virtual.advance(1.5)
        assert keyframe_requests(link) == [VIDEO_SSRC]


class TestLife:
    def test_a_consumer_begins_when_its_transport_connects_and_asks_for_a_keyframe_then(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node, connected=False)
        viewer.watch(publisher.publish(VIDEO))
        assert keyframe_requests(publisher) == []
        publisher.sends(video(1, key=True))
        node.virtual.advance(limits.keyframe_group_seconds_max + 0.1)
        viewer.session.transport_connected()
        assert keyframe_requests(publisher) == [VIDEO_SSRC]
        publisher.sends(video(2), video(3, key=True))
        assert len(viewer.transport.received()) == 1

    def test_requests_wait_until_the_publisher_is_connected(self) -> None:
        node = Node()
        publisher, viewer = Client(node, connected=False), Client(node)
        viewer.watch(publisher.publish(VIDEO))
        assert node.virtual.timers == 0
        publisher.session.transport_connected()
        assert keyframe_requests(publisher) == [VIDEO_SSRC]

    def test_an_id_is_produced_once(self) -> None:
        node = Node()
        one, other = Client(node), Client(node)
        taken = one.publish(AUDIO)
        with pytest.raises(LocalError, match="carried here already"):
            other.session.produce(taken.id, [AUDIO], piped=True)
        assert other.session.producers == {}
        taken.close()
        other.session.produce(taken.id, [AUDIO], piped=True)

    def test_what_a_producer_does_not_have_cannot_be_consumed(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        with pytest.raises(LocalError, match="no video"):
            viewer.session.consume(producer, [VIDEO])
        with pytest.raises(LocalError):
            viewer.session.consume(producer, [])
        with pytest.raises(LocalError, match="SSRC"):
            viewer.session.consume(producer, [replace(AUDIO, ssrc=None)])
        producer.close()
        with pytest.raises(LocalError, match="closed"):
            viewer.watch(producer)
        assert viewer.session.consumers == set()

    def test_a_session_has_only_so_many_consumers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "consumers_per_session_max", 2)
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        viewer.watch(producer)
        viewer.watch(producer)
        with pytest.raises(LocalError, match="too many"):
            viewer.watch(producer)

    def test_fresh_ssrcs_never_repeat_and_leave_out_the_remote_ends(self) -> None:
        node = Node()
        client, twin = Client(node), Client(Node())
        upcoming = [twin.session.fresh_ssrc() for _ in range(5)]
        client.publish(replace(AUDIO, ssrc=upcoming[2]))
        client.sends(audio(1, ssrc=upcoming[2]))
        fresh = [client.session.fresh_ssrc() for _ in range(20_000)]
        assert fresh[:4] == [upcoming[0], upcoming[1], upcoming[3], upcoming[4]]
        assert len(set(fresh)) == 20_000

    def test_closing_says_bye_and_closes_what_was_produced_and_consumed(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        consumer = viewer.watch(producer)
        reasons: list[str] = []
        producer.on_close.append(reasons.append)
        consumer.on_close.append(reasons.append)
        publisher.sends(audio(1))
        publisher.session.close()
        publisher.session.close()
        assert reasons == ["ended", "ended"]
        assert (publisher.session.producers, viewer.session.consumers, node.router.producers) == ({}, set(), {})
        assert [bye.sources for bye in viewer.heard(RtcpByePacket)] == [[consumer.tracks["audio"].ssrc]]
        assert len(publisher.heard(RtcpByePacket)) == 1
        node.virtual.advance(5.0)
        assert node.virtual.timers == 0

    def test_a_lost_transport_ends_all_with_its_reason_and_without_a_word(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(AUDIO))
        reasons: list[str] = []
        consumer.on_close.append(reasons.append)
        publisher.session.transport_closed("the peer is silent")
        assert reasons == ["the peer is silent"]
        assert publisher.transport.rtcp == []
        publisher.sends(audio(1))
        publisher.says(rtcp.receiver_report(1))
        assert node.router.counters.rtp_received == 0

    def test_nothing_begins_on_a_closed_session(self) -> None:
        node = Node()
        publisher, other = Client(node), Client(node)
        producer = publisher.publish(AUDIO)
        other.session.close()
        with pytest.raises(LocalError):
            other.watch(producer)
        with pytest.raises(LocalError):
            other.publish(AUDIO)

    def test_a_consumer_that_leaves_gets_no_more_and_its_reports_end(self) -> None:
        node = Node()
        publisher, viewer = Client(node), Client(node)
        consumer = viewer.watch(publisher.publish(AUDIO))
        publisher.sends(audio(1))
        consumer.close()
        publisher.sends(audio(2))
        assert len(viewer.transport.received()) == 1
        node.virtual.advance(0.0)
        assert viewer.heard(RtcpSrPacket) == []

    def test_srtp_forgets_sources_that_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        node = Node()
        link = Client(node)
        producer = link.publish(AUDIO, piped=True)
        forgotten: list[int] = []
        monkeypatch.setattr(link.transport.srtp, "forget", forgotten.append)
        link.sends(audio(1))
        link.says(rtcp.bye([AUDIO_SSRC]))
        link.sends(audio(1, ssrc=AUDIO_SSRC + 1))
        producer.close()
        assert forgotten == [AUDIO_SSRC]


class Link:
    """Two nodes with a link: what one sends, the other gets when `carry` is called."""

    def __init__(self) -> None:
        self.owner, self.relay = Node(), Node()
        self.upper, self.lower = Client(self.owner), Client(self.relay)

    def carry(self) -> list[bytes]:
        """Carries everything both ways; the RTP which the relay got."""
        for compound in self.upper.transport.taken_rtcp():
            self.lower.says(compound)
        packets = self.upper.transport.received()
        self.lower.sends(*packets)
        for compound in self.lower.transport.taken_rtcp():
            self.upper.says(compound)
        return packets


class TestPipes:
    def set_up(self) -> tuple[Link, Client, Client]:
        """A publisher at the owner and a viewer at the relay."""
        link = Link()
        publisher, viewer = Client(link.owner), Client(link.relay)
        producer = publisher.publish(VIDEO, AUDIO)
        piped = link.upper.watch(producer, pipe=True)
        parameters = [track.parameters for track in piped.tracks.values()]
        viewer.watch(link.lower.session.produce(producer.id, parameters, piped=True))
        return link, publisher, viewer

    def test_carry_packets_as_they_came_but_for_the_ssrc(self) -> None:
        link, publisher, viewer = self.set_up()
        block = b"\x40\x30\x51\x00\x07"
        sent = [packet(VIDEO_SSRC, 700, 5, DELTA, block=block), packet(VIDEO_SSRC, 701, 6, KEYFRAME, block=block)]
        publisher.sends(*sent, audio(5))
        carried = link.carry()
        assert [data[:8] + data[12:] for data in carried] == [data[:8] + data[12:] for data in [*sent, audio(5)]]
        assert {parse_header(data).ssrc for data in carried}.isdisjoint({VIDEO_SSRC, AUDIO_SSRC})
        got = viewer.transport.received()
        assert [data[-2:] for data in got] == [KEYFRAME, b"nd"]
        assert parse_header(got[0]).timestamp == 6

    def test_carry_keyframe_requests_up(self) -> None:
        link, publisher, _ = self.set_up()
        link.carry()
        assert keyframe_requests(publisher) == [VIDEO_SSRC]

    def test_go_on_under_a_fresh_ssrc_when_the_source_changes(self) -> None:
        link, publisher, viewer = self.set_up()
        publisher.sends(video(10, key=True), video(11))
        before = link.carry()
        publisher.sends(video(50_000), video(50_001), video(50_002, key=True))
        after = link.carry()
        assert numbers(after) == [50_001, 50_002]
        assert {parse_header(data).ssrc for data in before}.isdisjoint({parse_header(data).ssrc for data in after})
        assert steps(viewer.transport.received()) == [1, 1]

    def test_find_their_track_by_a_later_description_when_the_first_is_lost(self) -> None:
        link, publisher, viewer = self.set_up()
        publisher.sends(video(10, key=True))
        link.carry()
        publisher.sends(video(50_000), video(50_001), video(50_002, key=True))
        link.upper.transport.taken_rtcp()
        assert len(link.carry()) == 2
        assert len(viewer.transport.received()) == 1
        link.owner.virtual.advance(0.0)
        link.relay.virtual.advance(2.0)
        publisher.sends(video(50_003, key=True))
        link.carry()
        assert len(viewer.transport.received()) == 1

    def test_describe_their_tracks(self) -> None:
        link, publisher, _ = self.set_up()
        publisher.sends(audio(10))
        link.owner.virtual.advance(0.0)
        described = [item for compound in link.upper.transport.taken_rtcp() for item in described_mids(compound)]
        (consumer,) = link.upper.session.consumers
        track = consumer.tracks["audio"]
        assert described == [(track.ssrc, track.parameters.mid)]

    def test_of_many_streams_are_told_apart_by_ssrc(self) -> None:
        link = Link()
        publishers = [Client(link.owner) for _ in range(3)]
        producers = [publisher.publish(AUDIO) for publisher in publishers]
        viewers = [Client(link.relay) for _ in producers]
        for producer, viewer in zip(producers, viewers, strict=True):
            piped = link.upper.watch(producer, pipe=True)
            parameters = [track.parameters for track in piped.tracks.values()]
            viewer.watch(link.lower.session.produce(uuid4(), parameters, piped=True))
        for number, publisher in enumerate(publishers):
            publisher.sends(audio(1, 1000 * number))
        link.carry()
        got = [parse_header(viewer.transport.received()[0]).timestamp for viewer in viewers]
        assert got == [0, 1000, 2000]
