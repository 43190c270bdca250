"""Fanout: all consumers of one producer track, sorted by what the packet path does for them. Sans-IO.

Most run, in groups that get the same bytes but for sequence number, timestamp and SSRC. The others wait: for the first
packet, or for one that starts a keyframe.
"""

from media.consumer import ConsumerTrack, Format
from media.forward import Burst, Forwarder


class Fanout:
    """The consumers of one track whose transports are connected."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._groups: dict[Format, dict[ConsumerTrack, None]] = {}
        self._waiting: dict[ConsumerTrack, None] = {}
        self._resting: dict[ConsumerTrack, None] = {}

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._groups.values()))

    def add(self, track: ConsumerTrack) -> None:
        """Lets a connected track begin with the next packet it can begin with."""
        assert track.format is not None
        assert not track.running
        self._waiting[track] = None

    def remove(self, track: ConsumerTrack) -> None:
        """Sends it nothing more; a track that was never added is no matter."""
        self._waiting.pop(track, None)
        self._leave_group(track)

    def skip(self, track: ConsumerTrack) -> None:
        """Drops what comes until it can begin anew, for a viewer too slow for all of it."""
        if track.running:
            self._leave_group(track)
            track.skip()
            self._waiting[track] = None

    def rest(self, track: ConsumerTrack) -> None:
        """Its `on_flow` is to be called when packets flow again; one that waits will be called anyway."""
        if track.running:
            self._resting[track] = None

    def source_changed(self) -> None:
        """Another source comes next: everyone begins anew."""
        for members in self._groups.values():
            self._waiting.update(members)
        self._groups.clear()
        self._resting.clear()
        for track in self._waiting:
            track.source_changed()

    def forward(self, burst: Burst) -> None:
        """Sends a burst to everyone who can take it."""
        waking, self._resting = self._resting, {}
        beginning = self._begin(burst) if self._waiting else {}
        for form, members in self._groups.items():
            self._forwarder.send(burst, form, members)
        for (at, form), members in beginning.items():
            self._forwarder.send(burst.part(at), form, members)
            self._groups.setdefault(form, {}).update(members)
            waking.update(members)
        for track in waking:
            track.on_flow()

    def _begin(self, burst: Burst) -> dict[tuple[int, Format], dict[ConsumerTrack, None]]:
        """Those for whom the burst has a packet to begin with, by its place in the burst and their format."""
        beginning: dict[tuple[int, Format], dict[ConsumerTrack, None]] = {}
        waiting: dict[ConsumerTrack, None] = {}
        for track in self._waiting:
            at = burst.first(track.start, track.waits_for_keyframe)
            if at is None:
                waiting[track] = None
                continue
            assert track.format is not None
            track.begin(burst.sequences[at], burst.timestamps[at], burst.now)
            beginning.setdefault((at, track.format), {})[track] = None
        self._waiting = waiting
        return beginning

    def _leave_group(self, track: ConsumerTrack) -> None:
        self._resting.pop(track, None)
        if track.format is not None and (members := self._groups.get(track.format)) is not None:
            members.pop(track, None)
            if not members:
                del self._groups[track.format]
