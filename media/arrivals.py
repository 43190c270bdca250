"""Arrivals: whose first packet a session waits for, and what came before the word about it. Sans-IO.

On a link a stream is announced by a message, which may be overtaken by its packets, or be lost and repeated.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from uuid import UUID

from foundation import limits
from media.overlap import Overlap
from media.parameters import TrackParameters

First = Callable[[], None]


class Arrivals:
    """Of one session."""

    def __init__(self) -> None:
        self.keeps_early = False
        """Whether packets of unknown SSRCs are kept for a moment: on links, whose ends trust each other that far."""
        self._awaited: dict[int | str, tuple[UUID, First]] = {}
        """By SSRC, and by MID: SSRCs may change before the first packet."""
        self._overlaps: dict[UUID, Overlap] = {}
        self._early: deque[tuple[float, int, bytes]] = deque(maxlen=limits.early_packets_max)

    def expect(
        self, producer: UUID, tracks: Iterable[TrackParameters], first: First, overlap: Overlap | None = None
    ) -> None:
        """Calls `first` once, before the first packet of any of these tracks is sorted.

        With an `overlap`, whoever sorts packets passes them to that until the pipe is level, and calls `came` then.
        """
        self._overlaps.pop(producer, None)
        if overlap is not None:
            self._overlaps[producer] = overlap
        for track in tracks:
            self._awaited[track.mid] = producer, first
            if track.ssrc is not None:
                self._awaited[track.ssrc] = producer, first

    def give_up(self, producer: UUID) -> None:
        """Nothing of it is expected any more."""
        self._awaited = {name: item for name, item in self._awaited.items() if item[0] != producer}
        self._overlaps.pop(producer, None)

    def overlap(self, ssrc: int) -> Overlap | None:
        """What a packet of this unbound SSRC is to be passed to, while another link feeds its producer."""
        item = self._awaited.get(ssrc)
        return None if item is None else self._overlaps.get(item[0])

    def came(self, name: int | str) -> None:
        """A packet of an unbound SSRC, or the description of a MID, is here."""
        item = self._awaited.get(name)
        if item is not None:
            producer, first = item
            self.give_up(producer)
            first()

    def keep(self, ssrc: int, packet: bytes, now: float) -> bool:
        """Keeps a packet that belongs to nothing yet; false where none are kept."""
        if self.keeps_early:
            while self._early and self._early[0][0] < now - limits.early_seconds_max:
                self._early.popleft()
            self._early.append((now, ssrc, packet))
        return self.keeps_early

    def early(self, ssrcs: Collection[int | None], now: float) -> list[bytes]:
        """Takes out what was kept of these, in order of arrival."""
        found = [packet for at, ssrc, packet in self._early if ssrc in ssrcs and at >= now - limits.early_seconds_max]
        if found:
            rest = [item for item in self._early if item[1] not in ssrcs]
            self._early.clear()
            self._early.extend(rest)
        return found
