"""Producer (mediasoup's term): one stream under one UUID, published here or piped from another node."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol
from uuid import UUID

from foundation import limits
from foundation.errors import LocalError
from media.fanout import Fanout
from media.forward import Forwarder
from media.parameters import Kind, TrackParameters
from media.source import KeyframeRequests, Source


class ProducerTrack:
    """One audio or video track: what feeds it now, and who gets it."""

    def __init__(self, producer: "Producer", parameters: TrackParameters, forwarder: Forwarder) -> None:
        self.producer = producer
        self.parameters = parameters
        self.fanout = Fanout(forwarder, lambda: producer.request_keyframe(parameters.kind))
        self.source: Source | None = None
        """None until the first packet, and after a BYE."""
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
        return self.parameters.ssrc if self.source is None else self.source.ssrc

    def may_bind(self, ssrc: int, now: float) -> bool:
        """Whether this SSRC may feed the track now: none changes it too often, or by a late packet of a former one."""
        if ssrc in self._former:
            return now - self.heard_at >= limits.ssrc_change_gap_seconds_min
        return self.source is None or now - self._bound_at >= limits.ssrc_change_gap_seconds_min

    def bind(self, source: Source, now: float) -> None:
        """This source feeds the track from now on."""
        self.unbind()
        self.source, self._bound_at, self.restarts = source, now, 0
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
            self.source = None

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
        self._keyframe_wanted = keyframe_wanted
        self._let_go: Callable[[Producer], None] = lambda producer: None

    def feed(self, keyframe_wanted: Callable[[ProducerTrack], None], let_go: Callable[["Producer"], None]) -> None:
        """A session feeds the tracks from now on; `let_go` tells it when it does so no longer."""
        self._keyframe_wanted, self._let_go = keyframe_wanted, let_go

    def orphan(self) -> None:
        """Nothing feeds the tracks, until `feed`; the consumers wait. Idempotent."""
        let_go = self._let_go
        self.feed(lambda track: None, lambda producer: None)
        let_go(self)

    def retrack(self, tracks: Sequence[TrackParameters]) -> None:
        """The same tracks come under other SSRCs, from another parent. Raises `LocalError` when they are others."""
        if sorted(track.kind for track in tracks) != sorted(self.tracks) or not all(
            _alike(track, self.tracks[track.kind].parameters) for track in tracks
        ):
            raise LocalError(f"producer {self.id} has other tracks now")
        for track in tracks:
            self.tracks[track.kind].parameters = track

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


def _alike(one: TrackParameters, other: TrackParameters) -> bool:
    """Whether consumers of one can go on with the other: codec, payload type and extensions are the same."""
    return one.codec == other.codec and one.extensions == other.extensions
