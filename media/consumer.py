"""Consumer (mediasoup's term): one outgoing copy of a producer to one transport, a viewer's or a link's."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from media.consumer_track import ConsumerTrack, Destination
from media.parameters import Kind
from media.producer import Producer


class Consumer:
    """The tracks of one producer that go to one transport; `pipe` when it is a link."""

    def __init__(
        self,
        producer: Producer,
        tracks: Iterable[ConsumerTrack],
        pipe: bool,
        resume: Mapping[Kind, int] | None = None,
    ) -> None:
        """`resume` says where a pipe begins: see `PipeTransport.pipe_out`.

        Raises `LocalError` when the producer is closed or full, or has no such track.
        """
        self.producer = producer
        self.tracks: dict[Kind, ConsumerTrack] = {track.kind: track for track in tracks}
        self.pipe = pipe
        self.resume = resume or {}
        self.closed = False
        self.on_close: list[Callable[[str], None]] = []
        """Called once, with the reason: "ended" when the producer closed."""
        producer.attach(self)

    @property
    def kinds(self) -> AbstractSet[Kind]:
        return self.tracks.keys()

    def connect(self, destination: Destination, now: float) -> None:
        """Lets packets flow: the transport is connected.

        Video begins with the keyframe in the cache, or asks for one; a pipe begins where its other end wants it to.
        """
        if self.closed:
            return
        for kind, track in self.tracks.items():
            track.connect(destination)
            fanout = self.producer.tracks[kind].fanout
            if self.pipe:
                begun = fanout.resume(track, self.resume.get(kind), now)
            else:
                begun = track.waits_for_keyframe and fanout.catch_up(track, now)
            if begun:
                continue
            fanout.add(track)
            if self.pipe or track.waits_for_keyframe:
                self.producer.request_keyframe(kind)

    def close(self, reason: str = "closed") -> None:
        """Idempotent."""
        if self.closed:
            return
        self.closed = True
        for kind, track in self.tracks.items():
            self.producer.tracks[kind].fanout.remove(track)
        self.producer.detach(self)
        for callback in self.on_close:
            callback(reason)

    def backlog_end(self, kind: Kind) -> int | None:
        """What `TrackParameters` say of a pipe that has just begun."""
        return self.producer.tracks[kind].fanout.backlog_end_of(self.tracks[kind])

    def stats(self) -> list[dict[str, Any]]:
        """Per track: kind, codec, ssrc, packets, bytes, unsent, and what its receiver said of it."""
        return [track.stats() for track in self.tracks.values()]
