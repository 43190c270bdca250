"""Retransmissions as a receiver sees them, behind real SRTP; and what a network and a hostile receiver make of them."""

import struct
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import RemoteError
from media.burst import Burst
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.fanout import Fanout
from media.parameters import HeaderExtension, TrackParameters
from media.rtp import parse_header, sequence_distance
from media.source import Source
from media.srtp import Srtp
from tests.unit.media.rtp_samples import LEVEL, VIDEO, VP8, RecordingPort, RecordingTransport, fanout, packet

SSRC, RTX_SSRC, RTX_TYPE = 0x5000, 0x5001, 97
SOURCE = replace(VIDEO, extensions=(LEVEL,))
NACK = replace(
    VIDEO, ssrc=SSRC, extensions=(HeaderExtension(9, LEVEL.uri),), feedback=frozenset({"nack"}), codec=replace(VP8)
)
RTX = replace(NACK, rtx_payload_type=RTX_TYPE, rtx_ssrc=RTX_SSRC)
PLAIN = {"rtx": RTX, "plain": NACK, "pipe": RTX, "plain pipe": NACK}


class World:
    """One fanout, one consumer track of it, and the way between."""

    def __init__(self, form: str, first_number: int = 100) -> None:
        self.port, self.counters = RecordingPort(), Counters()
        self.fanout: Fanout = fanout(self.port, self.counters)
        self.transport = RecordingTransport(self.port)
        self.track = ConsumerTrack(SOURCE, PLAIN[form], "pipe" in form, first_number)
        self.track.connect(self.transport)
        self.fanout.add(self.track)

    def forward(self, *numbers: int, now: float = 0.0, size: int = 20, key: bool = True) -> None:
        burst = Burst(now)
        for number in numbers:
            data = packet(1, number, 3000, struct.pack("!I", number) + bytes(size), block=b"\x10\x07", marker=True)
            burst.add(data, parse_header(data), number, key and number == numbers[0])
        self.fanout.forward(burst)

    def nack(self, *numbers: int, now: float = 1.0) -> list[bytes]:
        """The plain packets that the receiver gets for these; it must not have got them before."""
        self.fanout.retransmit(self.track, numbers, now)
        return self.transport.received()

    def lose(self) -> list[bytes]:
        """What is on its way is lost."""
        assert self.transport.sockaddr is not None
        return self.port.taken(self.transport.sockaddr)


def unwrapped(data: bytes) -> bytes:
    """The packet an RTX packet carries."""
    header = parse_header(data)
    assert (header.ssrc, header.payload_type) == (RTX_SSRC, RTX_TYPE)
    start = header.payload_start
    first = bytes((data[0], data[1] & 0x80 | 96)) + data[start : start + 2] + data[4:8] + SSRC.to_bytes(4, "big")
    return first + data[12:start] + data[start + 2 : header.payload_end]


@pytest.mark.parametrize("form", ["plain", "plain pipe"])
def test_without_rtx_the_very_same_datagrams_go_again(form: str) -> None:
    world = World(form)
    world.forward(500, 501, 502)
    first = world.lose()
    numbers = (500, 502) if "pipe" in form else (100, 102)
    world.fanout.retransmit(world.track, numbers, 1.0)
    assert world.lose() == [first[0], first[2]]
    assert (world.track.packets, world.track.retransmitted, world.counters.packets_retransmitted) == (3, 2, 2)


@pytest.mark.parametrize("form", ["rtx", "pipe"])
def test_with_rtx_the_original_is_inside_under_a_counter_of_its_own(form: str) -> None:
    world, other = World(form), World("plain pipe" if form == "pipe" else "plain")
    for each in (world, other):
        each.forward(500, 501, 502)
    originals = other.transport.received()
    world.lose()
    numbers = (502, 500) if form == "pipe" else (102, 100)
    got = world.nack(*numbers) + world.nack(numbers[0], now=2.0)
    assert [unwrapped(data) for data in got] == [originals[2], originals[0], originals[2]]
    assert [parse_header(data).sequence_number for data in got] == [100, 101, 102]


def test_padding_is_for_receivers_with_rtx_or_without_nack_and_no_rtx_packet_has_it() -> None:
    sizes = {}
    for form in ("rtx", "plain"):
        world = World(form)
        burst = Burst(0.0)
        for number, size in enumerate((1000, 1001, 1001)):
            data = packet(1, number, payload=bytes(size))
            burst.add(data, parse_header(data), number, number == 0)
        world.fanout.forward(burst)
        sizes[form] = [len(data) for data in world.transport.received()]
        if form == "rtx":
            (again,) = world.nack(100)
            assert (again[0] & 0x20, len(again)) == (0, 12 + 2 + 1000)
    assert sizes == {"rtx": [1013] * 3, "plain": [1012, 1013, 1013]}


