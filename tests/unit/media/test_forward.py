"""The hot path against `media.rewriter`, the model of it, after real SRTP; and what the model does not have: sends."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.burst import Burst
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.fanout import Fanout
from media.forward import equal_runs
from media.parameters import Codec, HeaderExtension, TrackParameters
from media.rewriter import Rewriter, extension_ids
from media.rtp import parse_header, sequence_distance
from media.source import Source
from media.srtp import AES_128_CM_SHA1_80, AES_128_GCM, AES_256_GCM, SrtpProfile
from tests.unit.media.rtp_samples import (
    VP8,
    RecordingPort,
    RecordingTransport,
    fanout,
    packet,
    without_padding,
)

ROTATION = "urn:3gpp:video-orientation"
SOURCE = TrackParameters(
    "video", "0", VP8, ssrc=1, extensions=(HeaderExtension(1, ROTATION), HeaderExtension(2, "urn:example:other"))
)
BLOCKS = (None, b"\x10\x01", b"\x11\x01\x02\x20\x05", b"\x20\x07\x00\x10\x03\xf0\x01")
FORMATS = (
    (120, (HeaderExtension(9, ROTATION),), AES_128_GCM),
    (120, (HeaderExtension(9, ROTATION),), AES_256_GCM),
    (96, (), AES_128_CM_SHA1_80),
    (97, (HeaderExtension(15, ROTATION), HeaderExtension(3, "urn:example:other")), AES_128_GCM),
)


def consumer(ssrc: int, form: int = 0, pipe: bool = False, first_number: int = 100) -> tuple[ConsumerTrack, Rewriter]:
    """A consumer track and its model."""
    payload_type, extensions, _ = FORMATS[form]
    codec = Codec("video/VP8", 90000, None, payload_type)
    parameters = TrackParameters("video", "0", codec, ssrc=ssrc, extensions=extensions)
    model = Rewriter(
        ssrc,
        payload_type,
        90000,
        extension_ids(SOURCE, parameters),
        first_sequence_number=first_number,
        wait_for_keyframe=not pipe,
        pipe=pipe,
    )
    return ConsumerTrack(SOURCE, parameters, pipe, first_number), model


def burst_of(*packets: bytes, keyframes: tuple[int, ...] = (0,), now: float = 0.0) -> Burst:
    """A burst of packets whose sequence numbers do not wrap."""
    burst = Burst(now)
    for at, data in enumerate(packets):
        header = parse_header(data)
        burst.add(data, header, header.sequence_number, at in keyframes)
    return burst


@dataclass
class Receiver:
    """One consumer in the comparison: the real one, its model, and every index its packets had."""

    track: ConsumerTrack
    model: Rewriter
    transport: RecordingTransport
    expected: list[bytes] = field(default_factory=list)
    used: dict[tuple[int, int], bytes] = field(default_factory=dict)
    highest: dict[int, int] = field(default_factory=dict)

    def check(self) -> None:
        """The remote end opens exactly what the model made, and no index was used for two packets."""
        received = self.transport.received()
        assert [plain(data, model) for data, model in zip(received, self.expected, strict=True)] == self.expected
        self.expected = []
        for data in received:
            header = parse_header(data)
            highest = self.highest.get(header.ssrc, header.sequence_number)
            index = highest + sequence_distance(header.sequence_number, highest & 0xFFFF)
            assert index >= 0
            assert (header.ssrc, index) not in self.used
            self.used[header.ssrc, index] = data
            self.highest[header.ssrc] = max(highest, index)
        assert (self.track.packets, self.track.bytes_) == (self.model.packets, self.model.bytes_)


def plain(received: bytes, model: bytes) -> bytes:
    """Without the padding that was added on the way out."""
    return received if model[0] & 0x20 else without_padding(received)


class Comparison:
    """Feeds one history to a fanout and to the models of its consumers."""

    def __init__(self) -> None:
        self.port = RecordingPort()
        self.fanout: Fanout = fanout(self.port)
        self.receivers: list[Receiver] = []
        self.now = 50.0
        self.ssrcs = iter(range(1000, 1_000_000))
        self.source = Source(1, VP8, self.now)
        self.restarts = 0
        self.number = 65_000

    def join(self, form: int, pipe: bool, first_number: int) -> None:
        track, model = consumer(next(self.ssrcs), form, pipe, first_number)
        transport = RecordingTransport(self.port, FORMATS[form][2])
        track.connect(transport)
        track.on_ssrc_used = lambda: self.replace_ssrc(track)
        self.fanout.add(track)
        self.receivers.append(Receiver(track, model, transport))

    def replace_ssrc(self, track: ConsumerTrack) -> None:
        track.ssrc = next(self.ssrcs)

    def leave(self, which: int) -> None:
        if self.receivers:
            self.fanout.remove(self.receivers.pop(which % len(self.receivers)).track)

    def change_source(self, number: int) -> None:
        self.source = Source(self.source.ssrc + 1, VP8, self.now)
        self.number, self.restarts = number, 0
        self.tell_change()

    def jump(self, ahead: int) -> None:
        self.number += ahead

    def tell_change(self) -> None:
        self.fanout.source_changed()
        for receiver in self.receivers:
            receiver.model.source_changed(receiver.track.ssrc)

    def arrive(self, packets: list[tuple[int, int, int, bool, int]]) -> None:
        """One burst: number and timestamp relative to the last one's end, size, keyframe, extension block."""
        self.now += 0.02
        burst = Burst(self.now)
        for offset, timestamp, size, keyframe, block in packets:
            data = packet(
                self.source.ssrc,
                self.number + offset,
                3000 * self.number + timestamp,
                bytes(size),
                marker=size % 2 == 0,
                block=BLOCKS[block],
            )
            header = parse_header(data)
            sequence = self.source.received(header, len(data), self.now)
            if sequence is None:
                continue
            if self.source.restarts != self.restarts:
                self.restarts = self.source.restarts
                self.forward(burst)
                burst = Burst(self.now)
                self.tell_change()
            burst.add(data, header, sequence, keyframe)
            for receiver in self.receivers:
                made = receiver.model.rewrite(data, header, sequence, keyframe, self.now)
                if made is not None:
                    receiver.expected.append(made)
        self.forward(burst)
        self.number += len(packets)

    def forward(self, burst: Burst) -> None:
        if burst.packets:
            self.fanout.forward(burst)


