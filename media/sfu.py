"""The face of this package: WHIP and WHEP sessions, pipes between nodes, and the datagrams that are not media."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Literal
from uuid import UUID

from foundation.address import Address
from foundation.errors import LocalError
from media.answer import LocalPeer, write_answer
from media.consumer import Consumer
from media.endpoint import Endpoint
from media.interfaces import host_candidates
from media.parameters import TrackParameters
from media.pipe import PipeTransport
from media.plan import ViewPlan, plan_publish, plan_view
from media.producer import Producer
from media.router import Router
from media.sdp import Offer
from media.session import RtpSession

logger = logging.getLogger(__name__)


class WebRtcSession:
    """One WHIP or WHEP client: a transport, the producer it publishes or the consumer it watches. A `TransportHandler`.

    It ends as a whole: with its transport, its producer or its consumer, whichever ends first.
    """

    def __init__(self, rtp: RtpSession) -> None:
        self.rtp = rtp
        self.answer = ""
        self.producer: Producer | None = None
        self.consumer: Consumer | None = None
        self.connected = False
        self.closed = False
        self.on_connect: list[Callable[[], None]] = []
        """Called once, when packets may flow."""
        self.on_close: list[Callable[[str], None]] = []
        """Called once, with the reason."""
        self._taken: tuple[Producer, Sequence[TrackParameters]] | None = None
        self._succeeds = False
        self._end: Callable[[str], None] = lambda reason: None

    def close(self, reason: str = "closed") -> None:
        """Ends the transport, and with it everything; idempotent."""
        self._end(reason)

    def takes_over(self, producer: Producer, tracks: Sequence[TrackParameters], succeeds: bool) -> None:
        """`take_over` is to do something; `succeeds`: also when another client publishes the producer here."""
        self._taken, self._succeeds = (producer, tracks), succeeds

    def take_over(self) -> None:
        """Feeds the producer that this client is to publish in place of another node; others need nothing of it.

        Raises `LocalError` when that is not possible any more.
        """
        if self._taken is None:
            return
        (producer, tracks), self._taken = self._taken, None
        if producer.closed:
            self.producer = self.rtp.produce(producer.id, tracks, piped=False)
        elif producer.piped or self._succeeds:
            self.rtp.take_over(producer, tracks)
        else:
            raise LocalError(f"producer {producer.id} is published by another client")

    def ends_with(self, end: Callable[[str], None]) -> None:
        """`end` closes the transport below."""
        self._end = end

    # --- the transport's handler ---

    def transport_connected(self) -> None:
        self.connected = True
        self.rtp.transport_connected()
        for callback in self.on_connect:
            callback()

    def transport_closed(self, reason: str) -> None:
        self.closed = True
        self.rtp.transport_closed(reason)
        for callback in self.on_close:
            callback(reason)

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        self.rtp.rtp_received(packets, now)

    def rtcp_received(self, packet: bytes, now: float) -> None:
        self.rtp.rtcp_received(packet, now)

    def control_received(self, data: bytes) -> None:
        """Clients have no data channel: what they send on one is not looked at."""


class Sfu:
    """One node's media: an endpoint on the one port, and a router for what comes in and goes out by it."""

    def __init__(
        self,
        endpoint: Endpoint,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
        advertise: Sequence[Address] = (),
    ) -> None:
        self.endpoint = endpoint
        self.router = Router(endpoint.port, endpoint.send_buffer)
        self.candidates = host_candidates(endpoint.port.local, advertise)
        self._loop = loop
        self._rng = rng

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate that this node shows to clients and peers, as SDP writes it."""
        return self.endpoint.fingerprint

    def counters(self) -> dict[str, int]:
        """What the port, the endpoint and the packet path counted since the start, by name."""
        return {**self.endpoint.counters, **asdict(self.router.counters)}

    def publish(
        self, offer: Offer, producer_id: UUID, *, take_over: bool = False, succeeds: bool = False
    ) -> WebRtcSession:
        """Sets up a WHIP session; its `producer` is routed at once, and has packets once the client is connected.

        `take_over`: a producer that is piped here is published here once the session's `take_over` was called, and
        keeps its consumers; with `succeeds` one that is published here by another client too. Raises `NoCommonCodec`,
        and `LocalError` when the id is carried already or a limit is reached.
        """
        plan = plan_publish(offer)
        session, local = self._accept(offer)
        try:
            carried = self.router.get(producer_id) if take_over else None
            if carried is not None and (carried.piped or succeeds):
                carried.intakes(plan.tracks)
                session.producer = carried
                session.takes_over(carried, plan.tracks, succeeds)
            else:
                session.producer = session.rtp.produce(producer_id, plan.tracks, piped=False)
            session.answer = write_answer(offer, plan, local, str(producer_id))
        except BaseException:
            session.close("the offer cannot be answered")
            raise
        return session

    def view(self, offer: Offer, producer: Producer) -> WebRtcSession:
        """Sets up a WHEP session for a producer that is routed here. Raises `NoCommonCodec` and `LocalError`."""
        plan = plan_view(offer, [track.parameters for track in producer.tracks.values()])
        session, local = self._accept(offer)
        try:
            plan = ViewPlan(tuple(_with_ssrcs(track, session.rtp) for track in plan.tracks))
            session.consumer = session.rtp.consume(producer, plan.tracks)
            session.consumer.on_close.append(session.close)
            session.answer = write_answer(offer, plan, local, str(producer.id))
        except BaseException:
            session.close("the offer cannot be answered")
            raise
        return session

    def pipe(self) -> PipeTransport:
        """The media side of a link, for `Endpoint.dial` or as the answer to a dialing node."""
        return PipeTransport(self._rtp_session())

    async def close(self) -> None:
        """Ends every session and closes the port."""
        await self.endpoint.close()

    def _accept(self, offer: Offer) -> tuple[WebRtcSession, LocalPeer]:
        session = WebRtcSession(self._rtp_session())
        transport = self.endpoint.accept(offer.peer, session)
        session.ends_with(transport.close)
        session.rtp.bind(transport)
        setup: Literal["active", "passive"] = "active" if offer.peer.setup == "passive" else "passive"
        return session, LocalPeer(
            transport.local_ufrag, transport.local_pwd, self.endpoint.fingerprint, setup, self.candidates
        )

    def _rtp_session(self) -> RtpSession:
        return RtpSession(self.router, self._loop, self._rng)


def _with_ssrcs(track: TrackParameters, rtp: RtpSession) -> TrackParameters:
    rtx_ssrc = None if track.rtx_payload_type is None else rtp.fresh_ssrc()
    return replace(track, ssrc=rtp.fresh_ssrc(), rtx_ssrc=rtx_ssrc)