@pytest.mark.parametrize("form", ["rtx", "pipe"])
def test_what_was_asked_for_before_it_could_arrive_is_under_way(form: str) -> None:
    world = World(form)
    world.forward(500, 502)
    world.track.reception.rtt_seconds = 0.1
    world.forward(501, now=0.5, key=False)
    world.lose()
    number = 501 if form == "pipe" else 101
    assert world.nack(number, now=0.57) == []
    assert world.counters.nacks_too_soon == 1
    assert len(world.nack(number, now=0.6)) == 1


def test_what_was_never_sent_is_not_answered() -> None:
    world = World("rtx")
    world.forward(500, 501, 503)
    world.lose()
    assert world.nack(99, 102, 104, 65_000, 0) == []
    assert world.counters.nacks_unknown == 5
    world.fanout.history.clear()
    assert world.nack(100) == []


def test_packets_of_an_earlier_run_are_not_answered() -> None:
    world = World("rtx")
    world.forward(500, 501)
    world.fanout.skip(world.track)
    world.lose()
    assert world.nack(100, 101) == []
    world.forward(510)
    assert [parse_header(data).sequence_number for data in world.transport.received()] == [102]
    assert world.nack(100, 101) == []


def test_without_rtx_nothing_behind_the_replay_window_goes() -> None:
    world = World("plain")
    behind = limits.plain_retransmission_packets_max
    for number in range(behind + 1):
        world.forward(number, key=number == 0)
    world.lose()
    assert [parse_header(data).sequence_number for data in world.nack(100, 101)] == [101]
    assert world.counters.nacks_too_late == 1


def test_one_packet_goes_again_only_after_a_round_trip() -> None:
    world = World("rtx")
    world.forward(500)
    world.lose()
    assert len(world.nack(100, now=1.0)) == 1
    assert world.nack(100, now=1.01) == []
    assert len(world.nack(100, now=1.03)) == 1
    world.track.reception.rtt_seconds = 0.2
    assert world.nack(100, now=1.18) == []
    assert len(world.nack(100, now=1.3)) == 1
    assert world.counters.nacks_too_soon == 2


def test_a_storm_of_nacks_costs_a_share_of_what_is_sent() -> None:
    world = World("rtx")
    now, sent = 0.0, 0
    for number in range(0, 40_000, 40):
        now += 0.05
        world.forward(*range(number, number + 40), now=now, size=1000, key=number == 0)
        sent += 40 * 1024
        world.lose()
        newest = 100 + number + 39
        world.fanout.retransmit(world.track, tuple((newest - at) & 0xFFFF for at in range(6000)), now)
        world.lose()
    allowed = limits.retransmission_burst_bytes + sent * limits.retransmission_share
    assert 0.5 * allowed < world.counters.bytes_retransmitted <= allowed + 1100
    assert world.counters.nacks_over_budget > 5_000_000


def test_a_storm_of_nacks_for_nothing_ends_too() -> None:
    world = World("rtx")
    world.forward(500)
    world.lose()
    for _ in range(10):
        assert world.nack(*range(1000, 7000)) == []
    assert world.counters.nacks_unknown == limits.retransmission_burst_bytes // limits.nack_bytes


def test_who_did_not_agree_on_nacks_gets_none_answered() -> None:
    world = World("plain")
    world.track.repairs = False
    world.forward(500)
    world.lose()
    assert world.nack(100) == []


def test_a_packet_too_long_for_rtx_stays_lost() -> None:
    world = World("rtx")
    for number, size in enumerate((1484, 1483, 1482)):
        burst = Burst(0.0)
        data = packet(1, number, payload=bytes(size - 12))
        burst.add(data, parse_header(data), number, number == 0)
        world.fanout.forward(burst)
    world.lose()
    assert [len(data) for data in world.nack(100, 101, 102)] == [1484]


@dataclass
class Receiver:
    """The remote end: opens what the network lets through, and checks what it sees against all it saw before."""

    srtp: Srtp
    track: ConsumerTrack
    datagrams: dict[tuple[int, int], bytes] = field(default_factory=dict)
    highest: dict[int, int] = field(default_factory=dict)
    contents: dict[tuple[int, int], tuple[int, bytes]] = field(default_factory=dict)
    opened: set[tuple[int, int]] = field(default_factory=set)

    def index(self, data: bytes) -> tuple[int, int]:
        """Of a datagram, in the order of sending."""
        number, ssrc = struct.unpack_from("!H4xI", data, 2)
        highest = self.highest.get(ssrc, number)
        index = highest + sequence_distance(number, highest & 0xFFFF)
        self.highest[ssrc] = max(highest, index)
        return ssrc, index

    def sent(self, data: bytes) -> None:
        """On the wire, before the network: SRTP is a function of key, index and plaintext."""
        assert self.datagrams.setdefault(self.index(data), data) == data, "two plaintexts under one index"

    def take(self, data: bytes) -> None:
        """Past the network."""
        index = self.index(data)
        try:
            plain = self.srtp.unprotect(data)
        except RemoteError:
            assert index in self.opened, "refused without being a replay"
            return
        assert index not in self.opened
        self.opened.add(index)
        header = parse_header(plain)
        content = plain[header.payload_start : header.payload_end]
        key = index
        if index[0] == self.track.parameters.rtx_ssrc:
            number = int.from_bytes(content[:2], "big")
            content = content[2:]
            main = self.track.ssrc  # a pipe's changes with its source, and nothing of an earlier one is sent again
            key = main, self.highest[main] + sequence_distance(number, self.highest[main] & 0xFFFF)
        assert self.contents.setdefault(key, (header.timestamp, content)) == (header.timestamp, content)


