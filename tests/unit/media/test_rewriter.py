import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media.parameters import Codec, HeaderExtension, TrackParameters
from media.rewriter import HOP_EXTENSIONS, Rewriter, extension_ids, remapped_extensions
from media.rtp import elements, parse_header
from media.source import Source

VP8 = Codec("video/VP8", 90000, None, 96)
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


def packet(
    sequence: int,
    timestamp: int = 0,
    payload: bytes = b"frame",
    profile: int | None = None,
    block: bytes = b"",
    marker: bool = False,
) -> bytes:
    first = 0x80 if profile is None else 0x90
    head = struct.pack("!BBHII", first, marker << 7 | 96, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 0xAAAA)
    if profile is not None:
        head += struct.pack("!HH", profile, len(block) // 4) + block
    return head + payload


def rewriter(
    *, first: int = 100, wait: bool = False, pipe: bool = False, ids: dict[int, int] | None = None
) -> Rewriter:
    return Rewriter(0xBBBB, 120, 90000, ids or {}, first_sequence_number=first, wait_for_keyframe=wait, pipe=pipe)


def passed(
    model: Rewriter, sequence: int, timestamp: int = 0, *, key: bool = False, now: float = 0.0
) -> tuple[int, int] | None:
    """The outgoing sequence number and timestamp of one packet."""
    data = packet(sequence, timestamp)
    out = model.rewrite(data, parse_header(data), sequence, key, now)
    return None if out is None else (parse_header(out).sequence_number, parse_header(out).timestamp)


def test_only_the_mapped_fields_change() -> None:
    data = packet(7, 1234, marker=True)
    out = rewriter().rewrite(data, parse_header(data), 7, False, 0.0)
    assert out is not None
    header = parse_header(out)
    assert (header.ssrc, header.payload_type, header.sequence_number) == (0xBBBB, 120, 100)
    assert (header.timestamp, header.marker) == (1234, True)
    assert (len(out), out[12:]) == (len(data), data[12:])


def test_to_a_pipe_only_the_ssrc_changes() -> None:
    data = packet(7, 1234, profile=0xBEDE, block=b"\x10a\x21bc\0\0\0", marker=True)
    out = rewriter(pipe=True).rewrite(data, parse_header(data), 7, False, 0.0)
    assert out == data[:8] + b"\0\0\xbb\xbb" + data[12:]


def test_a_loss_stays_a_gap_and_reordering_stays_reordering() -> None:
    model = rewriter(first=65534)
    assert [passed(model, s) for s in (10, 11, 14, 13)] == [(65534, 0), (65535, 0), (2, 0), (1, 0)]


def test_packets_from_before_the_start_and_duplicates_are_dropped() -> None:
    model = rewriter()
    assert passed(model, 10) == (100, 0)
    assert passed(model, 9) is None
    assert passed(model, 10) is None
    assert passed(model, 600) == (690, 0)
    assert passed(model, 88) is None
    assert model.dropped_late == 3


def test_video_starts_at_a_keyframe() -> None:
    model = rewriter(wait=True)
    assert model.waiting
    assert passed(model, 10) is None
    assert passed(model, 11, key=True) == (100, 0)
    assert not model.waiting
    assert passed(model, 12) == (101, 0)
    assert model.dropped_waiting == 1


def test_a_consumer_that_skips_goes_on_at_a_keyframe_without_a_gap() -> None:
    model = rewriter(wait=True)
    passed(model, 10, 1000, key=True)
    model.skip()
    assert model.waiting
    assert passed(model, 11, 2000) is None
    assert passed(model, 10, 1000, key=True) is None
    assert passed(model, 15, 9000, key=True) == (101, 9000)


def test_timestamps_run_on_over_a_change_of_source_by_the_time_that_passed() -> None:
    model = rewriter(wait=True)
    passed(model, 10, 1000, key=True, now=5.0)
    model.source_changed()
    assert passed(model, 40000, 77, now=5.2) is None
    assert passed(model, 40001, 3077, key=True, now=5.5) == (101, 1000 + 45000)
    assert passed(model, 40002, 3177, now=5.5) == (102, 1000 + 45100)
    assert model.timestamp_offset == (1000 + 45000 - 3077) & 0xFFFFFFFF


def test_a_change_of_source_at_the_same_moment_still_moves_the_timestamp() -> None:
    model = rewriter()
    passed(model, 10, 0xFFFFFFFF, now=5.0)
    model.source_changed()
    assert passed(model, 20, 500, now=5.0) == (101, 0)


def test_a_change_of_source_before_anything_was_sent_keeps_the_sources_timestamps() -> None:
    model = rewriter(wait=True)
    passed(model, 10, 1000)
    model.source_changed()
    assert passed(model, 20, 500, key=True, now=5.0) == (100, 500)


def test_a_pipe_follows_a_new_source_under_a_fresh_ssrc() -> None:
    model = rewriter(pipe=True)
    assert passed(model, 10, 1000) == (10, 1000)
    model.source_changed(0xCCCC)
    data = packet(3, 77)
    out = model.rewrite(data, parse_header(data), 3, False, 9.0)
    assert out == data[:8] + b"\0\0\xcc\xcc" + data[12:]


def test_known_extensions_are_renamed_and_others_zeroed_in_place() -> None:
    data = packet(1, profile=0xBEDE, block=b"\x10m\x21ab\x30L\x00")
    assert remapped_extensions(data, parse_header(data), {2: 14, 3: 1}) == b"\0\0\xe1ab\x10L\0"


def test_the_two_byte_form_is_remapped_too() -> None:
    data = packet(1, profile=0x1001, block=b"\x01\x00\x10\x02ab\x20\x01c\x00\x00\x00")
    assert remapped_extensions(data, parse_header(data), {1: 255, 32: 7}) == b"\xff\0\0\0\0\0\x07\x01c\0\0\0"


def test_an_id_too_large_for_the_one_byte_form_is_zeroed() -> None:
    data = packet(1, profile=0xBEDE, block=b"\x10a\0\0")
    assert remapped_extensions(data, parse_header(data), {1: 15}) == bytes(4)


def test_what_no_receiver_may_read_is_zeroed() -> None:
    data = packet(1, profile=0xBEDE, block=b"\x10a\xf0x\x10b\0\0")
    assert remapped_extensions(data, parse_header(data), {1: 1}) == b"\x10a" + bytes(6)
    data = packet(1, profile=0x4321, block=b"\x10a\x10b")
    assert remapped_extensions(data, parse_header(data), {1: 1}) == bytes(4)


def test_malformed_extensions_are_refused_and_change_nothing() -> None:
    model = rewriter(ids={1: 1})
    data = packet(1, profile=0xBEDE, block=b"\x13ab\0")
    with pytest.raises(RemoteError):
        model.rewrite(data, parse_header(data), 1, True, 0.0)
    assert not model.running
    assert model.packets == 0


def test_extensions_of_one_hop_never_pass_on() -> None:
    def track(*extensions: tuple[int, str]) -> TrackParameters:
        return TrackParameters("video", "0", VP8, extensions=tuple(HeaderExtension(i, uri) for i, uri in extensions))

    hop = [(i, uri) for i, uri in enumerate(sorted(HOP_EXTENSIONS), 20)]
    assert extension_ids(track((1, LEVEL), (2, "a"), *hop), track((9, LEVEL), (8, "b"), *hop)) == {1: 9}
    assert MID in HOP_EXTENSIONS


def block_of(draw: st.DrawFn, one_byte: bool) -> bytes:
    identifiers = st.integers(1, 14 if one_byte else 255)
    values = st.binary(min_size=1 if one_byte else 0, max_size=16 if one_byte else 40)
    block = b""
    for identifier, value in draw(st.lists(st.tuples(identifiers, values), max_size=6)):
        block += bytes(draw(st.integers(0, 3)))
        block += bytes([identifier << 4 | (len(value) - 1)]) if one_byte else bytes([identifier, len(value)])
        block += value
    return block + bytes(-len(block) % 4)


@st.composite
def extended_packets(draw: st.DrawFn) -> bytes:
    one_byte = draw(st.booleans())
    return packet(1, profile=0xBEDE if one_byte else 0x1000, block=block_of(draw, one_byte))


@settings(deadline=None, max_examples=200)
@given(extended_packets(), st.dictionaries(st.integers(1, 20), st.integers(1, 20)))
def test_a_remapped_block_holds_exactly_the_mapped_elements_in_their_places(data: bytes, ids: dict[int, int]) -> None:
    out = rewriter(ids=ids).rewrite(data, parse_header(data), 1, False, 0.0)
    assert out is not None
    header = parse_header(data)
    one_byte = header.extensions_one_byte
    kept = [
        (ids[i], at, length) for i, at, length in elements(data, header) if i in ids and not (one_byte and ids[i] > 14)
    ]
    assert elements(out, parse_header(out)) == kept
    assert len(out) == len(data)
    assert all(out[at : at + length] == data[at : at + length] for _, at, length in kept)
    left = sum(length + (1 if one_byte else 2) for _, _, length in kept)
    block = out[header.extensions_start : header.extensions_end]
    assert sum(byte != 0 for byte in block) <= left


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40).map(lambda block: block + bytes(-len(block) % 4)), st.sampled_from([0xBEDE, 0x1000, 1]))
def test_a_random_block_keeps_its_length_and_gains_no_element_or_is_refused(block: bytes, profile: int) -> None:
    data = packet(1, profile=profile, block=block)
    try:
        out = rewriter(ids={1: 2, 3: 1}).rewrite(data, parse_header(data), 1, False, 0.0)
    except RemoteError:
        return
    assert out is not None
    assert len(out) == len(data)
    assert {i for i, _, _ in elements(out, parse_header(out))} <= {1, 2}


