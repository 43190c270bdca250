"""What one source sent and one wake of the loop received: the unit in which packets are forwarded. Sans-IO."""

from collections.abc import Iterable

from foundation import limits
from media.rtp import RtpHeader


class Burst:
    """Packets of one source which arrived together, in order of arrival, at most `burst_packets_max`.

    `sequences` are the extended ones of `Source.received`; `keyframes` are the places of packets which start one. The
    header extensions of every packet are well-formed.
    """

    __slots__ = ("headers", "keyframes", "now", "packets", "sequences", "timestamps")

    def __init__(self, now: float) -> None:
        self.now = now
        self.packets: list[bytes] = []
        self.headers: list[RtpHeader] = []
        self.sequences: list[int] = []
        self.timestamps: list[int] = []
        self.keyframes: list[int] = []

    def add(self, packet: bytes, header: RtpHeader, sequence: int, starts_keyframe: bool) -> None:
        if starts_keyframe:
            self.keyframes.append(len(self.packets))
        self.packets.append(packet)
        self.headers.append(header)
        self.sequences.append(sequence)
        self.timestamps.append(header.timestamp)

    @property
    def full(self) -> bool:
        return len(self.packets) >= limits.burst_packets_max

    def first(self, start: int, keyframe: bool) -> int | None:
        """The place of the first packet from `start` on, of the first that starts a keyframe if it has to."""
        places: Iterable[int] = self.keyframes if keyframe else range(len(self.packets))
        return next((at for at in places if self.sequences[at] >= start), None)

    def part(self, at: int, start: int | None = None) -> "Burst":
        """The packets from place `at` on which are not older than `start`, or than the packet at that place."""
        oldest = self.sequences[at] if start is None else start
        part = Burst(self.now)
        for place in range(at, len(self.packets)):
            if self.sequences[place] >= oldest:
                part.add(self.packets[place], self.headers[place], self.sequences[place], False)
        return part
