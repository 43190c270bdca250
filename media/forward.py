"""The hot path: one burst of packets in, one burst to each consumer out. It costs what the node costs.

Per packet and consumer there are four things to pay: a copy, the header, SRTP and the way through the kernel. A system
call costs as much as encrypting eight packets, and a line of Python a tenth of one, so:

- A burst goes through as a whole. What is the same for all consumers with the same `Format` (payload type, extension
  elements, lengths, places) is worked out once per burst, as an `_Image`: the burst as it will lie in the send buffer,
  with a gap for each SRTP tag, so that the protected packets are back to back.
- Per consumer the image is copied with one slice assignment. Sequence number, timestamp and SSRC of all packets are
  written, and then all packets protected, by `map` over lists made beforehand: the loops run inside the interpreter's
  C code, without a line of bytecode or an allocation per packet (`any` runs a map to its end: both functions answer a
  false value when all is well). For up to three packets a plain loop is faster.
- Neighbours of equal size leave with one `sendmsg` (`UDP_SEGMENT`). libwebrtc splits a frame into packets that differ
  by a byte, so RTP padding makes them equal where that is allowed (`Format.paddable`).

Measured by `benchmarks/forward_loop.py`, 200 consumers, packets of 1200 bytes, AES-128-GCM, loopback: bursts of
1 / 2 / 4 / 8 / 12 / 16 packets cost 5.6 / 4.2 / 2.7 / 2.0 / 1.7 / 1.6 µs per packet and consumer. In a burst of 12, all
but the send is half of it. A node that wakes for 30 bursts a second finds its caches cold and pays up to twice as much.

What it does to each packet is what `media.rewriter` does, padding apart; a test holds them against each other.
"""

import struct
from collections.abc import Collection, Iterable, Sequence
from itertools import repeat
from typing import Any, Protocol

from pylibsrtp._binding import ffi, lib

from foundation import limits
from media.burst import Burst
from media.consumer_track import ConsumerTrack, Format
from media.counters import Counters
from media.rewriter import remapped_extensions
from media.rtp import RtpHeader
from media.srtp import SendBuffer

_write_header = struct.Struct("!HII").pack_into
"""Sequence number, timestamp, SSRC: bytes 2 to 11 of the packet."""

_padding_flag = 0x20

_few_max = 3
"""Up to so many packets the maps take longer to set up (0.7 µs) than a plain loop over them."""


class SegmentPort(Protocol):
    """What of `UdpPort` sends packets that lie back to back."""

    def send_segments(self, data: memoryview, segment_bytes: int, sockaddr: tuple[Any, ...]) -> bool: ...


class Forwarder:
    """Sends bursts to consumers by way of the one send buffer of a node."""

    def __init__(self, port: SegmentPort, buffer: SendBuffer, counters: Counters) -> None:
        self.counters = counters
        self.too_slow: list[ConsumerTrack] = []
        """Those whose packets were refused too often, until somebody empties it."""
        self._port = port
        self._buffer = buffer
        self._lengths: Any = ffi.new("int[]", limits.burst_packets_max)
        self._lengths_view = memoryview(ffi.buffer(self._lengths)).cast("B")
        self._cells = [self._lengths + place for place in range(limits.burst_packets_max)]

    def send(self, burst: Burst, form: Format, members: Collection[ConsumerTrack]) -> None:
        """Sends the burst to consumers that run and have this format; each gets nothing from before its `start`."""
        image = _Image(burst, form, self._buffer)
        plain, size, lengths, lengths_size = image.plain, len(image.plain), image.lengths, len(image.lengths)
        positions, places, cells, pieces = image.positions, image.places, self._cells, image.pieces
        sequences, timestamps, oldest, newest = burst.sequences, burst.timestamps, image.oldest, image.newest
        count, rtp_bytes, consecutive_max = image.count, image.rtp_bytes, image.consecutive_max
        few = list(zip(positions, sequences, timestamps, places, cells, strict=False)) if count <= _few_max else ()
        view, lengths_view, views = self._buffer.view, self._lengths_view, repeat(self._buffer.view)
        protect, send_segments = lib.srtp_protect, self._port.send_segments
        sent = unsent = 0
        for track in members:
            if oldest < track.start:
                self._send_part(burst, form, track)
                continue
            view[:size] = plain
            lengths_view[:lengths_size] = lengths
            offset, shift = track.sequence_offset, track.timestamp_offset
            if few:
                refused = 0
                context, ssrc = track.srtp_context, track.ssrc
                for position, sequence, timestamp, place, cell in few:
                    number, time = (sequence + offset) & 0xFFFF, (timestamp + shift) & 0xFFFFFFFF
                    _write_header(view, position, number, time, ssrc)
                    refused |= protect(context, place, cell)
            else:
                number = (oldest + offset) & 0xFFFF
                numbers: Iterable[int] = range(number, number + count)
                if number > consecutive_max:
                    numbers = [(sequence + offset) & 0xFFFF for sequence in sequences]
                times = [(timestamp + shift) & 0xFFFFFFFF for timestamp in timestamps] if shift else timestamps
                any(map(_write_header, views, positions, numbers, times, repeat(track.ssrc)))
                refused = any(map(protect, repeat(track.srtp_context), places, cells))
            if newest > track.newest:
                track.newest = newest
            if refused:
                self.counters.packets_unprotected += count  # what is in the buffer may still be plain: never send it
                continue
            track.packets += count
            track.bytes_ += rtp_bytes
            sent += 1
            sockaddr = track.destination.sockaddr
            for piece, segment_bytes, packets in pieces:
                if sockaddr is None or not send_segments(piece, segment_bytes, sockaddr):
                    unsent += packets
                    self._refused(track, packets, count)
        self.counters.packets_forwarded += sent * count
        self.counters.bytes_forwarded += sent * rtp_bytes
        self.counters.packets_unsent += unsent

    def repeat(self, packets: Sequence[bytes], track: ConsumerTrack) -> None:
        """Sends packets again that are ready but for SRTP, under the numbers they have."""
        view, cell, sockaddr = self._buffer.view, self._cells[0], track.destination.sockaddr
        for packet in packets:
            view[: len(packet)] = packet
            self._lengths[0] = len(packet)
            if lib.srtp_protect(track.srtp_context, self._buffer.cdata, cell):
                self.counters.packets_unprotected += 1
                continue
            size = self._lengths[0]
            if sockaddr is None or not self._port.send_segments(view[:size], size, sockaddr):
                self.counters.packets_unsent += 1
                continue
            track.retransmitted += 1
            self.counters.packets_retransmitted += 1
            self.counters.bytes_retransmitted += len(packet)

    def _refused(self, track: ConsumerTrack, packets: int, count: int) -> None:
        track.unsent += packets
        if track.refused(count):
            self.too_slow.append(track)

    def _send_part(self, burst: Burst, form: Format, track: ConsumerTrack) -> None:
        part = burst.part(0, track.start)
        if part.packets:
            self.send(part, form, (track,))


