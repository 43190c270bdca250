"""Producer (mediasoup's term): one stream under one UUID, published here or piped from another node."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol
from uuid import UUID

from foundation import limits
from foundation.errors import LocalError
from media.fanout import Fanout
from media.forward import Forwarder
from media.intake import Intake, intake_of
from media.nack import NackGenerator
from media.parameters import Kind, TrackParameters
from media.source import KeyframeRequests, Source


class ProducerTrack:
    """One audio or video track: what feeds it now, and who gets it."""

    def __init__(self, producer: "Producer", parameters: TrackParameters, forwarder: Forwarder) -> None:
        self.producer = producer
        self.parameters = parameters
        """What consumers agreed on; it stays."""
        self.incoming = parameters
        """What its sender says of it, and may come otherwise from another sender."""
        self.intake: Intake | None = None
        """What makes the one from the other, where they differ in more than SSRC and MID."""
        self.fanout = Fanout(forwarder, lambda: producer.request_keyframe(parameters.kind))
        self.gaps = NackGenerator(parameters.kind)
        """What is missing of the source, and of those it goes on from."""
        self.source: Source | None = None
        """None until the first packet, and after a BYE."""
        self._latest: Source | None = None
        self._goes_on = False
        self._bound_at = float("-inf")
        self.heard_at = float("-inf")
        """When its newest packets came."""
        self.keyframe_requests = KeyframeRequests()
        self.keyframes = 0
        self._keyframe_timestamp: int | None = None
        self.restarts = 0
        """Of the source, as far as consumers were told."""
        self._fed = False
        self._former: deque[int] = deque(maxlen=limits.ssrcs_remembered_max)
        self._past_packets = self._past_bytes = self._past_lost = 0

    @property
    def kind(self) -> Kind:
        return self.parameters.kind

    @property
    def ssrc(self) -> int | None:
        """The source's, or before its first packet the one that was signalled."""
        return self.incoming.ssrc if self.source is None else self.source.ssrc

    def announce(self, incoming: TrackParameters, intake: Intake | None, same_source: bool, now: float) -> None:
        """The track comes by another way from now on; `same_source`: with the numbers it had, so that it goes on."""
        self.incoming, self.intake, self._goes_on = incoming, intake, same_source
        self.begins(now, asked=self.producer.piped and not same_source)

    def begins(self, now: float, asked: bool) -> None:
        """Its sender begins with what its cache holds; `asked`: or has asked for a keyframe, so we need not."""
        self.fanout.expect_backlog(self.incoming.backlog_end, now)
        if asked:
            self.keyframe_requests.asked(now)

    def may_bind(self, ssrc: int, now: float) -> bool:
        """Whether this SSRC may feed the track now: none changes it too often, or by a late packet of a former one."""
        if ssrc in self._former:
            return now - self.heard_at >= limits.ssrc_change_gap_seconds_min
        return self.source is None or now - self._bound_at >= limits.ssrc_change_gap_seconds_min

    def bind(self, source: Source, now: float) -> None:
        """This source feeds the track from now on."""
        self.unbind()
        goes_on, self._goes_on = self._goes_on, False
        self.source, self._bound_at, self.restarts = source, now, 0
        if goes_on and self._latest is not None:
            source.go_on(self._latest)
            self.gaps.ask_anew(now)
        else:
            self.gaps = NackGenerator(self.kind)
            if self._fed:
                self._source_changed()
        self._fed = True

    def unbind(self) -> None:
        """Nothing feeds the track for now; what the source counted is kept."""
        if (source := self.source) is not None:
            self._past_packets += source.packets
            self._past_bytes += source.bytes_
            self._past_lost += source.lost
            self._former.append(source.ssrc)
            self.source, self._latest = None, source

    def restart(self) -> None:
        """The source has begun to number anew: so do the consumers."""
        assert self.source is not None
        self.restarts = self.source.restarts
        self._source_changed()

    def keyframe_seen(self, timestamp: int, now: float) -> None:
        """A keyframe of the source began; one that has several starts (parameter sets) has one RTP timestamp."""
        if timestamp != self._keyframe_timestamp:
            self._keyframe_timestamp = timestamp
            self.keyframes += 1
        self.keyframe_requests.keyframe_seen(now)

    def stats(self) -> dict[str, Any]:
        """What came since the track exists, from all of its sources; `lost` counts packets."""
        source = self.source
        return {
            "kind": self.kind,
            "codec": self.parameters.codec.name,
            "ssrc": self.ssrc,
            "packets": self._past_packets + (source.packets if source else 0),
            "bytes": self._past_bytes + (source.bytes_ if source else 0),
            "lost": self._past_lost + (source.lost if source else 0),
            "keyframes": self.keyframes,
        }

    def _source_changed(self) -> None:
        self.fanout.source_changed()
        if self.kind == "video" and self.producer.consumers:
            self.producer.request_keyframe("video")


class Attached(Protocol):
    """What a producer has to know of a consumer."""

    pipe: bool

    @property
    def kinds(self) -> AbstractSet[Kind]:
        """Those of its tracks."""

    def close(self, reason: str) -> None: ...


