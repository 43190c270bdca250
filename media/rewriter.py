"""What one consumer does to each packet of its producer: the slow and clear model of `media.forward`.

Sans-IO. Towards a viewer: SSRC, payload type and extension ids become the consumer's, sequence numbers run on without
a seam, timestamps are the source's and run on when the source changes. Towards a pipe only the SSRC is replaced.
"""

from foundation import limits
from media.parameters import TrackParameters
from media.rtp import ONE_BYTE_ID_MAX, RtpHeader, elements

HOP_EXTENSIONS = frozenset(
    {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    }
)
"""They speak of one transport; passed on, they would name a wrong m-line or measure two paths as one."""


def extension_ids(source: TrackParameters, consumer: TrackParameters) -> dict[int, int]:
    """The id at the source to the id at the consumer, for every extension which both agreed and which may pass on."""
    ids = {extension.uri: extension.id for extension in consumer.extensions if extension.uri not in HOP_EXTENSIONS}
    return {extension.id: ids[extension.uri] for extension in source.extensions if extension.uri in ids}


def remapped_extensions(packet: bytes, header: RtpHeader, ids: dict[int, int]) -> bytes:
    """The header extension block of the same length, in which only elements with an id in `ids` are left, renamed.

    All other bytes are zero (padding, RFC 8285): elements the consumer does not know, or whose new id does not fit
    the one-byte form, what stands behind a reserved id, and a block of a profile that is not of RFC 8285. Raises
    `RemoteError` for a malformed block.
    """
    start = header.extensions_start
    block = bytearray(header.extensions_end - start)
    for identifier, value_at, length in elements(packet, header):
        new = ids.get(identifier)
        if new is None or (header.extensions_one_byte and new > ONE_BYTE_ID_MAX):
            continue
        at = value_at - start
        if header.extensions_one_byte:
            block[at - 1] = new << 4 | (length - 1)
        else:
            block[at - 2], block[at - 1] = new, length
        block[at : at + length] = packet[value_at : value_at + length]
    return bytes(block)


class Rewriter:
    """One consumer track. Its state may be read, and is all that the fast path has to keep too.

    A *run* is a stretch of one source passed on with one `sequence_offset` and one `timestamp_offset`: the packet with
    the source's extended sequence number `s` leaves as `s + sequence_offset`, so that a loss stays a gap. A new run
    begins behind everything sent before, and with a keyframe if the consumer waits for such; what is older than its
    `start` is dropped. So no two packets ever leave under one (SSRC, extended sequence number).
    """

    def __init__(
        self,
        ssrc: int,
        payload_type: int,
        clock_rate: int,
        extension_ids: dict[int, int],
        *,
        first_sequence_number: int = 0,
        wait_for_keyframe: bool = False,
        pipe: bool = False,
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.extension_ids = extension_ids
        self.wait_for_keyframe = wait_for_keyframe
        self.pipe = pipe
        self.running = False
        self.start: int | None = None
        """The source's extended sequence number below which nothing is sent; None until its first packet is."""
        self.sequence_offset = 0
        self.timestamp_offset = 0
        """Outgoing minus source's timestamp modulo 2^32; sender reports need it, and are right only in a run."""
        self.next_sequence = first_sequence_number
        """The extended outgoing number behind everything sent; a viewer's next run begins with it."""
        self.packets = 0
        self.bytes_ = 0
        self.dropped_waiting = 0
        self.dropped_late = 0
        self._source_is_new = False
        self._highest = 0
        self._sent: set[int] = set()
        self._newest: tuple[int, float] | None = None

    @property
    def waiting(self) -> bool:
        """Whether only the start of a keyframe would be sent: ask the producer for one."""
        return self.wait_for_keyframe and not self.running

    def rewrite(
        self, packet: bytes, header: RtpHeader, sequence: int, starts_keyframe: bool, now: float
    ) -> bytes | None:
        """The packet as this consumer gets it, of the same length, or None when it gets none.

        `sequence` is what `Source.received` said of the packet. Raises `RemoteError`, and changes nothing, when the
        header extensions are malformed.
        """
        extensions = None if self.pipe else remapped_extensions(packet, header, self.extension_ids)
        if self._too_late(sequence):
            self.dropped_late += 1
            return None
        if self.waiting and not starts_keyframe:
            self.dropped_waiting += 1
            return None
        if not self.running:
            self._begin(sequence, header.timestamp, now)
        return self._send(packet, header, sequence, extensions, now)

    def source_changed(self, ssrc: int | None = None) -> None:
        """Another source feeds this consumer from now on: an SSRC, or the same one that `restarts` its numbers.

        The timestamps of a viewer run on by the time that has passed since the newest packet it was sent. A pipe keeps
        the numbers of the source, and must be given an `ssrc` that was never used on its transport.
        """
        assert ssrc is not None or not self.pipe
        if ssrc is not None:
            self.ssrc = ssrc
        self.running = False
        self.start = None
        self._source_is_new = True

    def skip(self) -> None:
        """Ends the run: a slow viewer goes on with the next keyframe, and sees no gap in the numbers."""
        if self.running:
            self.running = False
            self.start = self._highest + 1

    def _too_late(self, sequence: int) -> bool:
        if self.start is None:
            return False
        return sequence < self.start or sequence <= self._highest - limits.sequence_late_max or sequence in self._sent

    def _begin(self, sequence: int, timestamp: int, now: float) -> None:
        self.running = True
        self.start = self._highest = sequence
        self._sent = set()
        if not self.pipe:
            self.sequence_offset = self.next_sequence - sequence
            if self._source_is_new and self._newest is not None:
                last, sent_at = self._newest
                ticks = max(1, round((now - sent_at) * self.clock_rate))
                self.timestamp_offset = (last + ticks - timestamp) & 0xFFFFFFFF
        self._source_is_new = False

    def _send(self, packet: bytes, header: RtpHeader, sequence: int, extensions: bytes | None, now: float) -> bytes:
        outgoing = sequence + self.sequence_offset
        timestamp = (header.timestamp + self.timestamp_offset) & 0xFFFFFFFF
        self._sent.add(sequence)
        if sequence >= self._highest:
            self._highest = sequence
            self.next_sequence = outgoing + 1
            self._newest = timestamp, now
            self._sent = {number for number in self._sent if number > sequence - limits.sequence_late_max}
        self.packets += 1
        self.bytes_ += len(packet)
        rewritten = bytearray(packet)
        rewritten[8:12] = self.ssrc.to_bytes(4, "big")
        if extensions is not None:
            rewritten[1] = header.marker << 7 | self.payload_type
            rewritten[2:4] = (outgoing & 0xFFFF).to_bytes(2, "big")
            rewritten[4:8] = timestamp.to_bytes(4, "big")
            rewritten[header.extensions_start : header.extensions_end] = extensions
        return bytes(rewritten)
