"""One incoming SSRC: what arrived and what did not (RFC 3550 appendix A), its sender clock, its keyframe requests.

Sans-IO. `now` is monotonic seconds throughout; wall clock time is passed apart, as Unix seconds.
"""

from aiortc.rtp import RtcpReceiverInfo, clamp_packets_lost

from foundation import limits
from media.parameters import Codec
from media.rtp import RtpHeader, sequence_distance, timestamp_distance

_NTP_OF_UNIX_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""

_RATE_SLOTS = 10
"""The bitrate is measured over one second, in slots of 100 ms."""

_restart_packets = 2
"""RFC 3550 A.1: a jump is believed when two packets in a row, by number and by arrival, agree on it."""

_timestamp_jump_seconds = 5.0
"""A larger step between arrival and timestamp is a clock set anew and would spoil the jitter for minutes."""


class Source:
    """The reception state of one SSRC (RFC 3550 A.1, A.3, A.8).

    SRTP vouches for the sender, so that the first packet counts at once, without the probation of A.1. Every packet
    `received` accepts has an extended sequence number of its own, larger than that of all packets before a restart:
    who forwards under it never sends two packets under one number.
    """

    def __init__(self, ssrc: int, codec: Codec, now: float, piped: bool = False) -> None:
        """`piped`: a node passes it on, which numbers anew under another SSRC only, but may send what is long known."""
        self.ssrc = ssrc
        self.piped = piped
        self.codec = codec
        self.created_at = now
        self.clock = SenderClock(codec.clock_rate)
        self.packets = 0
        self.bytes_ = 0
        self.repaired = 0
        """Of these, the ones that came by RTX: to the path they were lost, and reports say so."""
        self.duplicates = 0
        self.refused = 0
        """Packets too late to be of use, and those that began a jump."""
        self.restarts = 0
        """How often the numbering jumped: consumers over pipes need a fresh SSRC when this changes."""
        self.jitter = 0.0
        """RFC 3550 A.8, in ticks of the codec's clock."""
        self.highest_sequence: int | None = None
        """Extended: its low 16 bits are the packet's own number."""
        self._expected_before = 0
        self._run_start = 0
        self._continued = False
        self._seen = 0
        self._stranger = 0
        self._strangers = 0
        self._arrival: tuple[int, float] | None = None
        self._expected_reported = 0
        self._packets_reported = 0
        self._rate = _BitRate()

    @property
    def last_sender_report(self) -> tuple[int, int, float] | None:
        """`(ntp, rtp, when it came)` of the newest sender report."""
        return self.clock.report

    @property
    def expected(self) -> int:
        """Packets the source sent as far as the numbers tell; a restart is not a loss."""
        if self.highest_sequence is None:
            return 0
        return self._expected_before + self.highest_sequence - self._run_start + 1

    @property
    def lost(self) -> int:
        """Packets that have not come, in all."""
        return self.expected - self.packets

    def go_on(self, former: "Source") -> None:
        """Before the first packet: the numbering is that of a former source, of the same stream by another way.

        What that one had does not count again, and what it missed counts as no loss of this one.
        """
        self.highest_sequence, self._seen, self.clock = former.highest_sequence, former._seen, former.clock
        if former.highest_sequence is not None:
            self._run_start = former.highest_sequence + 1
            self._continued = True

    def bitrate(self, now: float) -> int:
        """Bits per second over about the last second, RTP headers included."""
        return self._rate.at(now)

    def lacks(self, number: int) -> bool:
        """Whether a retransmission with this sequence number is of use: it has not come, and is not too far off.

        Only such may be `received`, as senders probe with RTX of packets so old that they would look like a restart.
        """
        if self.highest_sequence is None:
            return False
        step = sequence_distance(number, self.highest_sequence & 0xFFFF)
        if step > 0:
            return step <= limits.sequence_late_max
        return step > -limits.sequence_late_max and not self._seen >> -step & 1

    def received(self, header: RtpHeader, size: int, now: float, repaired: bool = False) -> int | None:
        """Takes one packet of `size` bytes; its extended sequence number, or None when it must not be forwarded.

        None: a duplicate, a packet `sequence_late_max` or more behind, or the first one after a jump. The number grows
        by more than `sequence_jump_max` exactly when the source restarted; it is below 0 for packets which were sent
        before a first one numbered about 0. `repaired`: it came by RTX.
        """
        sequence = self._extend(header.sequence_number)
        if sequence is None:
            return None
        self.packets += 1
        self.bytes_ += size
        self._rate.add(size, now)
        if repaired:
            self.repaired += 1
        else:
            self._measure_jitter(header.timestamp, now)
        if sequence == self.highest_sequence:
            self.clock.packet(header.timestamp, now)
        return sequence

    def sender_report(self, ntp: int, rtp: int, now: float) -> None:
        """Takes the 64-bit NTP and 32-bit RTP timestamps of a sender report."""
        self.clock.sender_report(ntp, rtp, now)

    def report_block(self, now: float) -> RtcpReceiverInfo:
        """The report block about this source; each call begins a new interval for the fraction lost."""
        arrived = self.packets - self.repaired
        expected = self.expected - self._expected_reported
        lost = expected - (arrived - self._packets_reported)
        self._expected_reported, self._packets_reported = self.expected, arrived
        lsr, dlsr = 0, 0
        if (report := self.clock.report) is not None:
            ntp, _, came_at = report
            lsr = (ntp >> 16) & 0xFFFFFFFF
            dlsr = min(max(0, int((now - came_at) * 65536)), 0xFFFFFFFF)
        return RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=min(255, lost * 256 // expected) if expected > 0 and lost > 0 else 0,
            packets_lost=clamp_packets_lost(self.expected - arrived),
            highest_sequence=(self.highest_sequence or 0) & 0xFFFFFFFF,
            jitter=min(int(self.jitter), 0xFFFFFFFF),
            lsr=lsr,
            dlsr=dlsr,
        )

    def _extend(self, number: int) -> int | None:
        highest = self.highest_sequence
        if highest is None:
            self.highest_sequence = self._run_start = number
            self._seen = 1
            return number
        step = sequence_distance(number, highest & 0xFFFF)
        if 0 < step <= limits.sequence_jump_max:
            self._seen = ((self._seen << step) | 1) & _seen_mask if step < limits.sequence_late_max else 1
            self.highest_sequence = highest + step
        elif -limits.sequence_late_max < step <= 0:
            if self._seen >> -step & 1:
                self.duplicates += 1
                return None
            self._seen |= 1 << -step
            if not self._continued:
                self._run_start = min(self._run_start, highest + step)
        else:
            return self._restart(number, highest)
        self._strangers = 0
        return highest + step

    def _restart(self, number: int, highest: int) -> int | None:
        just_late = -limits.sequence_jump_max < sequence_distance(number, highest & 0xFFFF) < 0
        if just_late and self.piped:
            self.refused += 1
            return None
        follows = self._strangers > 0 and number == (self._stranger + 1) & 0xFFFF
        self._strangers = self._strangers + 1 if follows else 1
        self._stranger = number
        if self._strangers < (limits.late_run_packets_max if just_late else _restart_packets):
            self.refused += 1
            return None
        self._strangers = 0
        self.restarts += 1
        self._seen = 1
        self._arrival = None
        self._expected_before = self.expected
        self._continued = False
        self._run_start = self.highest_sequence = highest + ((number - highest) & 0xFFFF)
        return self._run_start

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        if self._arrival is not None:
            earlier_timestamp, earlier = self._arrival
            ticks = timestamp_distance(timestamp, earlier_timestamp)
            difference = abs((now - earlier) * self.codec.clock_rate - ticks)
            if difference < _timestamp_jump_seconds * self.codec.clock_rate:
                self.jitter += (difference - self.jitter) / 16
        self._arrival = timestamp, now


