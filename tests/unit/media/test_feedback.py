import struct
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.feedback import FeedbackCollector, transport_sequence_number
from media.rtcp import parse_compound
from media.rtp import elements, parse_header

TICK = 0.00025


@dataclass
class Report:
    """A report as the draft describes it: statuses from `base` on, arrival in ticks or None for a lost packet."""

    ssrc: int
    media_ssrc: int
    base: int
    number: int
    arrivals: list[int | None]
    symbols: list[int]
    chunks: list[int]


def read(packet: bytes) -> Report:
    """Decodes one feedback packet by the letter of the draft."""
    first, kind, words = struct.unpack_from("!BBH", packet)
    assert (first & 0xDF, kind, 4 + 4 * words) == (0x8F, 205, len(packet))
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    ssrc, media_ssrc, base, count, word = struct.unpack_from("!IIHHI", packet, 4)
    position = 20
    symbols: list[int] = []
    chunks: list[int] = []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet, position)
        position += 2
        chunks.append(chunk)
        if not chunk & 0x8000:
            assert chunk & 0x1FFF
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
            assert len(symbols) <= count
        elif not chunk & 0x4000:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
        else:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
    assert not any(symbols[count:])
    symbols = symbols[:count]
    ticks = (word >> 8) * 256
    arrivals: list[int | None] = []
    for symbol in symbols:
        if symbol == 1:
            ticks += packet[position]
        elif symbol == 2:
            ticks += struct.unpack_from("!h", packet, position)[0]
        arrivals.append(ticks if symbol else None)
        position += symbol
    assert position == end
    return Report(ssrc, media_ssrc, base, word & 0xFF, arrivals, symbols, chunks)


def collected(arrivals: list[tuple[int, int]], *, at: float | None = None) -> list[Report]:
    """The reports about `(number, tick)` in order of arrival, polled when all have come."""
    collector = FeedbackCollector()
    for number, tick in arrivals:
        collector.received(number & 0xFFFF, 9, (tick + 0.5) * TICK)
    packets = collector.poll(7, at if at is not None else max(tick for _, tick in arrivals) * TICK + 1)
    assert all(len(packet) <= 1200 for packet in packets)
    return [read(packet) for packet in packets]


def test_arrivals_are_reported_in_ticks_from_the_reference_time() -> None:
    (report,) = collected([(10, 1000), (11, 1003), (12, 1003)])
    assert (report.ssrc, report.media_ssrc, report.base) == (7, 9, 10)
    assert report.arrivals == [1000, 1003, 1003]
    assert report.symbols == [1, 1, 1]


def test_lost_packets_are_reported_as_such() -> None:
    (report,) = collected([(10, 1000), (13, 1003)])
    assert report.arrivals == [1000, None, None, 1003]


def test_a_long_wait_or_reordering_takes_a_large_delta() -> None:
    (report,) = collected([(10, 1000), (12, 1300), (11, 1301)])
    assert report.symbols == [1, 2, 2]
    assert report.arrivals == [1000, 1301, 1300]


def test_a_delta_too_large_for_16_bits_begins_another_report() -> None:
    first, second = collected([(10, 0), (11, 40_000), (13, 40_001)])
    assert (first.base, first.arrivals) == (10, [0])
    assert (second.base, second.arrivals) == (11, [40_000, None, 40_001])
    assert (first.number, second.number) == (0, 1)


def test_the_numbers_wrap() -> None:
    (report,) = collected([(65534, 5), (65535, 6), (0, 7), (1, 8)])
    assert (report.base, report.arrivals) == (65534, [5, 6, 7, 8])


def test_the_reference_time_wraps_in_24_bits() -> None:
    tick = 2**24 * 256 + 300
    (report,) = collected([(1, tick)])
    assert report.arrivals == [300]


def test_a_long_run_takes_one_chunk() -> None:
    (report,) = collected([(number, number) for number in range(100)])
    assert report.chunks == [1 << 13 | 100]


def test_mixed_small_deltas_and_losses_take_one_bit_each() -> None:
    (report,) = collected([(number, number) for number in range(14) if number % 3 != 1])
    assert report.chunks == [0b10_10110110110110]


def test_large_deltas_take_two_bits_each() -> None:
    (report,) = collected([(0, 0), (1, 300), (3, 301), (4, 302), (6, 700)])
    assert report.chunks == [0b11_01_10_00_01_01_00_10]


def test_a_large_delta_ahead_does_not_shorten_a_one_bit_vector() -> None:
    (report,) = collected([(0, 0), (2, 1), (4, 2), (6, 3), (8, 4), (10, 400), (12, 401), (14, 402)])
    assert report.symbols == [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1]


def test_losses_at_the_end_of_a_report_are_in_the_next() -> None:
    collector = FeedbackCollector()
    collector.received(1, 9, 0.0)
    (first,) = collector.poll(7, 1.0)
    collector.received(5, 9, 1.0)
    (second,) = collector.poll(7, 2.0)
    assert (read(first).base, read(first).arrivals) == (1, [0])
    assert (read(second).base, read(second).arrivals) == (2, [None, None, None, 4000])


def test_a_late_packet_is_reported_with_what_came_after_it() -> None:
    collector = FeedbackCollector()
    for number in (1, 3, 4):
        collector.received(number, 9, 1.0)
    collector.poll(7, 1.25)
    collector.received(2, 9, 1.25)
    (packet,) = collector.poll(7, 1.5)
    assert (read(packet).base, read(packet).arrivals) == (2, [5000, 4000, 4000])


