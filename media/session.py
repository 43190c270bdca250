"""RtpSession: everything RTP on one transport: what it publishes, what it consumes, and RTCP about both.

A shell around `RtpReceiver` and `RtpSender`: it has the clock, the transport, and one timer for the earliest of what is
due. Where no packets come or go there is no timer.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtcpRrPacket, RtcpSrPacket

from foundation import limits
from foundation.errors import LocalError, RemoteError
from media import rtcp
from media.consumer import Consumer
from media.consumer_track import ConsumerTrack, Destination
from media.overlap import Overlap
from media.parameters import Kind, TrackParameters
from media.producer import Producer, ProducerTrack
from media.receiving import RtpReceiver
from media.reports import Outgoing
from media.router import Router
from media.sdes import described_mids
from media.sending import RtpSender, farewells

_first_number_bits = 15


def _nothing() -> None:
    """Nobody listens."""


class SessionTransport(Destination, Protocol):
    """What a session needs of the transport below it."""

    @property
    def rtt_seconds(self) -> float | None: ...

    def send_rtcp(self, compound: bytes) -> None: ...


class RtpSession:
    """The RTP part of a transport's handler. All is keyed by SSRC; what fits nothing is dropped and counted."""

    def __init__(
        self,
        router: Router,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`wall_clock` gives Unix seconds, for reports about sources which never said what time it is."""
        self.producers: dict[UUID, Producer] = {}
        self.consumers: set[Consumer] = set()
        self.closed = False
        self.on_producers_changed: Callable[[], None] = lambda: None
        """Called when this session feeds one more or one less."""
        self._router = router
        self._loop = loop
        self._rng = rng
        self._wall_clock = wall_clock
        self._transport: SessionTransport | None = None
        self._connected = False
        self._receiver = RtpReceiver(router.counters, rng)
        self._sender = RtpSender(router.counters, rng)
        self._newest_ssrc = rng.getrandbits(32)
        self._ssrc_step = rng.getrandbits(31) << 1 | 1
        self._ssrc = self.fresh_ssrc()
        self._cname = f"{rng.getrandbits(96):024x}"
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._early: set[int | None] = set()
        self._replacing: Producer | None = None

    @property
    def bitrate_allowed(self) -> int | None:
        """Bits per second which the other end said it can take in all; None while it said nothing."""
        return self._sender.bitrate_allowed

    def bind(self, transport: SessionTransport) -> None:
        """The transport this session is on; before it connects."""
        self._transport = transport

    def fresh_ssrc(self) -> int:
        """An SSRC that was never used on this transport.

        A walk with an odd step meets each of the 2^32 numbers once, so that none has to be remembered.
        """
        while True:
            self._newest_ssrc = (self._newest_ssrc + self._ssrc_step) & 0xFFFFFFFF
            if not self._receiver.hears(self._newest_ssrc):
                return self._newest_ssrc

    def produce(
        self,
        producer_id: UUID,
        tracks: Sequence[TrackParameters],
        piped: bool,
        on_flowing: Callable[[], None] = _nothing,
    ) -> Producer:
        """Takes the stream which the other end sends, published or piped; `on_flowing` tells that a pipe's first
        packet came.

        Raises `LocalError` when the id is carried already, at a limit, or when closed.
        """
        if self.closed:
            raise LocalError("the session is closed")
        now = self._loop.time()
        producer = Producer(producer_id, tracks, piped, self._router.forwarder, self._want_keyframe, now)
        self._router.add(producer)
        self._feed(producer)
        if piped:
            for track in producer.tracks.values():
                track.begins(now, asked=True)
            self._await(producer, tracks, on_flowing)
        return producer

    def adopt(
        self,
        producer: Producer,
        tracks: Sequence[TrackParameters],
        same_source: bool = False,
        on_flowing: Callable[[], None] = _nothing,
    ) -> None:
        """Feeds a piped producer in place of the session that does, from the first packet on; at once if none does.

        Its consumers stay. `same_source`: the numbers are those it had, of the same publisher; they run on, what came
        already is dropped, and both sessions feed it until this one is level with the other. Otherwise consumers begin
        anew, video with a keyframe. Raises `LocalError` when these cannot become its tracks, or when closed.
        """
        if self.closed:
            raise LocalError("the session is closed")
        producer.intakes(tracks)
        first, overlap = on_flowing, None
        if producer.fed:
            first = partial(self._replace, producer, tracks, same_source, on_flowing)
            overlap = Overlap(producer, tracks) if same_source else None
        else:
            self._feed_from_here(producer, tracks, same_source)
        self._await(producer, tracks, first, overlap)

    def drop(self, producer: Producer) -> None:
        """Feeds a piped producer no longer, and does not wait to; nothing happens when it did neither."""
        self._receiver.arrivals.give_up(producer.id)
        if self._replacing is producer:
            self._replacing = None
        if self.producers.get(producer.id) is producer:
            producer.orphan()

    def take_over(self, producer: Producer, tracks: Sequence[TrackParameters]) -> None:
        """The publisher of a producer that was piped here is the other end now. Raises `LocalError` as `adopt`."""
        if self.closed:
            raise LocalError("the session is closed")
        producer.intakes(tracks)
        producer.awaits(lambda: None)
        producer.orphan()
        producer.piped = False
        self._feed_from_here(producer, tracks, same_source=False)

    def keep_early(self) -> None:
        """Packets that come before the word about them are kept for a moment: on links."""
        self._receiver.arrivals.keeps_early = True

    def consume(
        self,
        producer: Producer,
        tracks: Sequence[TrackParameters],
        pipe: bool = False,
        resume: Mapping[Kind, int] | None = None,
    ) -> Consumer:
        """Sends a producer's tracks to the other end in the form it takes them, each with an SSRC of `fresh_ssrc`.

        Raises `LocalError` when the producer is closed, at a limit, or has no such track, and when the session is
        closed. On a link `mid` has to be unique: by it the other end finds the track again when its SSRC changes.
        """
        if self.closed or len(self.consumers) >= limits.consumers_per_session_max:
            raise LocalError("the session is closed, or has too many consumers")
        members = [self._consumer_track(producer, parameters, pipe) for parameters in tracks]
        consumer = Consumer(producer, members, pipe, resume)
        self.consumers.add(consumer)
        for outgoing in self._sender.add(consumer):
            outgoing.track.on_flow = partial(self._flows, outgoing)
            outgoing.track.on_ssrc_used = partial(self._replace_ssrc, outgoing)
        consumer.on_close.append(lambda _reason: self._consumer_closed(consumer))
        if self._connected and self._transport is not None:
            consumer.connect(self._transport, self._loop.time())
            self._rearm()
        return consumer

    def close(self, reason: str = "ended") -> None:
        """Says BYE, and closes all consumers and published producers for this reason; the transport stays open.

        Piped producers are orphaned: whoever had them piped takes them from elsewhere, or closes them. Idempotent.
        """
        if self.closed:
            return
        self.closed = True
        for consumer in tuple(self.consumers):
            consumer.close(reason)
        for producer in tuple(self.producers.values()):
            if producer.piped:
                producer.orphan()
            else:
                producer.close(reason)
        self._send(farewells(self._ssrc, [self._ssrc]))
        self._connected = False
        self._rearm()

    # What the transport calls.

    def transport_connected(self) -> None:
        """Packets may flow."""
        assert self._transport is not None
        self._connected = not self.closed
        for consumer in tuple(self.consumers):
            consumer.connect(self._transport, self._loop.time())
        self._poll(self._loop.time())

    def transport_closed(self, reason: str) -> None:
        """There is nobody left to talk to."""
        self._connected = False
        self.close(reason)

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        """Takes the packets of one burst."""
        if not self.closed:
            if self._early:
                self._receive_early()
            self._receiver.received(packets, now)
            self._rearm()

    def rtcp_received(self, packet: bytes, now: float) -> None:
        """Takes one compound."""
        if self.closed:
            return
        counters = self._router.counters
        counters.rtcp_received += 1
        try:
            for part in rtcp.parse_compound(packet):
                self._take(part, now)
            for ssrc, mid in described_mids(packet):
                self._receiver.described(ssrc, mid, now)
        except RemoteError:
            counters.rtcp_malformed += 1
        self._poll(now)

    def _take(self, part: AnyRtcpPacket, now: float) -> None:
        if isinstance(part, RtcpSrPacket):
            self._receiver.sender_reported(part, now)
        if isinstance(part, RtcpSrPacket | RtcpRrPacket):
            for block in part.reports:
                self._sender.receiver_reported(block, now)
        elif isinstance(part, RtcpByePacket):
            for ssrc in part.sources:
                self._receiver.ended(ssrc)
                self._forget([ssrc])
        else:
            self._sender.feedback(rtcp.feedback_message(part), now)

    # What producers, consumers and their tracks call.

    def _want_keyframe(self, track: ProducerTrack) -> None:
        now = self._loop.time()
        self._receiver.want_keyframe(track, now)
        self._poll(now)

    def _flows(self, outgoing: Outgoing) -> None:
        self._sender.flows(outgoing, self._loop.time())
        self._rearm()

    def _replace_ssrc(self, outgoing: Outgoing) -> None:
        """A pipe's source numbers anew: under the old SSRC it would repeat indices of SRTP."""
        ended = outgoing.track.ssrc
        self._send([self._sender.replace_ssrc(outgoing, self.fresh_ssrc())])
        self._forget_outgoing([ended])

    def _feed(self, producer: Producer) -> None:
        self.producers[producer.id] = producer
        self._receiver.add(producer)
        producer.feed(self._want_keyframe, self._let_go)
        self.on_producers_changed()

    def _feed_from_here(self, producer: Producer, tracks: Sequence[TrackParameters], same_source: bool) -> None:
        producer.orphan()
        producer.retrack(tracks, same_source, self._loop.time())
        self._feed(producer)

    def _replace(
        self,
        producer: Producer,
        tracks: Sequence[TrackParameters],
        same_source: bool,
        on_flowing: Callable[[], None],
    ) -> None:
        """Whoever is told may drop the producer: then what fed it until now goes on."""
        self._replacing = producer
        on_flowing()
        if self._replacing is producer and not producer.closed:
            self._feed_from_here(producer, tracks, same_source)
        self._replacing = None

    def _await(
        self,
        producer: Producer,
        tracks: Sequence[TrackParameters],
        first: Callable[[], None],
        overlap: Overlap | None = None,
    ) -> None:
        arrivals = self._receiver.arrivals
        producer.awaits(partial(arrivals.give_up, producer.id))
        arrivals.expect(producer.id, tracks, first, overlap)
        if arrivals.keeps_early:
            self._early |= {ssrc for track in tracks for ssrc in (track.ssrc, track.rtx_ssrc)}
            self._loop.call_at(self._loop.time(), self._receive_early)

    def _receive_early(self) -> None:
        """What came before it was announced; not at once, as whoever announces it is not ready yet."""
        ssrcs, self._early = self._early, set()
        now = self._loop.time()
        if not self.closed and (packets := self._receiver.arrivals.early(ssrcs, now)):
            self._receiver.received(packets, now)
            self._rearm()

    def _let_go(self, producer: Producer) -> None:
        del self.producers[producer.id]
        self._forget(self._receiver.remove(producer))
        self.on_producers_changed()

    def _consumer_closed(self, consumer: Consumer) -> None:
        self.consumers.discard(consumer)
        ended = self._sender.remove(consumer)
        self._send(farewells(self._ssrc, ended))
        repairs = [track.parameters.rtx_ssrc for track in consumer.tracks.values()]
        self._forget_outgoing([*ended, *(ssrc for ssrc in repairs if ssrc is not None)])

    def _consumer_track(self, producer: Producer, parameters: TrackParameters, pipe: bool) -> ConsumerTrack:
        source = producer.tracks.get(parameters.kind)
        if source is None:
            raise LocalError(f"producer {producer.id} has no {parameters.kind}")
        return ConsumerTrack(source.parameters, parameters, pipe, self._rng.getrandbits(_first_number_bits))

    def _forget(self, ssrcs: Iterable[int]) -> None:
        """SRTP keeps state for each SSRC it hears, and has room for so many."""
        if self._transport is not None and self._transport.srtp is not None:
            for ssrc in ssrcs:
                self._transport.srtp.forget(ssrc)

    def _forget_outgoing(self, ssrcs: Iterable[int]) -> None:
        """After BYE, and after the packet path has let go of them: none of them is ever used again."""
        if self._transport is not None and self._transport.srtp is not None:
            for ssrc in ssrcs:
                self._transport.srtp.forget_outgoing(ssrc)

    def _send(self, compounds: Iterable[bytes]) -> None:
        if self._connected and self._transport is not None:
            for compound in compounds:
                self._transport.send_rtcp(compound)

    # The timer.

    def _poll(self, now: float) -> None:
        """Sends what is due."""
        if self._connected and self._transport is not None:
            self._send(self._receiver.poll(self._ssrc, self._cname, now, self._transport.rtt_seconds))
            self._send(self._sender.poll(now, self._wall_clock()))
        self._rearm()

    def _ring(self) -> None:
        self._timer = None
        self._poll(max(self._timer_at, self._loop.time()))

    def _rearm(self) -> None:
        """A timer that rings too early is left alone: it finds nothing due and is set again."""
        times = (self._receiver.timeout(), self._sender.timeout()) if self._connected else ()
        when = min((when for when in times if when is not None), default=None)
        if self._timer is not None:
            if when is not None and self._timer_at <= when:
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer_at = max(when, self._loop.time())
            self._timer = self._loop.call_at(self._timer_at, self._ring)