_seen_mask = (1 << limits.sequence_late_max) - 1


class SenderClock:
    """What a sender report about this source would say at any time, so that lip sync survives a forwarder.

    The pair is the last sender report moved on by the time since it came: the way it took is in both halves alike. A
    source that never sent one gets the wall clock, beside its newest RTP timestamp moved on likewise.
    """

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.report: tuple[int, int, float] | None = None
        self._newest: tuple[int, float] | None = None

    def sender_report(self, ntp: int, rtp: int, now: float) -> None:
        self.report = ntp, rtp, now

    def packet(self, timestamp: int, now: float) -> None:
        """Notes the newest packet of the source."""
        self._newest = timestamp, now

    def at(self, now: float, unix_time: float) -> tuple[int, int] | None:
        """`(ntp, rtp)` of this moment in 64 and 32 bits; None before the first packet and report."""
        if self.report is not None:
            ntp, rtp, then = self.report
            return (ntp + _ntp_units(now - then)) & 0xFFFFFFFFFFFFFFFF, self._moved_on(rtp, now - then)
        if self._newest is not None:
            rtp, then = self._newest
            return ntp_of_unix(unix_time), self._moved_on(rtp, now - then)
        return None

    def _moved_on(self, rtp: int, seconds: float) -> int:
        return (rtp + round(seconds * self.clock_rate)) & 0xFFFFFFFF


