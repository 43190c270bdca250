"""History: the newest packets of one producer track, to be sent again to who lost them or came late. Sans-IO.

Written once per burst, whatever the number of consumers. What a consumer gets is made from them anew.
"""

from collections import deque
from itertools import pairwise, repeat
from typing import NamedTuple

from foundation import limits
from media.burst import Burst
from media.rtp import sequence_distance


class Kept(NamedTuple):
    """One packet, its RTP timestamp, and when it came."""

    packet: bytes
    timestamp: int
    came_at: float


class _Start(NamedTuple):
    sequence: int
    timestamp: int
    came_at: float


class History:
    """Packets by their source's extended sequence number; bounded in bytes, packets and seconds, oldest out first."""

    def __init__(self) -> None:
        self.bytes_ = 0
        self.highest: int | None = None
        self._packets: dict[int, tuple[bytes, int, float]] = {}
        self._bursts: deque[tuple[float, list[int], int]] = deque()
        self._keyframe: _Start | None = None
        self._gone = 0
        """The newest number that left, or that was never here: what is above it and came is still here."""

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, burst: Burst) -> None:
        """Keeps the packets of a burst, whose lists must not change any more."""
        sequences, now = burst.sequences, burst.now
        size = sum(map(len, burst.packets))
        self._packets.update(zip(sequences, zip(burst.packets, burst.timestamps, repeat(now)), strict=False))
        self._bursts.append((now, sequences, size))
        self.bytes_ += size
        newest = max(sequences)
        if self.highest is None:
            self._gone = min(sequences) - 1
        if self.highest is None or newest > self.highest:
            self.highest = newest
        if burst.keyframes:
            self._note_keyframes(burst)
        self._evict(now - limits.history_seconds_max)

    def clear(self) -> None:
        """Another source comes, or this one numbers anew: nobody can be sent what was before."""
        self._packets.clear()
        self._bursts.clear()
        self._keyframe = self.highest = None
        self.bytes_ = 0

    def get(self, sequence: int) -> Kept | None:
        """The packet with this number, if it came and is still kept."""
        found = self._packets.get(sequence)
        return None if found is None else Kept(*found)

    def since(self, number: int) -> tuple[int, list[int]] | None:
        """The extended number nearest to the newest with these 16 bits, and all numbers from it on, ascending.

        None when something from there on may have left, or nothing has come at all. A number that is still to come is
        followed by nothing.
        """
        if self.highest is None:
            return None
        first = self.highest + sequence_distance(number, self.highest & 0xFFFF)
        if first <= self._gone:
            return None
        return first, [kept for kept in range(first, self.highest + 1) if kept in self._packets]

    def group(self, now: float) -> list[int] | None:
        """The numbers of all packets from the start of the last keyframe on, ascending, for a viewer to begin with.

        None when there is no such group, when it is too old or too large, or when it has a hole that nobody fills any
        more: no decoder gets past that.
        """
        start, highest = self._keyframe, self.highest
        if start is None or highest is None or start.sequence not in self._packets:
            return None
        if now - start.came_at > limits.keyframe_group_seconds_max:
            return None
        if highest - start.sequence >= limits.keyframe_group_packets_max:
            return None
        numbers = [number for number in range(start.sequence, highest + 1) if number in self._packets]
        size = sum(len(self._packets[number][0]) for number in numbers)
        if size > limits.keyframe_group_bytes_max or self._has_old_hole(numbers, now):
            return None
        return numbers

    def _has_old_hole(self, numbers: list[int], now: float) -> bool:
        """A hole is as old as the packet behind it."""
        behind = (after for before, after in pairwise(numbers) if after != before + 1)
        return any(now - self._packets[after][2] > limits.keyframe_group_hole_seconds_max for after in behind)

    def _note_keyframes(self, burst: Burst) -> None:
        """A keyframe with several starts (parameter sets) has one timestamp, and begins with the lowest number."""
        for at in burst.keyframes:
            sequence, timestamp = burst.sequences[at], burst.timestamps[at]
            known = self._keyframe
            if known is not None and known.timestamp == timestamp:
                self._keyframe = known._replace(sequence=min(sequence, known.sequence))
            elif known is None or sequence > known.sequence:
                self._keyframe = _Start(sequence, timestamp, burst.now)

    def _evict(self, oldest: float) -> None:
        bursts, packets = self._bursts, self._packets
        while bursts and (
            bursts[0][0] < oldest or self.bytes_ > limits.history_bytes_max or len(packets) > limits.history_packets_max
        ):
            _, sequences, size = bursts.popleft()
            self.bytes_ -= size
            self._gone = max(self._gone, *sequences)
            for sequence in sequences:
                del packets[sequence]
