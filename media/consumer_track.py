"""One outgoing SSRC: what the packet path reads and writes for each consumer of a track."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from foundation import limits
from foundation.errors import LocalError
from media.catch_up import Squeeze
from media.keyframe import keyframes_known
from media.parameters import Kind, TrackParameters
from media.rewriter import extension_ids
from media.srtp import Srtp

_before_all = -(1 << 62)
"""Below every extended sequence number; a late packet's may be negative."""

_none_sent = (_before_all, 0, 0.0)


class Destination(Protocol):
    """What the packet path needs of a connected transport."""

    @property
    def srtp(self) -> Srtp | None: ...

    @property
    def sockaddr(self) -> tuple[Any, ...] | None:
        """Where the remote end is now: ICE may move it."""


class Format(NamedTuple):
    """What makes one packet's copies for two consumers alike but for sequence number, timestamp and SSRC.

    `extension_ids` are pairs of the producer's id and the consumer's. A pipe has neither those nor a payload type of
    its own: it passes on what came. Only where `paddable` may packets get RTP padding: a plain retransmission has to be
    what was first sent, so that it is for receivers with RTX, and for those that cannot ask for a retransmission.
    """

    pipe: bool
    payload_type: int
    extension_ids: tuple[tuple[int, int], ...]
    tag_bytes: int
    paddable: bool


@dataclass(slots=True)
class Reception:
    """What the receiver of a track said of it."""

    fraction_lost: float = 0.0
    """In the interval of its last report, 0-1."""
    jitter_ticks: int = 0
    rtt_seconds: float | None = None
    nacked: int = 0
    """Packets it missed and asked for."""


