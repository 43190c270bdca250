from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.parameters import Codec
from media.rtp import RtpHeader
from media.source import KeyframeRequests, SenderClock, Source, ntp_of_unix

VP8 = Codec("video/VP8", 90000, None, 96)
NTP_SECOND = 1 << 32


def header(sequence: int, timestamp: int = 0) -> RtpHeader:
    return RtpHeader(False, 96, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 1, 0, 12, 12, 12, 100)


def source_after(sequences: list[int]) -> Source:
    source = Source(1, VP8, 0.0)
    for sequence in sequences:
        source.received(header(sequence), 100, 0.0)
    return source


def history(rng: Random, first: int, count: int) -> list[int]:
    """The numbers of `count` packets as they arrive over a network that loses, repeats and delays."""
    arrivals: list[tuple[float, int]] = []
    for i in range(count):
        if i and rng.random() < 0.05:
            continue
        delay = rng.choice([0.0, 0.0, 0.0, rng.uniform(0, 8), rng.uniform(0, 700)]) if rng.random() < 0.2 else 0.0
        arrivals.append((i + delay if i else -1, first + i))
        if rng.random() < 0.05:
            arrivals.append((i + rng.uniform(0, 600), first + i))
    return [number for _, number in sorted(arrivals)]


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 65535), st.integers(0, 2**32))
def test_a_long_history_with_wrap_loss_repeats_and_reordering_is_unwrapped_and_counted(first: int, seed: int) -> None:
    source = Source(1, VP8, 0.0)
    seen: set[int] = set()
    highest = first
    for number in history(Random(seed), first, 3000):
        fits = number not in seen and number > highest - limits.sequence_late_max
        assert source.received(header(number), 100, 0.0) == (number if fits else None)
        if fits:
            seen.add(number)
            highest = max(highest, number)
    assert source.restarts == 0
    assert source.highest_sequence == highest
    assert source.packets == len(seen)
    assert source.bytes_ == 100 * len(seen)
    assert source.lost == highest - min(seen) + 1 - len(seen)
    assert source.report_block(0.0).highest_sequence == highest


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.integers(0, 65535), st.integers(0, 20)), max_size=300))
def test_no_two_packets_ever_get_one_number_and_a_restart_is_a_jump(steps: list[int]) -> None:
    source = Source(1, VP8, 0.0)
    numbers: set[int] = set()
    sequence = 0
    for step in steps:
        sequence = (sequence + step) & 0xFFFF if step > 20 else (sequence + step - 5) & 0xFFFF
        highest, restarts = source.highest_sequence, source.restarts
        number = source.received(header(sequence), 1, 0.0)
        if number is None:
            continue
        assert number & 0xFFFF == sequence
        assert number not in numbers
        numbers.add(number)
        if highest is not None:
            assert (number > highest + limits.sequence_jump_max) == (source.restarts > restarts)
            assert number > highest - limits.sequence_late_max
    assert source.packets == len(numbers)
    assert source.lost >= 0


def test_a_single_stray_packet_does_not_restart_a_source() -> None:
    source = source_after([10, 11, 40000, 12, 40001, 13])
    assert source.restarts == 0
    assert source.packets == 4
    assert source.refused == 2
    assert source.lost == 0


@pytest.mark.parametrize("new", [40000, 5000, 30000, 11 - 3100])
def test_two_packets_in_a_row_far_away_restart_a_source(new: int) -> None:
    source = source_after([10, 11, new])
    sequence = source.received(header(new + 1), 100, 0.0)
    assert sequence is not None
    assert sequence > 11 + limits.sequence_jump_max
    assert sequence & 0xFFFF == (new + 1) & 0xFFFF
    assert source.restarts == 1
    assert source.lost == 0
    assert source.received(header(new + 2), 100, 0.0) == sequence + 1


def test_a_few_packets_in_a_row_that_are_just_too_late_are_no_restart_but_many_are() -> None:
    source = source_after([2000, *range(1000, 1000 + limits.late_run_packets_max - 1)])
    assert source.restarts == 0
    assert source.received(header(2001), 100, 0.0) == 2001
    for sequence in range(1000, 1000 + limits.late_run_packets_max):
        source.received(header(sequence), 100, 0.0)
    assert source.restarts == 1


