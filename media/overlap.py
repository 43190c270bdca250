"""Overlap: a pipe that is to take a stream over from another link; until it is level with that one, both feed. Sans-IO.

It begins with what its sender's cache holds, and so some packets behind. Were the other link dropped at the first of
them, everything below would stand still until the new one has come up to where the old one was.
"""

from collections.abc import Iterable

from foundation import limits
from foundation.errors import RemoteError
from media.burst import Burst
from media.keyframe import starts_keyframe
from media.parameters import TrackParameters
from media.producer import Producer, ProducerTrack
from media.rtp import RtpHeader, sequence_distance


class Overlap:
    """Of one producer and the same source: a number is the same packet, whichever link brings it first."""

    def __init__(self, producer: Producer, tracks: Iterable[TrackParameters]) -> None:
        """`tracks` as they come by the new pipe. Raises `LocalError` when they cannot become the producer's."""
        tracks = tuple(tracks)
        self._producer = producer
        self._intakes = producer.intakes(tracks)
        self._incoming = {track.ssrc: track for track in tracks if track.ssrc is not None}
        self._behind = {track.kind for track in tracks}
        self._until: float | None = None

    def level(self, header: RtpHeader, now: float) -> bool:
        """Whether the pipe can take over with this packet of it: it is ahead of the other link, or as near as it gets.

        Each track has been ahead once, the time for that is over, or there is nothing left to overlap with.
        """
        track = self._track(header)
        if not self._producer.fed or track is None or track.source is None or track.source.highest_sequence is None:
            return True
        if self._until is None:
            self._until = now + limits.pipe_overlap_seconds_max
        if sequence_distance(header.sequence_number, track.source.highest_sequence & 0xFFFF) > 0:
            self._behind.discard(track.kind)
        flowing = {kind for kind in self._behind if self._producer.tracks[kind].source is not None}
        return not flowing or now >= self._until

    def take(self, packet: bytes, header: RtpHeader, now: float) -> bool:
        """Passes on a packet for which the pipe was not `level`; false for one that the other link has brought.

        Raises `RemoteError` when its extensions cannot be read.
        """
        track = self._track(header)
        assert track is not None, "the pipe is not level"
        assert track.source is not None, "the pipe is not level"
        if header.payload_type != self._incoming[header.ssrc].codec.payload_type:
            raise RemoteError("a packet of a pipe has a payload type that was not agreed")
        if not track.source.lacks(header.sequence_number):
            return False
        if (intake := self._intakes[track.kind]) is not None:
            packet, header = intake.renamed(packet, header)
        sequence = track.source.received(header, len(packet), now, repaired=True)
        assert sequence is not None, "what a source lacks it takes"
        payload = packet[header.payload_start : header.payload_end]
        keyframe = track.kind == "video" and starts_keyframe(track.parameters.codec.name, payload)
        if keyframe:
            track.keyframe_seen(header.timestamp, now)
        burst = Burst(now)
        burst.add(packet, header, sequence, keyframe)
        track.heard_at = now
        track.gaps.received(burst.sequences, burst.keyframes, now)
        track.fanout.forward(burst)
        return True

    def _track(self, header: RtpHeader) -> ProducerTrack | None:
        incoming = self._incoming.get(header.ssrc)
        return None if incoming is None else self._producer.tracks[incoming.kind]