class ConsumerTrack:
    """One outgoing SSRC. Its numbering is that of `media.rewriter.Rewriter`, which says more about it.

    The packet path reads the fields, and writes `newest` and the counts, directly: once per burst, not per packet.
    """

    __slots__ = (
        "_before",
        "_next_sequence",
        "_refused_at",
        "_refused_in_row",
        "_source_is_new",
        "ask_at",
        "asked_at",
        "bytes_",
        "clock_rate",
        "destination",
        "extension_ids",
        "first_number",
        "format",
        "newest",
        "on_flow",
        "on_ssrc_used",
        "packets",
        "parameters",
        "pipe",
        "reception",
        "repairs",
        "resumes_at",
        "retransmitted",
        "rtx",
        "run_start",
        "running",
        "sequence_offset",
        "squeeze",
        "srtp",
        "srtp_context",
        "ssrc",
        "start",
        "timestamp_offset",
        "unsent",
        "waits_for_keyframe",
    )

    def __init__(self, source: TrackParameters, parameters: TrackParameters, pipe: bool, first_number: int) -> None:
        """`first_number`, a viewer's first sequence number, is below 2^15: so the first roll-over cannot be missed."""
        if parameters.ssrc is None:
            raise LocalError("a consumer track needs an SSRC")
        self.parameters = parameters
        self.clock_rate = source.codec.clock_rate
        self.ssrc = parameters.ssrc
        self.pipe = pipe
        self.waits_for_keyframe = not pipe and keyframes_known(source.codec.name)
        self.extension_ids = () if pipe else tuple(sorted(extension_ids(source, parameters).items()))
        self.destination: Any = None
        """A `Destination` once connected."""
        self.srtp: Srtp | None = None
        self.srtp_context: Any = None
        """libsrtp's own session in `srtp`, which keeps it alive."""
        self.format: Format | None = None
        self.running = False
        self.start = _before_all
        """The source's extended sequence number below which nothing is sent, unless it is asked for again."""
        self.run_start = _before_all
        """The one from which this run's packets are sent again to who asks."""
        self.resumes_at: int | None = None
        """Of a pipe: the number its other end misses; what comes late from there on is sent as RTX only, as under the
        first roll-over of an SSRC no packet may precede the first."""
        self.squeeze: Squeeze | None = None
        """How the timestamps of this run's first packets are moved, when it began with old ones."""
        self.first_number = first_number
        self.rtx = parameters.rtx_payload_type is not None and parameters.rtx_ssrc is not None
        """Whether retransmissions go as RTX."""
        self.repairs = pipe or self.rtx or "nack" in parameters.feedback
        """Whether NACKs are answered."""
        self.retransmitted = 0
        self.ask_at: float | None = None
        """When a keyframe is to be asked for, if the track still waits for one then."""
        self.asked_at = float("-inf")
        """When one was last asked for because this track fell behind."""
        self._refused_at = 0
        self._refused_in_row = 0
        self.sequence_offset = 0
        self.timestamp_offset = 0
        self.newest = _none_sent
        """Of the packet with the highest number in this run: the source's sequence and timestamp, and when it went."""
        self.packets = 0
        self.bytes_ = 0
        self.unsent = 0
        """Packets the socket would not take."""
        self.reception = Reception()
        self.on_flow: Callable[[], None] = _nothing
        """Called when packets flow for the first time, or after `Fanout.rest`."""
        self.on_ssrc_used: Callable[[], None] = _nothing
        """Called when a pipe gets another source, before its first packet: `ssrc` must be replaced by a fresh one."""
        self._next_sequence = first_number
        self._before: tuple[int, float] | None = None
        self._source_is_new = False

    @property
    def kind(self) -> Kind:
        return self.parameters.kind

    def connect(self, destination: Destination) -> None:
        """From now on packets can be protected and sent."""
        assert destination.srtp is not None
        self.destination, self.srtp, self.srtp_context = destination, destination.srtp, destination.srtp.context
        payload_type = -1 if self.pipe else self.parameters.codec.payload_type
        paddable = not self.pipe and (self.rtx or not self.repairs)
        self.format = Format(self.pipe, payload_type, self.extension_ids, self.srtp.tag_bytes, paddable)

    def begin(self, sequence: int, timestamp: int, now: float) -> None:
        """Starts a run with this packet of the source."""
        self.running = True
        self.start = self.run_start = sequence
        if self.resumes_at is not None:
            self.run_start, self.resumes_at = min(sequence, self.resumes_at), None
        self.squeeze = self.ask_at = None
        self.newest = sequence, timestamp, now
        if not self.pipe:
            self.sequence_offset = self._next_sequence - sequence
            if self._source_is_new and self._before is not None:
                last, sent_at = self._before
                ticks = max(1, round((now - sent_at) * self.clock_rate))
                self.timestamp_offset = (last + ticks - timestamp) & 0xFFFFFFFF
        self._source_is_new = False

    def source_changed(self) -> None:
        """Ends the run: the next packets are of another source, or of one that numbers anew."""
        self._end()
        self.start, self.resumes_at = _before_all, None
        self._source_is_new = True
        if self.pipe and self.newest is not _none_sent:
            self.newest = _none_sent
            self.on_ssrc_used()

    def skip(self) -> None:
        """Ends the run: a slow viewer goes on with the next keyframe, and sees no gap in the numbers."""
        if self.running:
            self.start = self.newest[0] + 1
            self._end()

    def refused(self, packets: int) -> bool:
        """The socket would not take a burst of so many packets; true when video has been refused too often in a row.

        Called after they were counted in `packets`, for each part of the burst: one that was sent in between shows.
        """
        if self.packets == self._refused_at:
            return False
        follows = self.packets == self._refused_at + packets
        self._refused_at = self.packets
        self._refused_in_row = self._refused_in_row + 1 if follows else 1
        return self.waits_for_keyframe and self._refused_in_row >= limits.refusals_in_row_max

    def fell_behind(self, now: float) -> None:
        """Ends the run as `skip`; a keyframe is asked for in time, but one slow viewer must not cost all the others."""
        self.skip()
        self._refused_in_row = 0
        self.ask_at = max(now, self.asked_at + limits.slow_viewer_keyframe_gap_seconds)

    def stats(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "codec": self.parameters.codec.name,
            "ssrc": self.ssrc,
            "packets": self.packets,
            "bytes": self.bytes_,
            "unsent": self.unsent,
            "retransmitted": self.retransmitted,
            **asdict(self.reception),
        }

    def _end(self) -> None:
        if self.running:
            sequence, timestamp, sent_at = self.newest
            self.running = False
            self._next_sequence = sequence + self.sequence_offset + 1
            self._before = (timestamp + self.timestamp_offset) & 0xFFFFFFFF, sent_at


def _nothing() -> None:
    """Nobody listens."""
