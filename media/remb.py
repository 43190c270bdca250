"""Bandwidth estimation for publishers that know REMB and abs-send-time but no transport-wide feedback.

Sans-IO, on `aiortc.rate`. Such a publisher leaves the estimate to its receiver: the delay between arrivals, against
the send times in its packets, says whether a queue grows on the way (draft-alvestrand-rmcat-congestion).
"""

from collections.abc import Iterable

from aiortc.rate import RemoteBitrateEstimator

from foundation import limits
from media.rtcp import receiver_estimated_maximum_bitrate

ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

_silence_seconds_max = 2.0
"""After which arrivals are no longer compared with those before, as in libwebrtc; aiortc would count every ms of it."""

_gap_seconds_min = 0.2
"""Between two messages: an overused path makes a new estimate with every packet."""

_bitrate_min = 30_000
"""A publisher told less would stop, and with it the arrivals that could raise the estimate."""


class BitrateEstimator:
    """The estimate for all sources of one transport together."""

    def __init__(self) -> None:
        self.bitrate: int | None = None
        """The last estimate in bits per second; None in the first seconds, while the publisher is not limited."""
        self._estimator = RemoteBitrateEstimator()
        self._sources: dict[int, float] = {}
        self._newest_at: float | None = None
        self._unsent = False
        self._sent_at = float("-inf")

    def received(self, abs_send_time: int, size: int, ssrc: int, now: float) -> None:
        """Takes a packet of `size` payload bytes which left at `abs_send_time` (seconds in 6.18 bits fixed point)."""
        if self._newest_at is not None and now - self._newest_at > _silence_seconds_max:
            self._begin_anew()
        self._newest_at = now
        if ssrc in self._sources or len(self._sources) < limits.sources_estimated_max:
            self._sources[ssrc] = now
        estimate = self._estimator.add(int(now * 1000), abs_send_time & 0xFFFFFF, max(1, size), 0)
        if estimate is not None:
            self.bitrate = max(_bitrate_min, estimate[0])
            self._unsent = True

    def timeout(self) -> float | None:
        """The time from which `poll` has something to send; None when there is no new estimate. It may have passed."""
        return max(0.0, self._sent_at + _gap_seconds_min) if self._unsent else None

    def poll(self, sender_ssrc: int, now: float) -> bytes | None:
        """The REMB packet that is due, if any; it names the sources heard in the last two seconds."""
        due = self.timeout()
        if due is None or now < due or self.bitrate is None:
            return None
        self._unsent = False
        self._sent_at = now
        self._sources = {ssrc: at for ssrc, at in self._sources.items() if now - at <= _silence_seconds_max}
        return receiver_estimated_maximum_bitrate(sender_ssrc, self.bitrate, list(self._sources))

    def _begin_anew(self) -> None:
        rate_control = self._estimator.rate_control
        self._estimator = RemoteBitrateEstimator()
        if rate_control.current_bitrate_initialized:
            self._estimator.rate_control = rate_control


def abs_send_time(packet: bytes, elements: Iterable[tuple[int, int, int]], identifier: int) -> int | None:
    """The 24-bit send time of an RTP packet, from its extension elements and the agreed id; None without one."""
    for found, position, length in elements:
        if found == identifier and length >= 3:
            return int.from_bytes(packet[position : position + 3], "big")
    return None