arrivals = st.lists(
    st.tuples(
        st.integers(-12, 30),
        st.integers(0, 2**32 - 1),
        st.one_of(st.just(1100), st.integers(0, 60), st.integers(1090, 1110)),
        st.integers(0, 5).map(lambda n: n == 0),
        st.integers(0, len(BLOCKS) - 1),
    ),
    min_size=1,
    max_size=limits.burst_packets_max,
)
in_order = st.tuples(st.integers(1, limits.burst_packets_max), st.integers(0, 1200)).map(
    lambda pair: [(at, 0, pair[1], at == 0, 1) for at in range(pair[0])]
)
events = st.one_of(
    arrivals.map(lambda packets: ("arrive", packets)),
    in_order.map(lambda packets: ("arrive", packets)),
    in_order.map(lambda packets: ("arrive", packets)),
    st.tuples(st.integers(0, len(FORMATS) - 1), st.booleans(), st.integers(0, 2**15 - 1)).map(lambda j: ("join", *j)),
    st.integers(0, 100).map(lambda which: ("leave", which)),
    st.integers(0, 65535).map(lambda number: ("change_source", number)),
    st.integers(2, 60_000).map(lambda ahead: ("jump", ahead)),
    st.integers(2, limits.sequence_jump_max - 40).map(lambda ahead: ("jump", ahead)),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(events, min_size=5, max_size=60))
def test_the_hot_path_sends_what_the_model_makes(history: list[tuple[object, ...]]) -> None:
    comparison = Comparison()
    comparison.join(0, False, 32_767)
    comparison.join(0, True, 0)
    for name, *arguments in history:
        getattr(comparison, str(name))(*arguments)
        for receiver in comparison.receivers:
            receiver.check()


@pytest.mark.parametrize("pipe", [False, True])
def test_indices_stay_unique_over_many_wraps(pipe: bool) -> None:
    comparison = Comparison()
    comparison.join(0, pipe, 32_767)
    comparison.arrive([(0, 0, 100, True, 0)])
    for step in range(120):
        comparison.jump(2900)
        comparison.arrive([(at ^ (step & 3), 0, 50 + step, False, 0) for at in range(8)])
    comparison.receivers[0].check()
    assert len(comparison.receivers[0].used) > 900
    assert max(comparison.receivers[0].highest.values()) > 5 * 65_536


@pytest.mark.parametrize("first", range(65_536 - 9, 65_536 + 2))
def test_a_burst_may_wrap_at_any_of_its_packets(first: int) -> None:
    comparison = Comparison()
    comparison.number = first
    comparison.join(0, True, 0)
    for _ in range(3):
        comparison.arrive([(at, 0, 100, False, 0) for at in range(8)])
    comparison.receivers[0].check()
    assert comparison.receivers[0].track.packets == 24


def test_a_skipping_viewer_does_as_the_model() -> None:
    comparison = Comparison()
    comparison.join(0, False, 100)
    comparison.arrive([(0, 0, 10, True, 0), (1, 0, 10, False, 0)])
    receiver = comparison.receivers[0]
    comparison.fanout.skip(receiver.track)
    receiver.model.skip()
    comparison.arrive([(-2, 0, 10, True, 0), (0, 0, 10, False, 0), (2, 0, 10, True, 0), (1, 0, 10, True, 0)])
    comparison.arrive([(1, 0, 10, False, 0)])
    receiver.check()
    assert receiver.track.packets == 4


@pytest.mark.parametrize("profile", [AES_128_GCM, AES_256_GCM, AES_128_CM_SHA1_80])
def test_a_burst_of_equal_packets_is_one_send_per_consumer(profile: SrtpProfile) -> None:
    port = RecordingPort()
    target = fanout(port)
    transports = [RecordingTransport(port, profile) for _ in range(3)]
    for number, transport in enumerate(transports):
        track, _ = consumer(number + 10)
        track.connect(transport)
        target.add(track)
    target.forward(burst_of(*(packet(1, number, 7, bytes(1000)) for number in range(12))))
    assert port.calls == 3
    for transport in transports:
        assert [data[12:] for data in transport.received()] == [bytes(1000)] * 12