def test_a_late_packet_from_just_before_a_restart_is_no_loss_and_no_gain() -> None:
    source = source_after([10, 11, 40000, 40001, 39998])
    assert (source.packets, source.lost) == (4, 2)
    source.received(header(40000), 100, 0.0)
    assert (source.packets, source.lost) == (5, 1)


def test_a_duplicate_is_refused_and_counted() -> None:
    source = source_after([1, 2, 2, 1])
    assert source.packets == 2
    assert source.duplicates == 2


def test_packets_sent_before_the_first_that_came_are_taken() -> None:
    source = source_after([0])
    assert source.received(header(65535), 100, 0.0) == -1
    assert source.expected == 2


def test_the_fraction_lost_is_that_of_the_interval() -> None:
    source = source_after([0, 1, 2, 3, 5, 7])
    block = source.report_block(1.0)
    assert (block.fraction_lost, block.packets_lost) == (2 * 256 // 8, 2)
    assert source.report_block(2.0).fraction_lost == 0
    for sequence in (8, 9):
        source.received(header(sequence), 100, 2.0)
    block = source.report_block(3.0)
    assert (block.fraction_lost, block.packets_lost) == (0, 2)


def test_late_packets_do_not_make_the_fraction_negative() -> None:
    source = source_after([0, 3])
    source.report_block(1.0)
    source.received(header(1), 100, 1.0)
    source.received(header(2), 100, 1.0)
    block = source.report_block(2.0)
    assert (block.fraction_lost, block.packets_lost) == (0, 0)


def test_nearly_everything_lost_is_at_most_255_of_256() -> None:
    source = source_after([0])
    source.report_block(0.0)
    for sequence in (2999, 5998):
        source.received(header(sequence), 100, 0.0)
    assert source.report_block(0.0).fraction_lost == 255


def test_a_source_without_packets_reports_zeros() -> None:
    block = Source(7, VP8, 0.0).report_block(5.0)
    assert block.ssrc == 7
    assert (block.highest_sequence, block.packets_lost, block.fraction_lost, block.jitter) == (0, 0, 0, 0)
    assert (block.lsr, block.dlsr) == (0, 0)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 0.05)), max_size=100), st.integers(0, 2**32 - 1))
def test_the_jitter_is_that_of_the_rfc_whatever_the_first_timestamp(steps: list[tuple[int, float]], first: int) -> None:
    source = Source(1, VP8, 0.0)
    jitter, now, ticks, previous = 0.0, 100.0, 0, None
    for i, (step, wait) in enumerate(steps):
        now, ticks = now + wait, ticks + step
        source.received(header(i, first + ticks), 100, now)
        transit = now * 90000 - ticks
        if previous is not None:
            jitter += (abs(transit - previous) - jitter) / 16
        previous = transit
    assert source.jitter == pytest.approx(jitter, abs=0.01)
    assert source.report_block(now).jitter == pytest.approx(jitter, abs=1)


def test_a_clock_set_anew_does_not_spoil_the_jitter() -> None:
    source = Source(1, VP8, 0.0)
    for i in range(10):
        source.received(header(i, 3000 * i + (0x7000_0000 if i > 4 else 0)), 100, i / 30)
    assert source.jitter < 1


def test_the_report_refers_to_the_last_sender_report() -> None:
    source = source_after([1])
    source.sender_report(0x1122334455667788, 5, 10.0)
    block = source.report_block(12.5)
    assert block.lsr == 0x33445566
    assert block.dlsr == int(2.5 * 65536)
    assert source.last_sender_report == (0x1122334455667788, 5, 10.0)


def test_the_bitrate_is_that_of_the_last_second() -> None:
    source = Source(1, VP8, 0.0)
    for i in range(300):
        source.received(header(i), 1000, 50 + i / 100)
    assert source.bitrate(53.0) == pytest.approx(800_000, rel=0.1)
    assert source.bitrate(53.6) == pytest.approx(400_000, rel=0.3)
    assert source.bitrate(60.0) == 0


