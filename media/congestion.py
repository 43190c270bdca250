"""Which feedback a publisher gets to find its bitrate: transport-wide if it was agreed, else REMB. Sans-IO.

Without either, Chromium stays at 300 kbit/s. Piped tracks get none: links carry what publishers send.
"""

from collections.abc import Iterable

from media.feedback import TRANSPORT_WIDE_CC_URI, FeedbackCollector, transport_sequence_number
from media.parameters import TrackParameters
from media.remb import ABS_SEND_TIME_URI, BitrateEstimator, abs_send_time
from media.rtp import RtpHeader

Elements = list[tuple[int, int, int]]


class CongestionFeedback:
    """For one transport; the tracks of one bundle agree on the ids of extensions (RFC 8843 section 9.1)."""

    def __init__(self) -> None:
        self._collector: FeedbackCollector | None = None
        self._estimator: BitrateEstimator | None = None
        self._sequence_id = 0
        self._send_time_id = 0

    def agree(self, tracks: Iterable[TrackParameters]) -> None:
        """Takes over what was negotiated for the tracks a publisher sends."""
        for track in tracks:
            sequence_id = track.extension_id(TRANSPORT_WIDE_CC_URI)
            send_time_id = track.extension_id(ABS_SEND_TIME_URI)
            if sequence_id is not None and "transport-cc" in track.feedback:
                self._sequence_id = sequence_id
                self._collector = self._collector or FeedbackCollector()
            elif send_time_id is not None and "goog-remb" in track.feedback:
                self._send_time_id = send_time_id
                self._estimator = self._estimator or BitrateEstimator()

    def received(self, packet: bytes, header: RtpHeader, elements: Elements, now: float) -> None:
        """Takes any packet of the transport, whether somebody wants it or not: it took its share of the path."""
        if self._collector is not None:
            number = transport_sequence_number(packet, elements, self._sequence_id)
            if number is not None:
                self._collector.received(number, header.ssrc, now)
        elif self._estimator is not None:
            send_time = abs_send_time(packet, elements, self._send_time_id)
            if send_time is not None:
                self._estimator.received(send_time, header.payload_end - header.payload_start, header.ssrc, now)

    def poll(self, sender_ssrc: int, now: float) -> list[bytes]:
        """The RTCP packets that are due."""
        if self._collector is not None:
            return self._collector.poll(sender_ssrc, now)
        if self._estimator is not None and (message := self._estimator.poll(sender_ssrc, now)) is not None:
            return [message]
        return []

    def timeout(self) -> float | None:
        """The time from which `poll` has something; None when nothing waits."""
        if self._collector is not None:
            return self._collector.timeout()
        return None if self._estimator is None else self._estimator.timeout()
