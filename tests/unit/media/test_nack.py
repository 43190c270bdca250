"""The generator against an obvious model, and each of its rules by itself. All in virtual time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.nack import NackGenerator
from media.parameters import Codec, Kind
from media.rtcp import feedback_message, generic_nack, parse_compound
from media.rtp import parse_header
from media.source import Source
from tests.unit.media.rtp_samples import packet

RTT = 0.04
DELAY = limits.nack_delay_seconds


class Video:
    """A generator that is told of packets and polled."""

    def __init__(self, kind: Kind = "video") -> None:
        self.generator = NackGenerator(kind)

    def gets(self, numbers: Iterable[int], now: float = 0.0, keyframes: Iterable[int] = ()) -> bool:
        return self.generator.received([*numbers], keyframes, now)

    def asks(self, now: float, rtt: float = RTT) -> list[int]:
        return self.generator.poll(rtt, now)

    def times_asked(self, rtt: float = RTT, until: float = 5.0) -> list[float]:
        """When it asks, polled whenever it wants to be."""
        times = []
        while (when := self.generator.timeout()) is not None and when <= until:
            if self.asks(when, rtt):
                times.append(when)
            self.generator.take_broken()
        return times


def test_without_a_gap_nothing_is_asked_for() -> None:
    video = Video()
    assert not video.gets(range(5, 50))
    assert not video.gets([50])
    assert (video.asks(9.0), video.generator.timeout()) == ([], None)


def test_a_gap_is_asked_for_after_a_short_while() -> None:
    video = Video()
    assert video.gets([1, 4])
    assert video.generator.timeout() == DELAY
    assert video.asks(DELAY - 0.001) == []
    assert video.asks(DELAY) == [2, 3]


def test_a_gap_between_two_bursts_is_one() -> None:
    video = Video()
    video.gets([1, 2])
    assert video.gets([5, 6], 1.0)
    assert video.asks(1.0 + DELAY) == [3, 4]


def test_what_is_only_reordered_is_not_asked_for() -> None:
    video = Video()
    video.gets([1, 3])
    video.gets([2], DELAY / 2)
    assert video.asks(DELAY) == []
    assert video.generator.timeout() is None


def test_late_packets_from_before_the_first_are_no_matter() -> None:
    video = Video()
    assert not video.gets([10, 8, 9, 11])
    assert not video.gets([-3])


def test_it_asks_again_after_a_round_trip_with_growing_gaps() -> None:
    video = Video()
    video.gets([1, 3])
    times = video.times_asked(0.08)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] == pytest.approx(0.1)
    assert gaps[1] == pytest.approx(0.125)


def test_it_does_not_ask_too_often_on_a_short_path_and_not_for_ever() -> None:
    video = Video()
    video.gets([1, 3])
    times = video.times_asked(0.0001)
    assert len(times) == limits.nack_tries_max
    assert times[1] - times[0] == pytest.approx(limits.nack_gap_seconds_min)


@pytest.mark.parametrize(("kind", "seconds_max"), [("video", 1.0), ("audio", 0.25)])
def test_it_does_not_ask_for_what_would_come_too_late(kind: Kind, seconds_max: float) -> None:
    track = Video(kind)
    track.gets([1, 3])
    times = track.times_asked(0.1)
    assert times[0] == DELAY
    assert seconds_max - 0.1 - 0.3 < times[-1] <= seconds_max - 0.1


def test_audio_over_a_long_path_is_never_asked_for() -> None:
    audio = Video("audio")
    audio.gets([1, 3])
    assert audio.times_asked(0.3) == []
    assert audio.generator.missing == {}


def test_what_the_source_would_refuse_as_too_late_is_given_up() -> None:
    video = Video()
    video.gets([0, *range(2, limits.sequence_late_max + 2)])
    assert video.asks(DELAY) == []
    assert video.generator.take_broken()


def test_a_gap_of_video_that_stays_needs_a_keyframe_once() -> None:
    video = Video()
    video.gets([1, 3])
    assert not video.generator.take_broken()
    assert video.asks(3.0) == []
    assert video.generator.timeout() == 0.0
    assert video.generator.take_broken()
    assert not video.generator.take_broken()
    assert video.generator.timeout() is None


def test_a_gap_before_a_keyframe_needs_none() -> None:
    video = Video()
    video.gets([1, 3])
    video.gets([4, 5], keyframes=[0])
    assert video.asks(3.0) == []
    assert not video.generator.take_broken()


def test_a_gap_behind_the_start_of_a_keyframe_needs_another_one() -> None:
    video = Video()
    video.gets([1, 2, 4], keyframes=[1])
    video.asks(3.0)
    assert video.generator.take_broken()


def test_a_gap_of_audio_needs_no_keyframe() -> None:
    audio = Video("audio")
    audio.gets([1, 3])
    audio.asks(3.0)
    assert not audio.generator.take_broken()


def test_an_outage_is_healed_by_a_keyframe_and_not_by_hundreds_of_packets() -> None:
    video = Video()
    video.gets([1])
    assert video.gets([limits.nack_missing_max + 3])
    assert video.generator.timeout() == 0.0
    assert video.asks(DELAY) == []
    assert video.generator.take_broken()


def test_an_outage_that_ends_with_a_keyframe_needs_no_other() -> None:
    video = Video()
    video.gets([1])
    video.gets([500, 501], keyframes=[0])
    assert not video.generator.take_broken()


def test_too_many_gaps_are_given_up_together() -> None:
    video = Video()
    video.gets(range(0, 2 * limits.nack_missing_max + 4, 2))
    assert video.generator.missing == {}
    assert video.generator.take_broken()


def test_of_too_many_gaps_those_before_a_keyframe_go_first() -> None:
    video = Video()
    video.gets(range(0, 2 * limits.nack_missing_max, 2))
    video.gets([2 * limits.nack_missing_max + 2, 2 * limits.nack_missing_max + 8], keyframes=[0])
    assert not video.generator.take_broken()
    first = 2 * limits.nack_missing_max + 3
    assert video.asks(DELAY) == [*range(first, first + 5)]


def test_a_source_that_numbers_anew_has_lost_nothing() -> None:
    video = Video()
    video.gets([1, 3])
    assert not video.gets([3 + limits.sequence_jump_max + 1])
    assert (video.asks(3.0), video.generator.take_broken()) == ([], False)


def test_the_answer_tells_how_long_it_took_unless_it_was_asked_for_too_often() -> None:
    video = Video()
    video.gets([1, 7])
    assert video.asks(DELAY) == [2, 3, 4, 5, 6]
    assert video.generator.repaired(2, DELAY + 0.03) == pytest.approx(0.03)
    video.gets([3], DELAY + 0.04)
    assert video.generator.answered_seconds == pytest.approx(0.04)
    assert video.asks(0.3) == [4, 5, 6]
    assert video.generator.repaired(4, DELAY + 0.32) == pytest.approx(0.32)
    assert video.asks(0.8) == [5, 6]
    assert video.generator.repaired(5, 0.85) is None
    assert video.generator.repaired(5, 0.85) is None


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """All that ever came, and for each number, again and again, what follows from it."""

    arrivals: list[tuple[int, float]] = field(default_factory=list)
    asked: dict[int, list[float]] = field(default_factory=dict)
    gaps: dict[int, float] = field(default_factory=dict)
    hopeless: set[int] = field(default_factory=set)

    def poll(self, rtt: float, now: float, seconds_max: float) -> list[int]:
        came = {sequence for sequence, _ in self.arrivals}
        wanted = []
        for sequence in range(self.arrivals[0][0], max(came)):
            if sequence in came or sequence in self.hopeless:
                continue
            noticed = next(at for later, at in self.arrivals if later > sequence)
            asked = self.asked.setdefault(sequence, [])
            if sequence <= max(came) - limits.sequence_late_max:
                self.hopeless.add(sequence)
            elif now >= self.due(noticed, asked, sequence):
                if len(asked) == limits.nack_tries_max or now + rtt > noticed + seconds_max:
                    self.hopeless.add(sequence)
                else:
                    asked.append(now)
                    self.gaps.setdefault(sequence, max(limits.nack_gap_ratio * rtt, limits.nack_gap_seconds_min))
                    wanted.append(sequence)
        return wanted

    def due(self, noticed: float, asked: list[float], sequence: int) -> float:
        if not asked:
            return noticed + limits.nack_delay_seconds
        gap = self.gaps[sequence]
        for _ in asked[1:]:
            gap *= limits.nack_gap_ratio
        return asked[-1] + gap


def disturbed(rng: Random, count: int, first: int, loss: float) -> list[tuple[float, int]]:
    """Packets 2 ms apart as they arrive: some lost (now and then many together), late, or twice."""
    arrivals, outage = [], 0
    for number in range(count):
        outage = outage - 1 if outage else rng.choice([0] * 300 + [20, 60])
        if outage or rng.random() < loss:
            if rng.random() < 0.5:
                arrivals.append((number * 0.002 + rng.uniform(0.02, 0.6), first + number))  # a repair
            continue
        late = rng.random() < 0.05
        arrivals.append((number * 0.002 + (rng.uniform(0, 0.03) if late else 0.0), first + number))
        if rng.random() < 0.02:
            arrivals.append((number * 0.002 + rng.uniform(0, 0.2), first + number))
    return sorted(arrivals)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32), st.sampled_from([0.0, 0.02, 0.1]), st.sampled_from([0.001, 0.05, 0.4]))
def test_it_asks_for_what_the_model_asks_for(seed: int, loss: float, rtt: float) -> None:
    """The numbers are those of a real `Source`, which refuses duplicates and wraps."""
    rng = Random(seed)
    kind: Kind = rng.choice(["audio", "video"])
    seconds_max = limits.nack_video_seconds_max if kind == "video" else limits.nack_audio_seconds_max
    source = Source(1, Codec("video/VP8", 90000, None, 96), 0.0)
    generator, model = NackGenerator(kind), Model()
    polled = 0.0
    for now, number in disturbed(rng, 800, 0x10000 - rng.randrange(900), loss):
        while polled + 0.01 < now and model.arrivals:
            polled += 0.01
            assert generator.poll(rtt, polled) == model.poll(rtt, polled, seconds_max)
        polled = max(polled, now - 0.01)
        sequence = source.received(parse_header(packet(1, number)), 20, now)
        if sequence is not None:
            generator.received([sequence], (), now)
            model.arrivals.append((sequence, now))
    assert len(generator.missing) <= limits.nack_missing_max


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-100, 5000), min_size=1, max_size=300), st.integers(0, 1 << 32))
def test_any_numbers_in_any_order_keep_it_small_and_let_it_come_to_rest(numbers: list[int], seed: int) -> None:
    rng = Random(seed)
    video, now = Video(rng.choice(["audio", "video"])), 0.0
    while numbers:
        burst = [numbers.pop() for _ in range(min(len(numbers), rng.randrange(1, 40)))]
        video.gets(burst, now, [at for at in range(len(burst)) if rng.random() < 0.1])
        assert len(video.generator.missing) <= limits.nack_missing_max
        assert [*video.generator.missing] == sorted(video.generator.missing)
        now += rng.uniform(0, 0.1)
        video.asks(now)
    video.times_asked(until=now + 5.0)
    assert (video.generator.missing, video.generator.timeout()) == ({}, None)


# --- as RTCP ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(st.integers(-70000, 200000), st.sets(st.integers(0, 600), min_size=1, max_size=limits.nack_missing_max))
def test_a_nack_names_what_is_missing_across_the_wrap_and_fits_a_datagram(base: int, offsets: set[int]) -> None:
    lost = [base + offset for offset in sorted(offsets)]
    data = generic_nack(1, 2, lost)
    assert len(data) <= limits.rtcp_compound_bytes_max
    message = feedback_message(parse_compound(data)[0])
    assert message is not None
    assert (message.media_ssrc, message.lost) == (2, tuple(number & 0xFFFF for number in lost))  # type: ignore[union-attr]


def test_seventeen_in_a_row_are_one_item() -> None:
    assert generic_nack(1, 2, range(65530, 65547))[12:] == bytes.fromhex("fffaffff")
    assert len(generic_nack(1, 2, range(65530, 65548))) == 20


def test_the_position_is_the_lowest_number_that_may_still_come_else_the_next() -> None:
    gaps = NackGenerator("video")
    assert gaps.position is None
    gaps.received([10, 11], (), 0.0)
    assert gaps.position == 12
    gaps.received([14, 16], (), 0.0)
    assert gaps.position == 12
    gaps.repaired(12, 0.1)
    assert gaps.position == 13
    gaps.received(range(17, 14 + limits.sequence_late_max), (), 0.1)
    assert gaps.position == 15


def test_what_is_missing_is_asked_for_anew_where_another_sender_goes_on() -> None:
    gaps = NackGenerator("video")
    gaps.received([10, 12], (), 0.0)
    while gaps.missing[11].tries < 3:
        gaps.poll(0.01, gaps.missing[11].due)
    gaps.ask_anew(5.0)
    assert gaps.poll(0.01, 5.01) == []
    assert gaps.poll(0.01, 5.0 + limits.nack_resumed_seconds) == [11]