def test_the_sender_clock_moves_the_last_report_on() -> None:
    clock = SenderClock(90000)
    clock.packet(1, 1.0)
    clock.sender_report(100 * NTP_SECOND, 0xFFFFFFFF, 10.0)
    assert clock.at(10.0, 0.0) == (100 * NTP_SECOND, 0xFFFFFFFF)
    assert clock.at(12.5, 0.0) == (100 * NTP_SECOND + 5 * NTP_SECOND // 2, (0xFFFFFFFF + 225000) & 0xFFFFFFFF)


def test_without_a_report_the_wall_clock_stands_beside_the_newest_timestamp() -> None:
    clock = SenderClock(48000)
    assert clock.at(1.0, 1_000_000.0) is None
    clock.packet(960, 2.0)
    assert clock.at(2.5, 1_000_000.0) == (ntp_of_unix(1_000_000.0), 960 + 24000)


def test_only_the_newest_packet_of_a_source_sets_its_clock() -> None:
    source = Source(1, VP8, 0.0)
    source.received(header(10, 9000), 100, 1.0)
    source.received(header(9, 6000), 100, 2.0)
    assert source.clock.at(1.0, 0.0) == (ntp_of_unix(0.0), 9000)


def test_ntp_counts_from_1900() -> None:
    assert ntp_of_unix(0.0) == 2_208_988_800 << 32
    assert ntp_of_unix(0.5) == (2_208_988_800 << 32) + (1 << 31)


def test_a_keyframe_request_goes_out_at_once_and_then_once_a_second() -> None:
    requests = KeyframeRequests()
    assert requests.timeout() is None
    assert not requests.poll(5.0)
    requests.request(5.0)
    assert requests.timeout() == 0.0
    assert requests.poll(5.0)
    requests.request(5.1)
    assert not requests.poll(5.9)
    assert requests.timeout() == 6.0
    assert requests.poll(6.0)


def test_a_keyframe_answers_the_requests_made_before_it() -> None:
    requests = KeyframeRequests()
    requests.request(5.0)
    assert requests.poll(5.0)
    requests.request(5.1)
    requests.keyframe_seen(5.2)
    assert requests.timeout() is None
    assert not requests.poll(7.0)
    requests.request(7.0)
    assert requests.poll(7.0)


def test_a_request_no_keyframe_answers_is_repeated_a_few_times() -> None:
    requests = KeyframeRequests()
    requests.request(0.0)
    sent = [now for now in range(20) if requests.poll(float(now))]
    assert sent == list(range(limits.keyframe_retries_max + 1))
    assert requests.timeout() is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 0.7), st.sampled_from(["request", "keyframe", "poll"])), max_size=200))
def test_whatever_is_asked_requests_are_a_second_apart_and_none_is_forgotten(steps: list[tuple[float, str]]) -> None:
    requests, now, sent, waiting = KeyframeRequests(), 0.0, [], False
    for wait, step in steps:
        now += wait
        if step == "request":
            requests.request(now)
            waiting = True
        elif step == "keyframe":
            requests.keyframe_seen(now)
            waiting = False
        elif requests.poll(now):
            sent.append(now)
            waiting = False
        assert requests.timeout() is not None or not waiting
    assert all(later - earlier >= 1 for earlier, later in pairwise(sent))


class TestRepairs:
    def test_what_is_missing_is_lacking(self) -> None:
        source = source_after([65534, 65535, 2, 4])
        assert [number for number in (65533, 65534, 0, 1, 2, 3, 4, 5) if source.lacks(number)] == [65533, 0, 1, 3, 5]

    def test_before_the_first_packet_nothing_is(self) -> None:
        assert not Source(1, VP8, 0.0).lacks(5)

    def test_what_would_look_like_a_restart_is_not(self) -> None:
        source = source_after([10_000])
        far = limits.sequence_late_max
        assert [source.lacks(10_000 + step) for step in (-far, 1 - far, far, far + 1)] == [False, True, True, False]

    def test_what_is_lacking_is_taken(self) -> None:
        source = source_after([1, 600])
        for number in range(600 - limits.sequence_late_max, 600):
            lacking = source.lacks(number)
            assert (source.received(header(number), 100, 0.0, repaired=True) is not None) == lacking
        assert source.restarts == 0

    def test_a_repair_is_reported_as_lost_on_the_path_but_is_not_missing(self) -> None:
        source = source_after([1, 2, 4])
        source.received(header(3), 100, 0.0, repaired=True)
        block = source.report_block(0.0)
        assert (block.packets_lost, block.fraction_lost, source.lost) == (1, 64, 0)

    def test_a_repair_is_no_jitter(self) -> None:
        source = source_after([1, 2, 4])
        source.received(header(3), 100, 0.3, repaired=True)
        assert source.jitter == 0.0