class Publisher:
    """A source with a network in front of it: random start, loss, repeats, reordering, and now and then a new life."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = 1000.0
        self.unique = 0
        self.waiting: list[tuple[int, int, bytes]] = []
        self.begin()

    def begin(self) -> None:
        self.sequence, self.timestamp = self.rng.randrange(1 << 16), self.rng.randrange(1 << 32)
        self.source = Source(1, VP8, self.now)
        self.waiting = []

    def jump(self) -> None:
        self.sequence += self.rng.randrange(3500, 60000)

    def step(self) -> list[bytes]:
        self.now += 0.01
        self.sequence += 1
        self.unique += 1
        self.timestamp += self.rng.choice([0, 900])
        fate = self.rng.random()
        data = packet(self.sequence, self.timestamp, struct.pack("!I", self.unique))
        arrived = [data] if fate > 0.1 else []
        if fate < 0.08:
            self.waiting.append((self.sequence + self.rng.randrange(1, 700), self.sequence, data))
        if 0.1 < fate < 0.15:
            self.waiting.append((self.sequence + self.rng.randrange(1, 300), self.sequence, data))
        arrived += [data for due, _, data in self.waiting if due <= self.sequence]
        self.waiting = [item for item in self.waiting if item[0] > self.sequence]
        return arrived


class Viewer:
    """What leaves for one consumer, judged by a receiver of its own and by what the packets carry."""

    def __init__(self, model: Rewriter) -> None:
        self.model = model
        self.receiver = Source(2, VP8, 0.0)
        self.numbers: dict[tuple[int, int], int] = {}
        self.run: tuple[int, int, int] | None = None

    def take(self, data: bytes, sequence: int, life: int, key: bool, now: float) -> None:
        header = parse_header(data)
        was_running, newest = self.model.running, self.receiver.highest_sequence
        out = self.model.rewrite(data, header, sequence, key, now)
        if out is None:
            return
        assert was_running or key or not self.model.wait_for_keyframe
        got = parse_header(out)
        number = self.receiver.received(got, len(out), now)
        assert number is not None, "a number was used twice, or jumped"
        (unique,) = struct.unpack("!I", out[12:])
        assert self.numbers.setdefault((got.ssrc, number), unique) == unique
        if not was_running:
            assert newest is None or number == newest + 1
            self.run = number - sequence, (got.timestamp - header.timestamp) & 0xFFFFFFFF, life
        assert self.run == (number - sequence, (got.timestamp - header.timestamp) & 0xFFFFFFFF, life)
        assert self.model.timestamp_offset == (got.timestamp - header.timestamp) & 0xFFFFFFFF
        assert number & 0xFFFF == (sequence + self.model.sequence_offset) & 0xFFFF


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.booleans(), st.integers(0, 32767))
def test_over_long_histories_every_packet_has_its_own_number_and_runs_join_without_a_seam(
    seed: int, wait: bool, first: int
) -> None:
    rng = Random(seed)
    publisher = Publisher(rng)
    viewer = Viewer(rewriter(first=first, wait=wait))
    life = 0
    for _ in range(2000):
        restarts = publisher.source.restarts
        event = rng.random()
        if event < 0.002:
            publisher.begin()
            viewer.model.source_changed()
            life += 1
        elif event < 0.004:
            viewer.model.skip()
        elif event < 0.005:
            publisher.jump()
        for data in publisher.step():
            sequence = publisher.source.received(parse_header(data), len(data), publisher.now)
            if publisher.source.restarts != restarts:
                restarts = publisher.source.restarts
                viewer.model.source_changed()
                life += 1
            if sequence is not None:
                viewer.take(data, sequence, life, rng.random() < 0.05, publisher.now)
    assert viewer.receiver.restarts == viewer.receiver.duplicates == viewer.receiver.refused == 0
    assert viewer.model.packets == viewer.receiver.packets
    assert viewer.receiver.packets > 500


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_over_long_histories_a_pipe_is_the_source_itself(seed: int) -> None:
    rng = Random(seed)
    publisher = Publisher(rng)
    model = rewriter(pipe=True)
    relay = Source(1, VP8, 0.0)
    for _ in range(2000):
        for data in publisher.step():
            sequence = publisher.source.received(parse_header(data), len(data), publisher.now)
            if sequence is None:
                continue
            out = model.rewrite(data, parse_header(data), sequence, False, publisher.now)
            if out is None:
                assert model.start is not None
                assert sequence < model.start
                continue
            assert out[:8] + out[12:] == data[:8] + data[12:]
            assert relay.received(parse_header(out), len(out), publisher.now) == sequence
