"""Keyframe requests on their way up: PLI, or FIR where only that was agreed; not too many to one source. Sans-IO."""

from media import rtcp
from media.producer import ProducerTrack


class KeyframeSender:
    """The tracks of one session from which somebody wants a keyframe."""

    def __init__(self) -> None:
        self._asking: dict[ProducerTrack, int] = {}
        """With the FIRs sent: each new one has another number."""

    def want(self, track: ProducerTrack, now: float) -> None:
        """Somebody needs a keyframe of this track."""
        track.keyframe_requests.request(now)
        self._asking.setdefault(track, 0)

    def forget(self, track: ProducerTrack) -> None:
        """The track is gone."""
        self._asking.pop(track, None)

    def poll(self, sender_ssrc: int, now: float) -> list[bytes]:
        """The requests that are due; a track waits as long as its SSRC is not known."""
        packets = []
        for track, number in list(self._asking.items()):
            if track.ssrc is None:
                continue
            if track.keyframe_requests.poll(now):
                self._asking[track] = number + 1
                packets += _request(track, track.ssrc, sender_ssrc, number)
            if track.keyframe_requests.timeout() is None:
                del self._asking[track]
        return packets

    def timeout(self) -> float | None:
        """The time from which `poll` has something."""
        times = (track.keyframe_requests.timeout() for track in self._asking if track.ssrc is not None)
        return min((when for when in times if when is not None), default=None)


def _request(track: ProducerTrack, ssrc: int, sender_ssrc: int, number: int) -> list[bytes]:
    feedback = track.incoming.feedback
    if track.producer.piped or "nack pli" in feedback:
        return [rtcp.picture_loss_indication(sender_ssrc, ssrc)]
    if "ccm fir" in feedback:
        return [rtcp.full_intra_request(sender_ssrc, ssrc, number)]
    return []
