"""RtpListener (mediasoup's term): which track of a session an incoming SSRC belongs to. Sans-IO.

A bound SSRC is one look-up. Another one is bound to the track it was signalled for, or else to the one track that fits
its MID header extension and payload type (RFC 8843 section 9.2). Piped tracks are bound by SSRC, or by the MID in a
source description (section 15.1 there): on a link many streams have the same payload types. RTX streams are bound to
the track they repair, and to no source of their own.
"""

from collections.abc import Collection

from media.parameters import TrackParameters
from media.producer import ProducerTrack
from media.rtp import RtpHeader
from media.sdes import MID_URI
from media.source import Source

Elements = list[tuple[int, int, int]]


class RtpListener:
    """The tracks one session receives."""

    def __init__(self) -> None:
        self.bound: dict[int, ProducerTrack] = {}
        """By the SSRC of their source."""
        self.repairing: dict[int, ProducerTrack] = {}
        """By the SSRC of the RTX stream that repairs their source, at most one of each."""
        self._signalled: dict[int, ProducerTrack] = {}
        self._published: list[ProducerTrack] = []
        self._piped: list[ProducerTrack] = []

    def add(self, tracks: Collection[ProducerTrack]) -> None:
        """Listens for these tracks."""
        self._published += [track for track in tracks if not track.producer.piped]
        self._piped += [track for track in tracks if track.producer.piped]
        self._signalled.update({track.incoming.ssrc: track for track in tracks if track.incoming.ssrc is not None})
        signalled = {track.incoming.rtx_ssrc: track for track in tracks if track.incoming.rtx_payload_type is not None}
        self.repairing.update({ssrc: track for ssrc, track in signalled.items() if ssrc is not None})

    def remove(self, tracks: Collection[ProducerTrack]) -> list[int]:
        """Listens for them no more; the SSRCs that were theirs."""
        self._published = [track for track in self._published if track not in tracks]
        self._piped = [track for track in self._piped if track not in tracks]
        self._signalled = {ssrc: track for ssrc, track in self._signalled.items() if track not in tracks}
        freed = [ssrc for ssrc, track in self.bound.items() if track in tracks]
        for ssrc in freed:
            self.unbind(ssrc)
        repairs = [ssrc for ssrc, track in self.repairing.items() if track in tracks]
        for ssrc in repairs:
            del self.repairing[ssrc]
        return freed + repairs

    def repaired_by(self, header: RtpHeader) -> ProducerTrack | None:
        """The track for which a packet, of an SSRC that is not bound, is a retransmission (RFC 4588); None for others.

        A publisher need not have said its RTX SSRC, and may change it: there the payload type tells. It does not on a
        link, where many streams have the same.
        """
        track = self.repairing.get(header.ssrc)
        if track is None:
            fitting = [t for t in self._published if t.incoming.rtx_payload_type == header.payload_type]
            if len(fitting) != 1:
                return None
            track = fitting[0]
            self.repairing = {ssrc: repaired for ssrc, repaired in self.repairing.items() if repaired is not track}
            self.repairing[header.ssrc] = track
        return track if track.incoming.rtx_payload_type == header.payload_type else None

    def knows_payload_type(self, payload_type: int) -> bool:
        """Whether a track could have it; on a link it tells nothing, and is not looked for among thousands."""
        return bool(self._piped) or any(t.incoming.codec.payload_type == payload_type for t in self._published)

    def track_for(self, packet: bytes, header: RtpHeader, elements: Elements, now: float) -> ProducerTrack | None:
        """Binds the packet's SSRC, which is not bound, to its track; None when no track fits, or may change yet."""
        track = self._signalled.get(header.ssrc) or self._fitting(packet, header, elements)
        return self._take(track, header.ssrc, now)

    def described(self, ssrc: int, mid: str, now: float) -> ProducerTrack | None:
        """Binds an SSRC to the one track with this MID; None when nothing changes."""
        if ssrc in self.bound:
            return None
        found = [track for track in (*self._published, *self._piped) if track.incoming.mid == mid]
        return self._take(found[0], ssrc, now) if len(found) == 1 else None

    def unbind(self, ssrc: int) -> None:
        """Its source has ended (BYE); another SSRC may take the track at once."""
        if (track := self.bound.pop(ssrc, None)) is not None:
            track.unbind()

    def _fitting(self, packet: bytes, header: RtpHeader, elements: Elements) -> ProducerTrack | None:
        found = [
            track
            for track in self._published
            if track.incoming.codec.payload_type == header.payload_type
            and _mid(packet, elements, track.incoming) in (None, track.incoming.mid)
        ]
        return found[0] if len(found) == 1 else None

    def _take(self, track: ProducerTrack | None, ssrc: int, now: float) -> ProducerTrack | None:
        if track is None or not track.may_bind(ssrc, now):
            return None
        if track.source is not None:
            del self.bound[track.source.ssrc]
        self.bound[ssrc] = track
        track.bind(Source(ssrc, track.incoming.codec, now, track.producer.piped), now)
        return track


def _mid(packet: bytes, elements: Elements, parameters: TrackParameters) -> str | None:
    """What the MID extension of a packet says under the id agreed for this track; None without one."""
    agreed = parameters.extension_id(MID_URI)
    for identifier, position, length in elements:
        if identifier == agreed:
            return packet[position : position + length].decode("utf-8", "replace")
    return None
