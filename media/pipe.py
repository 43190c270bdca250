"""The media side of a link (mediasoup's PipeTransport): piped producers both ways, and control messages beside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from media.consumer import Consumer
from media.parameters import Kind, TrackParameters
from media.producer import Producer
from media.session import RtpSession
from media.transport import Transport

_rtx_payload_types = (127, 126)
"""On links, where SSRCs tell streams apart; the second for a track whose own one is the first."""


def _nothing() -> None:
    """Nobody listens."""


class PipeTransport:
    """One DTLS-SRTP transport between two nodes; any number of pipes. A `TransportHandler`.

    Who uses it sets the three callbacks before the first packet arrives.
    """

    def __init__(self, rtp: RtpSession) -> None:
        self.rtp = rtp
        rtp.keep_early()
        rtp.on_producers_changed = self._weigh
        self.on_connected: Callable[[], None] = lambda: None
        self.on_closed: Callable[[str], None] = lambda reason: None
        self.on_control: Callable[[bytes], None] = lambda data: None
        self._transport: Transport | None = None
        self._out: dict[UUID, Consumer] = {}

    @property
    def transport(self) -> Transport:
        assert self._transport is not None, "bind comes first"
        return self._transport

    @property
    def remote_fingerprint(self) -> str:
        """SHA-256 of the certificate the peer showed, once connected."""
        return self.transport.remote_fingerprint

    @property
    def rtt_seconds(self) -> float | None:
        return self.transport.rtt_seconds

    def bind(self, transport: Transport) -> None:
        """The transport whose handler this is."""
        self._transport = transport
        self.rtp.bind(transport)

    def send_control(self, data: bytes) -> None:
        """Raises `LocalError` when not connected, or when too much is waiting."""
        self.transport.send_control(data)

    def pipe_out(self, producer: Producer, resume: Mapping[Kind, int] | None = None) -> tuple[TrackParameters, ...]:
        """Sends the producer to the peer from now on; gives its tracks with the fresh SSRCs they have on this link.

        Each track begins, out of the cache and faster than live, with the packet whose 16-bit sequence number `resume`
        says: the peer's `Producer.positions`, of the same source. Where the cache has it no more, or without `resume`,
        video begins with the last keyframe; if that is too old one is asked for. Packets follow the present turn of
        the loop, so that a message with the tracks is sent before them.

        A pipe of the same producer that is there already is replaced: under one SRTP key no SSRC is used twice.
        Raises `LocalError` when the producer is closed or has too many consumers.
        """
        self.stop_pipe(producer.id, "replaced")
        tracks = tuple(self._outgoing(track.parameters) for track in producer.tracks.values())
        consumer = self.rtp.consume(producer, tracks, pipe=True, resume=resume)
        self._out[producer.id] = consumer
        consumer.on_close.append(lambda _reason: self._forget(producer.id, consumer))
        self._weigh()
        return tuple(replace(track, backlog_end=consumer.backlog_end(track.kind)) for track in tracks)

    def stop_pipe(self, producer_id: UUID, reason: str) -> None:
        """Sends the producer no longer; nothing happens when it was not sent."""
        if (consumer := self._out.get(producer_id)) is not None:
            consumer.close(reason)

    def pipe_in(
        self, producer_id: UUID, tracks: Sequence[TrackParameters], on_flowing: Callable[[], None] = _nothing
    ) -> Producer:
        """Takes a producer from the peer; `on_flowing` is called with its first packet.

        Raises `LocalError` when it is carried here already.
        """
        return self.rtp.produce(producer_id, tracks, True, on_flowing)

    def adopt(
        self,
        producer: Producer,
        tracks: Sequence[TrackParameters],
        *,
        same_source: bool = False,
        on_flowing: Callable[[], None] = _nothing,
    ) -> None:
        """Takes from the peer, from its first packet on, what another link brought until now; its consumers stay.

        `same_source`: it is the same session of the same publisher, whose numbers run on; viewers then see no seam, as
        both links feed it until this one has come level with the other. `on_flowing` is called with the first packet,
        or once it is level: from then on the other link's are dropped. Raises `LocalError`
        when the tracks cannot be mapped.
        """
        self.rtp.adopt(producer, tracks, same_source, on_flowing)

    def drop(self, producer: Producer) -> None:
        """Takes a producer from the peer no longer, nor waits for it; it stays, with its consumers."""
        self.rtp.drop(producer)

    def close(self, reason: str = "closed") -> None:
        """Ends the link with everything on it; idempotent."""
        self.transport.close(reason)

    # --- the transport's handler ---

    def transport_connected(self) -> None:
        self.rtp.transport_connected()
        self.on_connected()

    def transport_closed(self, reason: str) -> None:
        self.rtp.transport_closed(reason)
        self.on_closed(reason)

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        self.rtp.rtp_received(packets, now)

    def rtcp_received(self, packet: bytes, now: float) -> None:
        self.rtp.rtcp_received(packet, now)

    def control_received(self, data: bytes) -> None:
        self.on_control(data)

    def _outgoing(self, parameters: TrackParameters) -> TrackParameters:
        """On a link a track needs a mid that no other has: by it the peer finds it again when its SSRC changes.

        Every track is repaired by RTX there, audio too: a hop between nodes is short, or its requests are not sent.
        """
        ssrc = self.rtp.fresh_ssrc()
        rtx_payload_type = _rtx_payload_types[parameters.codec.payload_type == _rtx_payload_types[0]]
        return replace(
            parameters,
            ssrc=ssrc,
            mid=f"{ssrc:08x}",
            rtx_payload_type=rtx_payload_type,
            rtx_ssrc=self.rtp.fresh_ssrc(),
            backlog_end=None,
        )

    def _forget(self, producer_id: UUID, consumer: Consumer) -> None:
        if self._out.get(producer_id) is consumer:
            del self._out[producer_id]
        self._weigh()

    def _weigh(self) -> None:
        """A link that carries media is watched more closely than an idle one, one by which it comes in most."""
        if self._transport is not None:
            self._transport.set_busy(bool(self._out or self.rtp.producers), bool(self.rtp.producers))