def test_a_duplicate_counts_with_its_first_arrival() -> None:
    collector = FeedbackCollector()
    collector.received(1, 9, 1.0)
    collector.received(1, 9, 1.1)
    (packet,) = collector.poll(7, 2.0)
    assert read(packet).arrivals == [4000]
    collector.received(1, 9, 2.0)
    assert collector.timeout() is None


def test_a_packet_later_than_the_memory_reaches_is_not_reported() -> None:
    collector = FeedbackCollector()
    for number in (1, 3):
        collector.received(number, 9, 1.0)
    collector.poll(7, 2.0)
    collector.received(2, 9, 2.1)
    assert collector.timeout() is None


def test_ten_packets_are_reported_at_once_and_then_no_sooner_than_50_ms() -> None:
    collector = FeedbackCollector()
    for number in range(10):
        assert collector.poll(7, 1.0) == []
        collector.received(number, 9, 1.0)
    assert collector.timeout() == 1.0
    assert len(collector.poll(7, 1.0)) == 1
    for number in range(10, 20):
        collector.received(number, 9, 1.01)
    assert collector.timeout() == 1.05
    assert collector.poll(7, 1.04) == []
    assert len(collector.poll(7, 1.05)) == 1


def test_few_packets_are_reported_after_250_ms_and_none_never() -> None:
    collector = FeedbackCollector()
    assert collector.timeout() is None
    collector.received(1, 9, 5.0)
    assert collector.timeout() == 5.25
    assert collector.poll(7, 5.2) == []
    assert len(collector.poll(7, 5.25)) == 1
    assert collector.timeout() is None
    assert collector.poll(7, 99.0) == []


def test_a_jump_of_the_numbers_starts_anew() -> None:
    collector = FeedbackCollector()
    collector.received(1, 9, 1.0)
    collector.received(20_000, 9, 1.0)
    (packet,) = collector.poll(7, 2.0)
    assert (read(packet).base, len(read(packet).arrivals)) == (20_000, 1)
    assert collector.restarts == 1


def test_what_is_never_polled_is_bounded() -> None:
    collector = FeedbackCollector()
    for number in range(3 * limits.transport_arrivals_max):
        collector.received(number & 0xFFFF, 9, 1.0)
    assert sum(len(read(packet).arrivals) for packet in collector.poll(7, 2.0)) <= limits.transport_arrivals_max
    assert collector.restarts == 2


@pytest.mark.parametrize("gap", [14, 15, 1000, 8191])
def test_the_worst_mix_of_losses_and_large_deltas_fits_a_datagram(gap: int) -> None:
    arrivals = [(number * gap, number * 300) for number in range(400)]
    collector = FeedbackCollector()
    for number, tick in arrivals:
        collector.received(number & 0xFFFF, 9, tick * TICK)
    packets = collector.poll(7, 1000.0)
    assert max(map(len, packets)) <= 1200
    assert sum(arrival is not None for packet in packets for arrival in read(packet).arrivals) == 400


def test_the_bytes_are_rtcp_which_is_no_nack() -> None:
    collector = FeedbackCollector()
    collector.received(1, 9, 1.0)
    (packet,) = collector.poll(7, 2.0)
    assert parse_compound(packet) == []


def test_the_number_is_read_from_its_extension() -> None:
    packet = b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x02\x10a\x51\x12\x34\x00\x00\x00payload"
    found = elements(packet, parse_header(packet))
    assert transport_sequence_number(packet, found, 5) == 0x1234
    assert transport_sequence_number(packet, found, 1) is None
    assert transport_sequence_number(packet, found, 7) is None


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(0, 65535), st.sampled_from([0.0005, 0.005, 0.05]))
def test_over_long_histories_every_arrival_is_reported_once_or_more_and_truly(
    seed: int, first: int, spacing: float
) -> None:
    rng = Random(seed)
    collector = FeedbackCollector()
    sent = [(i * spacing + 10, first + i) for i in range(600)]
    coming = sorted(
        (at + (rng.uniform(0, 0.3) if rng.random() < 0.1 else rng.uniform(0, 0.001)), number)
        for at, number in sent
        if number == first or rng.random() < rng.choice([0.5, 0.95, 1.0])
    )
    coming.sort(key=lambda item: (item[1] != first, item))
    truth: dict[int, int] = {}
    told: dict[int, int | None] = {}
    highest, end, reports = first, first, 0
    now = 10.0
    for at, number in coming:
        now = max(now, at)
        for packet in collector.poll(7, now):
            report = read(packet)
            assert report.number == reports & 0xFF
            reports += 1
            base = highest + ((report.base - highest + 32768) & 0xFFFF) - 32768
            assert base <= end
            for i, arrival in enumerate(report.arrivals):
                assert told.get(base + i) in (None, arrival)
                told[base + i] = arrival
            end = max(end, base + len(report.arrivals))
        collector.received(number & 0xFFFF, 9, now)
        truth.setdefault(number, int(now * 4000))
        highest = max(highest, number)
    for packet in collector.poll(7, now + 1):
        report = read(packet)
        base = highest + ((report.base - highest + 32768) & 0xFFFF) - 32768
        for i, arrival in enumerate(report.arrivals):
            told[base + i] = arrival
    assert {number for number, arrival in told.items() if arrival is not None} <= truth.keys()
    assert all(truth[number] == arrival for number, arrival in told.items() if arrival is not None)
    assert all(number in told for number in range(first, highest + 1))
    unreported = [number for number in truth if told[number] is None]
    assert collector.timeout() is None
    assert unreported == []