class Producer:
    """At most one audio and one video track, and everyone who consumes them."""

    def __init__(
        self,
        producer_id: UUID,
        tracks: Iterable[TrackParameters],
        piped: bool,
        forwarder: Forwarder,
        keyframe_wanted: Callable[[ProducerTrack], None],
        now: float = 0.0,
    ) -> None:
        """`keyframe_wanted` asks the track's sender for a keyframe, as often as that may be done."""
        self.id = producer_id
        self.piped = piped
        self.made_at = now
        self.tracks: dict[Kind, ProducerTrack] = {}
        for parameters in tracks:
            if parameters.kind in self.tracks:
                raise LocalError(f"producer {producer_id} has two {parameters.kind} tracks")
            self.tracks[parameters.kind] = ProducerTrack(self, parameters, forwarder)
        self.consumers: set[Attached] = set()
        self.viewers = 0
        self.pipes = 0
        """Consumers on links; `viewers` counts all others."""
        self.closed = False
        self.on_close: list[Callable[[str], None]] = []
        """Called once, with the reason."""
        self.on_consumers_changed: list[Callable[[int, int], None]] = []
        """Called with the number of viewers and of pipes when one came or went, but not when the producer closed."""
        self.fed = False
        """Whether a session feeds it; a piped producer outlives the one that does."""
        self._keyframe_wanted = keyframe_wanted
        self._let_go: Callable[[Producer], None] = lambda producer: None
        self._give_up: Callable[[], None] = lambda: None

    def feed(self, keyframe_wanted: Callable[[ProducerTrack], None], let_go: Callable[["Producer"], None]) -> None:
        """A session feeds the tracks from now on; `let_go` tells it when it does so no longer."""
        self._keyframe_wanted, self._let_go, self.fed = keyframe_wanted, let_go, True

    def awaits(self, give_up: Callable[[], None]) -> None:
        """A session waits for first packets, to feed it then; `give_up` ends that, when another one does so."""
        former, self._give_up = self._give_up, give_up
        former()

    def positions(self) -> dict[Kind, int]:
        """The first 16-bit sequence number that each track misses and could still use; those that never came left out.

        With it another parent is asked to go on: see `PipeTransport.pipe_out`.
        """
        found = {kind: track.gaps.position for kind, track in self.tracks.items()}
        return {kind: position & 0xFFFF for kind, position in found.items() if position is not None}

    def orphan(self) -> None:
        """Nothing feeds the tracks, until `feed`; the consumers wait. Idempotent."""
        let_go = self._let_go
        self.feed(lambda track: None, lambda producer: None)
        self.fed = False
        let_go(self)

    def intakes(self, tracks: Sequence[TrackParameters]) -> Mapping[Kind, Intake | None]:
        """How these could become its tracks. Raises `LocalError` when a consumer could not go on with them."""
        if sorted(track.kind for track in tracks) != sorted(self.tracks):
            raise LocalError(f"producer {self.id} has other tracks now")
        return {track.kind: intake_of(self.tracks[track.kind].parameters, track) for track in tracks}

    def retrack(self, tracks: Sequence[TrackParameters], same_source: bool, now: float) -> None:
        """Its tracks come from elsewhere, see `ProducerTrack.announce`. Raises `LocalError` as `intakes`."""
        intakes = self.intakes(tracks)
        for track in tracks:
            self.tracks[track.kind].announce(track, intakes[track.kind], same_source, now)

    def request_keyframe(self, kind: Kind) -> None:
        """Asks whoever sends the track for a keyframe: at once, or when the last request is a second ago."""
        if not self.closed and kind == "video" and (track := self.tracks.get(kind)) is not None:
            self._keyframe_wanted(track)

    def attach(self, consumer: Attached) -> None:
        """Raises `LocalError` when closed or full, or when the consumer has a track that is not here."""
        if self.closed:
            raise LocalError(f"producer {self.id} is closed")
        if len(self.consumers) >= limits.consumers_per_producer_max:
            raise LocalError(f"producer {self.id} has {len(self.consumers)} consumers already")
        if not consumer.kinds or not self.tracks.keys() >= consumer.kinds:
            raise LocalError(f"producer {self.id} has {sorted(self.tracks)} and not {sorted(consumer.kinds)}")
        self.consumers.add(consumer)
        self._count(consumer, 1)

    def detach(self, consumer: Attached) -> None:
        """The consumer has closed."""
        self.consumers.remove(consumer)
        self._count(consumer, -1)

    def close(self, reason: str = "ended") -> None:
        """Closes the consumers too, with the same reason; idempotent."""
        if self.closed:
            return
        self.closed = True
        for consumer in tuple(self.consumers):
            consumer.close(reason)
        self.orphan()
        self.awaits(lambda: None)
        for callback in self.on_close:
            callback(reason)

    def stats(self) -> list[dict[str, Any]]:
        """Per track: kind, codec, ssrc, packets, bytes, lost, keyframes."""
        return [track.stats() for track in self.tracks.values()]

    def _count(self, consumer: Attached, step: int) -> None:
        if consumer.pipe:
            self.pipes += step
        else:
            self.viewers += step
        if not self.closed:
            for callback in self.on_consumers_changed:
                callback(self.viewers, self.pipes)