class Histories:
    """A source with a lossy way in, and viewers with a lossy way out, who ask for what they miss and for anything."""

    def __init__(self, rng: Random) -> None:
        self.rng, self.now = rng, 100.0
        self.port, self.counters = RecordingPort(), Counters()
        self.fanout = fanout(self.port, self.counters)
        self.viewers: list[tuple[ConsumerTrack, RecordingTransport, Receiver]] = []
        self.ssrcs = iter(range(10, 1 << 31))
        self.unique = 0
        self.late: list[bytes] = []
        self.begin()

    def begin(self) -> None:
        self.source = Source(1, VP8, self.now)
        self.restarts, self.late = 0, []
        self.number, self.timestamp = self.rng.randrange(1 << 16), self.rng.randrange(1 << 32)

    def change_source(self) -> None:
        self.begin()
        self.fanout.source_changed()

    def join(self) -> None:
        form, pipe, ssrc = self.rng.choice([NACK, RTX]), self.rng.random() < 0.3, next(self.ssrcs)
        rtx_ssrc = None if form.rtx_ssrc is None else ssrc + (1 << 31)
        parameters: TrackParameters = replace(form, ssrc=ssrc, rtx_ssrc=rtx_ssrc)
        track = ConsumerTrack(SOURCE, parameters, pipe, self.rng.randrange(1 << 15))
        transport = RecordingTransport(self.port)
        track.connect(transport)
        track.on_ssrc_used = lambda: setattr(track, "ssrc", next(self.ssrcs))
        wanted = self.rng.choice([None, (self.number - self.rng.randrange(-5, 600)) & 0xFFFF])
        begun = self.fanout.resume(track, wanted, self.now) if pipe else self.fanout.catch_up(track, self.now)
        if not begun:
            self.fanout.add(track)
        self.viewers.append((track, transport, Receiver(transport._remote, track)))

    def arrive(self) -> None:
        burst = Burst(self.now)
        self.timestamp += 3000
        waiting = [data for data in self.late if self.rng.random() < 0.2]
        self.late = [data for data in self.late if data not in waiting]
        for at in range(self.rng.randrange(1, 8)):
            self.number += 1
            self.unique += 1
            payload = struct.pack("!I", self.unique) + bytes(self.rng.choice([1000, 1001, 1003, 20]))
            data = packet(1, self.number, self.timestamp, payload, block=b"\x10\x07")
            fate = self.rng.random()
            (self.late if fate < 0.05 else waiting).append(data) if fate > 0.02 else None
            if at == 0 and self.rng.random() < 0.05:
                self.key = data
        for data in waiting:
            self.receive(data, burst)
        if burst.packets:
            self.fanout.forward(burst)

    key = b""

    def receive(self, data: bytes, burst: Burst) -> None:
        header = parse_header(data)
        sequence = self.source.received(header, len(data), self.now)
        assert self.source.restarts == self.restarts
        if sequence is not None:
            burst.add(data, header, sequence, data is self.key)

    def ask(self, track: ConsumerTrack, receiver: Receiver) -> None:
        newest = receiver.highest.get(track.ssrc)
        if newest is None:
            return
        missing = [n for n in range(newest - 60, newest) if (track.ssrc, n) not in receiver.contents]
        wild = [self.rng.randrange(1 << 16) for _ in range(self.rng.choice([0, 0, 3]))]
        near = [newest + self.rng.randrange(-1500, 20) for _ in range(self.rng.choice([0, 0, 40]))]
        self.fanout.retransmit(track, tuple(n & 0xFFFF for n in missing + wild + near), self.now)

    def step(self) -> None:
        self.now += self.rng.choice([0.002, 0.01, 0.03])
        event = self.rng.random()
        if event < 0.01:
            self.change_source()
        elif event < 0.04 and len(self.viewers) < 8:
            self.join()
        elif event < 0.05 and self.viewers:
            self.fanout.skip(self.viewers[0][0])
        elif event < 0.6:
            self.arrive()
        for track, transport, receiver in self.viewers:
            self.fanout.poll(track, self.now)
            if self.rng.random() < 0.2:
                self.ask(track, receiver)
            assert transport.sockaddr is not None
            datagrams = self.port.taken(transport.sockaddr)
            for data in datagrams:
                receiver.sent(data)
            for data in datagrams:
                if self.rng.random() > 0.1:
                    receiver.take(data)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_over_long_histories_no_index_has_two_plaintexts_and_no_number_two_contents(seed: int) -> None:
    history = Histories(Random(seed))
    history.join()
    for _ in range(500):
        history.step()
    assert history.counters.packets_unprotected == 0