def ntp_of_unix(unix_time: float) -> int:
    """The 64-bit NTP timestamp (seconds since 1900, 32.32 fixed point) of a Unix time; it wraps in 2036."""
    return (_ntp_units(unix_time) + (_NTP_OF_UNIX_EPOCH << 32)) & 0xFFFFFFFFFFFFFFFF


def _ntp_units(seconds: float) -> int:
    return round(seconds * 4294967296)


class KeyframeRequests:
    """At most one keyframe request a second goes to a source, whatever its consumers ask for.

    A request inside the gap is kept and sent when the gap ends, unless a keyframe came meanwhile. A request that no
    keyframe answers is sent again up to `keyframe_retries_max` times: it, or the keyframe's start, may be lost.
    """

    def __init__(self) -> None:
        self._wanted = False
        self._sent_at: float | None = None
        self._retries = 0

    def request(self, now: float) -> None:
        """A consumer needs a keyframe."""
        self._wanted = True
        self._retries = limits.keyframe_retries_max

    def asked(self, now: float) -> None:
        """Somebody else has asked the source, or has a keyframe for us: that counts as a request of ours."""
        self._sent_at = now

    def keyframe_seen(self, now: float) -> None:
        """A keyframe of the source began: whoever waited is served."""
        self._wanted = False

    def poll(self, now: float) -> bool:
        """Whether to send one request now; true counts it as sent."""
        if not self._wanted or (self._sent_at is not None and now < self._sent_at + limits.keyframe_gap_seconds_min):
            return False
        self._sent_at = now
        self._wanted = self._retries > 0
        self._retries -= 1
        return True

    def timeout(self) -> float | None:
        """The time from which `poll` will say yes; None when nothing is to be sent. It may lie in the past."""
        if not self._wanted:
            return None
        return 0.0 if self._sent_at is None else self._sent_at + limits.keyframe_gap_seconds_min


class _BitRate:
    """Bits over a second, in slots of a tenth."""

    def __init__(self) -> None:
        self._slots = [0] * (_RATE_SLOTS + 1)
        self._newest = 0

    def add(self, size: int, now: float) -> None:
        self._slots[self._advance(now)] += size

    def at(self, now: float) -> int:
        self._advance(now)
        seconds = 1.0 + max(0.0, now * _RATE_SLOTS - self._newest) / _RATE_SLOTS
        return round(8 * sum(self._slots) / seconds)

    def _advance(self, now: float) -> int:
        newest = int(now * _RATE_SLOTS)
        for slot in range(max(self._newest + 1, newest - _RATE_SLOTS), newest + 1):
            self._slots[slot % (_RATE_SLOTS + 1)] = 0
        self._newest = max(self._newest, newest)
        return self._newest % (_RATE_SLOTS + 1)