def test_packets_of_nearly_equal_size_are_padded_into_one_send() -> None:
    port, transport = RecordingPort(), None
    transport = RecordingTransport(port)
    target = fanout(port)
    track, _ = consumer(10)
    track.connect(transport)
    target.add(track)
    payloads = [bytes([number]) * size for number, size in enumerate((1000, 1000, 1001, 999, 1001, 400))]
    target.forward(burst_of(*(packet(1, number, 0, payload) for number, payload in enumerate(payloads))))
    assert port.calls == 1
    received = transport.received()
    assert [data[parse_header(data).payload_start : parse_header(data).payload_end] for data in received] == payloads
    assert [len(data) for data in received] == [1013] * 5 + [412]


def test_a_pipe_gets_no_padding() -> None:
    port = RecordingPort()
    transport = RecordingTransport(port)
    target = fanout(port)
    track, _ = consumer(0xC0FFEE, pipe=True)
    track.connect(transport)
    target.add(track)
    packets = [packet(1, 1, 5, bytes(1000), marker=True, block=b"\x10\x01"), packet(1, 2, 5, bytes(1009))]
    target.forward(burst_of(*packets, keyframes=()))
    assert transport.received() == [data[:8] + b"\x00\xc0\xff\xee" + data[12:] for data in packets]
    assert port.calls == 2


def test_packets_that_came_padded_are_passed_on_as_they_are() -> None:
    port = RecordingPort()
    transport = RecordingTransport(port)
    target = fanout(port)
    track, _ = consumer(10)
    track.connect(transport)
    target.add(track)
    padded = packet(1, 1, 0, b"picture\x00\x02")
    padded = bytes((padded[0] | 0x20,)) + padded[1:]
    target.forward(burst_of(padded, packet(1, 2, 0, bytes(10))))
    assert [data[12:] for data in transport.received()] == [b"picture\x00\x02", bytes(10)]


def test_what_the_socket_refuses_is_counted_and_only_that_consumers_loss() -> None:
    port, counters = RecordingPort(), Counters()
    target = fanout(port, counters)
    track, _ = consumer(10)
    transport = RecordingTransport(port)
    track.connect(transport)
    target.add(track)
    port.full = True
    target.forward(burst_of(packet(1, 1), packet(1, 2)))
    port.full = False
    target.forward(burst_of(packet(1, 3), keyframes=()))
    assert [parse_header(data).sequence_number for data in transport.received()] == [102]
    assert (track.unsent, counters.packets_unsent, counters.packets_forwarded) == (2, 2, 3)


def test_a_consumer_without_an_address_gets_nothing_and_stops_nobody() -> None:
    port = RecordingPort()
    target = fanout(port)
    tracks = [consumer(10)[0], consumer(11)[0]]
    transports = [RecordingTransport(port), RecordingTransport(port)]
    for track, transport in zip(tracks, transports, strict=True):
        track.connect(transport)
        target.add(track)
    address, transports[0].sockaddr = transports[0].sockaddr, None
    target.forward(burst_of(packet(1, 1)))
    transports[0].sockaddr = address
    assert (transports[0].received(), len(transports[1].received())) == ([], 1)
    assert tracks[0].unsent == 1


def test_nothing_leaves_unprotected() -> None:
    port, counters = RecordingPort(), Counters()
    target = fanout(port, counters)
    track, _ = consumer(10)
    track.connect(RecordingTransport(port))
    target.add(track)
    target.forward(burst_of(packet(1, 60_000)))
    target.forward(burst_of(packet(1, 61_000 + limits.srtp_repeat_window_packets)))
    target.forward(burst_of(packet(1, 60_500), packet(1, 60_501)))
    assert len(port.sent) == 2
    assert (counters.packets_unprotected, counters.packets_forwarded, track.packets) == (2, 2, 2)


@given(st.lists(st.one_of(st.integers(12, 1500), st.integers(1100, 1110)), min_size=1, max_size=40), st.booleans())
def test_runs_cover_the_burst_and_only_their_last_packet_is_shorter(sizes: list[int], paddable: bool) -> None:
    runs = equal_runs(sizes, paddable)
    assert [at for first, end, _ in runs for at in range(first, end)] == list(range(len(sizes)))
    for first, end, longest in runs:
        assert longest == max(sizes[first:end])
        slack = longest // limits.padding_part_max if paddable else 0
        assert all(longest - size <= slack for size in sizes[first : end - 1])
        assert all(longest - size <= 255 for size in sizes[first : end - 1])


def test_a_short_packet_ends_a_run_and_a_longer_one_begins_another() -> None:
    assert equal_runs([100, 100, 50, 100, 100, 101], paddable=False) == [(0, 3, 100), (3, 5, 100), (5, 6, 101)]