class _Image:
    """A burst as it will lie in the send buffer for every consumer of one format, and where its parts are."""

    __slots__ = (
        "consecutive_max",
        "count",
        "lengths",
        "newest",
        "oldest",
        "pieces",
        "places",
        "plain",
        "positions",
        "rtp_bytes",
    )

    def __init__(self, burst: Burst, form: Format, buffer: SendBuffer) -> None:
        sizes = [len(packet) for packet in burst.packets]
        self.count = len(sizes)
        self.rtp_bytes = sum(sizes)
        self._number(burst)
        self.positions: list[int] = []
        """Where each packet's sequence number is."""
        self.places: list[Any] = []
        """Where each packet is, as libsrtp takes it."""
        self.pieces: list[tuple[memoryview, int, int]] = []
        """What goes out in one call each: the bytes, the length of a segment, the number of packets."""
        lengths: list[int] = []
        ids = dict(form.extension_ids)
        plain = bytearray()
        for first, end, size_max in equal_runs(sizes, paddable=form.paddable and not _padded(burst)):
            begin = len(plain)
            for at in range(first, end):
                packet = bytearray(burst.packets[at])
                if not form.pipe:
                    _make_viewers(packet, burst.packets[at], burst.headers[at], form.payload_type, ids)
                if at + 1 < end:
                    _pad(packet, size_max)
                self.positions.append(len(plain) + 2)
                self.places.append(buffer.cdata + len(plain))
                lengths.append(len(packet))
                plain += packet
                plain += bytes(form.tag_bytes)
            self.pieces.append((buffer.view[begin : len(plain)], size_max + form.tag_bytes, end - first))
        self.plain = bytes(plain)
        self.lengths = struct.pack(f"={len(lengths)}i", *lengths)

    def _number(self, burst: Burst) -> None:
        sequences = burst.sequences
        self.oldest = min(sequences)
        highest = max(sequences)
        self.newest = highest, burst.timestamps[sequences.index(highest)], burst.now
        consecutive = sequences == list(range(self.oldest, self.oldest + self.count))
        self.consecutive_max = 0x10000 - self.count if consecutive else -1
        """The highest number of the first packet with which all are just counted up, without wrapping."""


def equal_runs(sizes: Sequence[int], paddable: bool) -> list[tuple[int, int, int]]:
    """Cuts a burst into runs for one segmented send each: (first, end, bytes of the longest packet).

    In a run all packets are of equal size, or become so by padding up to `1 / padding_part_max` more; the last may be
    shorter.
    """
    runs = []
    first, count = 0, len(sizes)
    while first < count:
        low = high = sizes[first]
        end = first + 1
        while end < count:
            size = sizes[end]
            slack = max(high, size) // limits.padding_part_max if paddable else 0
            if max(high, size) - min(low, size) > slack:
                end += size < low
                break
            low, high, end = min(low, size), max(high, size), end + 1
        runs.append((first, end, high))
        first = end
    return runs


def _make_viewers(
    packet: bytearray, original: bytes, header: RtpHeader, payload_type: int, ids: dict[int, int]
) -> None:
    packet[1] = header.marker << 7 | payload_type
    if header.extensions_end > header.extensions_start:
        packet[header.extensions_start : header.extensions_end] = remapped_extensions(original, header, ids)


def _pad(packet: bytearray, size: int) -> None:
    """RTP padding (RFC 3550 section 5.1): the last byte says how many there are."""
    if missing := size - len(packet):
        packet[0] |= _padding_flag
        packet += bytes(missing - 1)
        packet.append(missing)


def _padded(burst: Burst) -> bool:
    return any(packet[0] & _padding_flag for packet in burst.packets)
