"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), receiver's side.

Sans-IO: `received` for every packet that carries a transport-wide sequence number, `timeout` and `poll` for the
datagrams to send. The publisher's estimator does the rest.

How often: when 10 packets are unreported and 50 ms have passed, else 250 ms after the first unreported one. libwebrtc
lets its own receivers spend 5% of the bitrate on feedback, between 50 and 250 ms, and its estimator expects that;
counting packets comes to the same share without measuring a bitrate: 50 ms from 200 packets/s up, 200 ms for audio
alone. Chromium 156 on loopback, started at 2.5 Mbit/s, three tries each: after 1 s it estimated 5.8-6.3 Mbit/s with
this rule, 4.2-6.4 with a report every 100 ms (as mediasoup does), 2.5-5.8 every 20 ms with four times the reports.
"""

import struct
from collections.abc import Iterable
from itertools import takewhile

from aiortc.rtp import RTCP_RTPFB, pack_rtcp_packet

from foundation import limits
from media.rtp import sequence_distance

TRANSPORT_WIDE_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

_gap_seconds_min = 0.05
_gap_seconds_max = 0.25
_packets_enough = 10

_history_seconds = 0.5
"""How long an arrival is remembered, to be reported again around a late one: as long as libwebrtc does."""

_packets_per_report_max = 150
"""With two chunk words and a large delta for each, a report still fits a datagram of 1200 bytes."""

_fmt = 15
_ticks_per_second = 4000
_ticks_per_reference = 256
_run_max = 0x1FFF
_vector_bits = 14
_LOST, _SMALL, _LARGE = 0, 1, 2

_Arrival = tuple[int, int]
"""Extended transport-wide sequence number, arrival in ticks of 250 µs."""


class FeedbackCollector:
    """The arrivals on one transport, and the reports about them."""

    def __init__(self) -> None:
        self.reports = 0
        self.restarts = 0
        """How often the numbers jumped so far that the arrivals before were given up."""
        self._arrivals: dict[int, int] = {}
        self._highest: int | None = None
        self._window_start = 0
        self._oldest_known = 0
        self._unreported = 0
        self._first_unreported_at = 0.0
        self._reported_at = float("-inf")
        self._media_ssrc = 0

    def received(self, sequence_number: int, media_ssrc: int, now: float) -> None:
        """Notes the arrival of a packet of `media_ssrc` with a 16-bit transport-wide number; the first one counts."""
        sequence = self._extend(sequence_number)
        if sequence < self._oldest_known or sequence in self._arrivals:
            return
        self._window_start = min(self._window_start, sequence)
        self._arrivals[sequence] = int(now * _ticks_per_second)
        self._media_ssrc = media_ssrc
        if self._unreported == 0:
            self._first_unreported_at = now
        self._unreported += 1

    def timeout(self) -> float | None:
        """The time from which `poll` has something to send; None when every arrival is reported."""
        if self._unreported == 0:
            return None
        if self._unreported >= _packets_enough:
            return max(self._reported_at + _gap_seconds_min, self._first_unreported_at)
        return self._first_unreported_at + _gap_seconds_max

    def poll(self, sender_ssrc: int, now: float) -> list[bytes]:
        """The RTCP packets that are due, each below 1200 bytes; they cover all that is not reported yet."""
        due = self.timeout()
        if due is None or now < due or self._highest is None:
            return []
        window = sorted(item for item in self._arrivals.items() if item[0] >= self._window_start)
        packets = []
        start, base = 0, self._window_start
        while start < len(window):
            end = _report_end(window, start, base)
            packets.append(self._report(sender_ssrc, base, window[start:end]))
            start, base = end, window[end - 1][0] + 1
        self._window_start = base
        self._unreported = 0
        self._reported_at = now
        self._forget(int((now - _history_seconds) * _ticks_per_second))
        return packets

    def _extend(self, number: int) -> int:
        if self._highest is None:
            return self._begin(number)
        sequence = self._highest + sequence_distance(number, self._highest & 0xFFFF)
        if (
            abs(sequence - self._highest) > limits.transport_sequence_jump_max
            or len(self._arrivals) >= limits.transport_arrivals_max
        ):
            self.restarts += 1
            return self._begin(number)
        self._highest = max(self._highest, sequence)
        return sequence

    def _begin(self, number: int) -> int:
        self._arrivals.clear()
        self._unreported = 0
        self._highest = self._window_start = self._oldest_known = number
        return number

    def _forget(self, before: int) -> None:
        """Drops old arrivals in the order they came; what lies before a dropped number is not taken any more."""
        for sequence, _ in list(takewhile(lambda item: item[1] < before, self._arrivals.items())):
            del self._arrivals[sequence]
            self._oldest_known = max(self._oldest_known, sequence + 1)

    def _report(self, sender_ssrc: int, base: int, arrivals: list[_Arrival]) -> bytes:
        reference = arrivals[0][1] // _ticks_per_reference
        symbols, deltas = _symbols_and_deltas(base, reference * _ticks_per_reference, arrivals)
        count = arrivals[-1][0] - base + 1
        head = struct.pack("!IIHH", sender_ssrc, self._media_ssrc, base & 0xFFFF, count)
        head += struct.pack("!I", (reference & 0xFFFFFF) << 8 | self.reports & 0xFF)
        self.reports += 1
        body = head + _chunks(symbols) + deltas
        padding = -len(body) % 4
        if padding == 0:
            return pack_rtcp_packet(RTCP_RTPFB, _fmt, body)
        packet = bytearray(pack_rtcp_packet(RTCP_RTPFB, _fmt, body + bytes(padding - 1) + bytes([padding])))
        packet[0] |= 0x20
        return bytes(packet)


def _report_end(window: list[_Arrival], start: int, base: int) -> int:
    """How far one report reaches: as many arrivals as fit, with all deltas and the status count in 16 bits."""
    end = start + 1
    while end < min(len(window), start + _packets_per_report_max):
        sequence, ticks = window[end]
        if not -0x8000 <= ticks - window[end - 1][1] <= 0x7FFF or sequence - base >= 0xFFFF:
            break
        end += 1
    return end


def _symbols_and_deltas(base: int, reference_ticks: int, arrivals: list[_Arrival]) -> tuple[list[list[int]], bytes]:
    """The packet statuses from `base` on, as runs `[symbol, count]`, and the receive deltas of those that came."""
    runs: list[list[int]] = []
    deltas = bytearray()
    expected, previous = base, reference_ticks
    for sequence, ticks in arrivals:
        if sequence > expected:
            _append(runs, _LOST, sequence - expected)
        delta = ticks - previous
        if 0 <= delta <= 0xFF:
            _append(runs, _SMALL, 1)
            deltas.append(delta)
        else:
            _append(runs, _LARGE, 1)
            deltas += delta.to_bytes(2, "big", signed=True)
        expected, previous = sequence + 1, ticks
    return runs, bytes(deltas)


def _append(runs: list[list[int]], symbol: int, count: int) -> None:
    if runs and runs[-1][0] == symbol:
        runs[-1][1] += count
    else:
        runs.append([symbol, count])


def _chunks(runs: list[list[int]]) -> bytes:
    """Packet chunks (section 3.1.1-3.1.4) for the runs, always the one that covers the most statuses."""
    chunks = bytearray()
    at = 0
    while at < len(runs):
        symbol, count = runs[at]
        ahead = _next_symbols(runs, at)
        bits = 2 if _LARGE in ahead else 1
        ahead = ahead[: _vector_bits // bits]
        if count >= len(ahead):
            covered = min(count, _run_max)
            chunk = symbol << 13 | covered
        else:
            covered = len(ahead)
            chunk = _vector(ahead, bits)
        chunks += chunk.to_bytes(2, "big")
        at = _consume(runs, at, covered)
    return bytes(chunks)


def _vector(symbols: list[int], bits: int) -> int:
    """A status vector chunk; only the last of a report is not full, and the status count tells where it ends."""
    chunk = 0x8000 | (bits - 1) << 14
    for i, symbol in enumerate(symbols):
        chunk |= symbol << 14 - bits * (i + 1)
    return chunk


def _next_symbols(runs: list[list[int]], at: int) -> list[int]:
    symbols: list[int] = []
    while at < len(runs) and len(symbols) < _vector_bits:
        symbol, count = runs[at]
        symbols += [symbol] * min(count, _vector_bits - len(symbols))
        at += 1
    return symbols


def _consume(runs: list[list[int]], at: int, covered: int) -> int:
    """Takes `covered` statuses off; the index of the first run that is left."""
    while covered > 0:
        taken = min(covered, runs[at][1])
        runs[at][1] -= taken
        covered -= taken
        if runs[at][1] == 0:
            at += 1
    return at


def transport_sequence_number(packet: bytes, elements: Iterable[tuple[int, int, int]], identifier: int) -> int | None:
    """The transport-wide number of an RTP packet, from its extension elements and the agreed id; None without one."""
    for found, position, length in elements:
        if found == identifier and length >= 2:
            return packet[position] << 8 | packet[position + 1]
    return None
