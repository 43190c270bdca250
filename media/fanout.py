"""Fanout: all consumers of one producer track, sorted by what the packet path does for them. Sans-IO.

Most run, in groups that get the same bytes but for sequence number, timestamp and SSRC. The others wait: for the first
packet, or for one that starts a keyframe. Or they are catching up: they are sent what is in the history.
"""

from collections.abc import Callable
from functools import partial

from foundation import limits
from media.burst import Burst
from media.catch_up import CatchUp
from media.consumer_track import ConsumerTrack, Format
from media.forward import Forwarder
from media.history import History, Kept
from media.retransmission import Retransmitter
from media.rtp import parse_header, sequence_distance


class Fanout:
    """The consumers of one track whose transports are connected."""

    def __init__(self, forwarder: Forwarder, keyframe_wanted: Callable[[], None] = lambda: None) -> None:
        """`keyframe_wanted` asks the source for a keyframe."""
        self.history = History()
        self._forwarder = forwarder
        self._keyframe_wanted = keyframe_wanted
        self._groups: dict[Format, dict[ConsumerTrack, None]] = {}
        self._waiting: dict[ConsumerTrack, None] = {}
        self._resting: dict[ConsumerTrack, None] = {}
        self._catching_up: dict[ConsumerTrack, CatchUp] = {}
        self._retransmitters: dict[ConsumerTrack, Retransmitter] = {}
        self._backlog: tuple[int, float] | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._catching_up) + sum(map(len, self._groups.values()))

    def add(self, track: ConsumerTrack) -> None:
        """Lets a connected track begin with the next packet it can begin with."""
        assert track.format is not None
        assert not track.running
        self._waiting[track] = None

    def remove(self, track: ConsumerTrack) -> None:
        """Sends it nothing more; a track that was never added is no matter."""
        self._waiting.pop(track, None)
        self._retransmitters.pop(track, None)
        self._leave(track)

    def catch_up(self, track: ConsumerTrack, now: float) -> bool:
        """Lets a connected track begin with the keyframe in the history, if that is young and small enough.

        The first packets are sent at once; `poll` sends the others when `timeout` says.
        """
        assert not track.running
        group = self.history.group(now) if self._backlog is None else None
        if group is None:
            return False
        catching = self._catching_up[track] = CatchUp(self.history, group, now, clock_rate=track.clock_rate)
        first = self.history.get(group[0])
        assert first is not None
        track.begin(group[0], catching.squeeze.timestamp(group[0], first.timestamp), now)
        track.squeeze = catching.squeeze
        self._forwarder.counters.catch_ups += 1
        self.poll(track, now)
        track.on_flow()
        return True

    def resume(self, track: ConsumerTrack, number: int | None, now: float) -> bool:
        """Lets a connected pipe begin at the packet with this 16-bit number, or else with the keyframe in the history.

        False when the history has neither. Nothing is sent at once: who takes the pipe has to hear of it before.
        """
        assert track.pipe
        assert not track.running
        found = None if number is None else self.history.since(number)
        if found is None and (group := self.history.group(now)) is not None:
            found = group[0], group
        if found is None:
            return False
        track.resumes_at, numbers = found
        numbers = self._run_up(numbers)
        first = self.history.get(numbers[0]) if numbers else None
        if first is None:
            track.start = track.resumes_at
            self._waiting[track] = None
            return True
        track.begin(numbers[0], first.timestamp, now)
        begins, seconds = now + limits.pipe_lead_seconds, limits.pipe_resume_seconds
        self._catching_up[track] = CatchUp(self.history, numbers, begins, clock_rate=track.clock_rate, seconds=seconds)
        self._forwarder.counters.pipes_resumed += 1
        track.on_flow()
        return True

    def _run_up(self, numbers: list[int]) -> list[int]:
        """A few more before the first one, if it is just before a roll-over of the numbers.

        Were all that precedes it lost, the receiver's SRTP would never know of the roll-over, and open nothing.
        """
        if not numbers or not 0 < -numbers[0] & 0xFFFF <= limits.pipe_run_up_packets:
            return numbers
        before = range(numbers[0] - limits.pipe_run_up_packets, numbers[0])
        return [number for number in before if self.history.get(number) is not None] + numbers

    def expect_backlog(self, end: int | None, now: float) -> None:
        """What comes up to the packet with this 16-bit number is older than live, None for nothing.

        Viewers that wait for a keyframe begin behind it, with a group whose timestamps are squeezed.
        """
        self._backlog = None if end is None else (end, now + limits.backlog_seconds_max)

    def backlog_end_of(self, track: ConsumerTrack) -> int | None:
        """Up to which 16-bit number what a pipe is sent is older than live; None when it begins with live packets."""
        if self._backlog is not None:
            return self._backlog[0]
        highest = self.history.highest
        return None if highest is None or track not in self._catching_up else highest & 0xFFFF

    def poll(self, track: ConsumerTrack, now: float) -> None:
        """Sends a track that is catching up what is due; one that cannot is to begin with a fresh keyframe."""
        catching = self._catching_up.get(track)
        if catching is None:
            return
        if catching.expired(now) and not track.pipe:
            self._forwarder.counters.catch_ups_abandoned += 1
            self._fall_behind(track, now)
            return
        catching.poll(now, partial(self._send_kept, track, now))
        self._drop_too_slow(now)
        if catching.done and track in self._catching_up:
            del self._catching_up[track]
            if not track.pipe:
                track.start = catching.squeeze.end  # a late packet of the group would pass with another timestamp
            assert track.format is not None
            self._groups.setdefault(track.format, {})[track] = None

    def timeout(self, track: ConsumerTrack) -> float | None:
        """When to `poll` a track; None when it is not catching up."""
        catching = self._catching_up.get(track)
        return None if catching is None else catching.timeout()

    def retransmit(self, track: ConsumerTrack, lost: tuple[int, ...], now: float) -> None:
        """Answers a NACK of a track's receiver for these outgoing sequence numbers."""
        if not track.running or not track.repairs:
            return
        retransmitter = self._retransmitters.get(track)
        if retransmitter is None:
            retransmitter = self._retransmitters[track] = Retransmitter(track)
        packets = retransmitter.answer(lost, self.history, now, self._forwarder.counters)
        self._forwarder.repeat(packets, track)

    def skip(self, track: ConsumerTrack) -> None:
        """Drops what comes until it can begin anew, for a viewer too slow for all of it."""
        if track.running:
            self._leave(track)
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
        self._waiting.update(dict.fromkeys(self._catching_up))
        self._groups.clear()
        self._resting.clear()
        self._catching_up.clear()
        self.history.clear()
        for track in self._waiting:
            track.source_changed()

    def forward(self, burst: Burst) -> None:
        """Sends a burst to everyone who can take it, and keeps it."""
        self.history.add(burst)
        for catching in self._catching_up.values():
            catching.read_on(burst.sequences)
        waking, self._resting = self._resting, {}
        beginning = self._begin(burst) if self._waiting else {}
        for form, members in self._groups.items():
            self._forwarder.send(burst, form, members)
        for (at, form), members in beginning.items():
            self._forwarder.send(burst.part(at), form, members)
            self._groups.setdefault(form, {}).update(members)
            waking.update(members)
        self._drop_too_slow(burst.now)
        for track in waking:
            track.on_flow()
        if self._backlog is not None:
            self._end_backlog(burst)

    def _end_backlog(self, burst: Burst) -> None:
        """Once it is here, or does not come, those who waited for it begin."""
        assert self._backlog is not None
        end, until = self._backlog
        if burst.now < until and all(sequence_distance(number, end) < 0 for number in burst.sequences):
            return
        self._backlog = None
        for track in [track for track in self._waiting if track.waits_for_keyframe]:
            del self._waiting[track]
            if not self.catch_up(track, burst.now):
                self._waiting[track] = None
                self._keyframe_wanted()

    def _begin(self, burst: Burst) -> dict[tuple[int, Format], dict[ConsumerTrack, None]]:
        """Those for whom the burst has a packet to begin with, by its place in the burst and their format."""
        beginning: dict[tuple[int, Format], dict[ConsumerTrack, None]] = {}
        waiting: dict[ConsumerTrack, None] = {}
        for track in self._waiting:
            held = track.waits_for_keyframe and self._backlog is not None
            at = None if held else burst.first(track.start, track.waits_for_keyframe)
            if at is None:
                waiting[track] = None
                self._ask(track, burst.now)
                continue
            assert track.format is not None
            track.begin(burst.sequences[at], burst.timestamps[at], burst.now)
            beginning.setdefault((at, track.format), {})[track] = None
        self._waiting = waiting
        return beginning

    def _send_kept(self, track: ConsumerTrack, now: float, packets: list[tuple[int, Kept]]) -> None:
        squeeze, form = track.squeeze, track.format
        if not packets:
            return
        assert form is not None
        burst = Burst(now)
        for sequence, kept in packets:
            burst.add(kept.packet, parse_header(kept.packet), sequence, False)
        if squeeze is not None:
            burst.timestamps = [squeeze.timestamp(sequence, kept.timestamp) for sequence, kept in packets]
        self._forwarder.send(burst, form, (track,))

    def _drop_too_slow(self, now: float) -> None:
        """Whose packets are refused again and again gets no video until the next keyframe; nobody else notices."""
        too_slow = self._forwarder.too_slow
        while too_slow:
            self._forwarder.counters.viewers_skipped += 1
            self._fall_behind(too_slow.pop(), now)

    def _fall_behind(self, track: ConsumerTrack, now: float) -> None:
        self._leave(track)
        track.fell_behind(now)
        self._waiting[track] = None

    def _ask(self, track: ConsumerTrack, now: float) -> None:
        if track.ask_at is not None and track.ask_at <= now:
            track.ask_at, track.asked_at = None, now
            self._keyframe_wanted()

    def _leave(self, track: ConsumerTrack) -> None:
        self._catching_up.pop(track, None)
        self._resting.pop(track, None)
        if track.format is not None and (members := self._groups.get(track.format)) is not None:
            members.pop(track, None)
            if not members:
                del self._groups[track.format]
