"""One remote peer on the node's port: ICE says where it is, DTLS who it is, and SRTP carries its packets."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aioice.stun import Message

from foundation import limits
from foundation.address import Address
from foundation.errors import LocalError, RemoteError, Replayed
from foundation.tasks import TaskScope
from media import stun
from media.demux import is_rtcp
from media.drops import Drops
from media.dtls import DtlsAssociation, DtlsIdentity, DtlsRole
from media.ice import IceDialer, IceLite
from media.link_watch import LinkWatch
from media.path_checks import PathChecks
from media.port import UdpPort
from media.srtp import Srtp, SrtpKeys

logger = logging.getLogger(__name__)

TransportState = Literal["new", "connecting", "connected", "closed"]

_timer_slack_seconds = 0.001
"""uvloop's clock and timers count whole milliseconds: a timer that rings so much early is set again, not spun on."""


class TransportHandler(Protocol):
    """Who uses a transport. What these raise closes this transport, and nothing else."""

    def transport_connected(self) -> None:
        """Packets, and on links messages, may be sent from now on."""

    def transport_closed(self, reason: str) -> None:
        """Called exactly once, and nothing after it."""

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        """The decrypted RTP packets of one burst, in the order of arrival."""

    def rtcp_received(self, packet: bytes, now: float) -> None:
        """One decrypted compound RTCP packet."""

    def control_received(self, data: bytes) -> None:
        """One message of the control channel; only on links."""


class Nobody:
    """The handler of a transport that has none yet."""

    def transport_connected(self) -> None: ...

    def transport_closed(self, reason: str) -> None: ...

    def rtp_received(self, packets: list[bytes], now: float) -> None: ...

    def rtcp_received(self, packet: bytes, now: float) -> None: ...

    def control_received(self, data: bytes) -> None: ...


@dataclass(slots=True)
class TransportSurroundings:
    """What all transports of one endpoint share."""

    loop: asyncio.AbstractEventLoop
    port: UdpPort
    identity: DtlsIdentity
    tasks: TaskScope
    drops: Drops
    on_connected: "Callable[[Transport], None]"
    on_closed: "Callable[[Transport], None]"
    rng: random.Random = field(default_factory=random.SystemRandom)


class Transport:
    """Made by an `Endpoint`; `new` until the first valid check, `connecting` until the handshake is done."""

    def __init__(
        self,
        surroundings: TransportSurroundings,
        ice: IceLite | IceDialer,
        *,
        local_ufrag: str,
        remote_ufrag: str,
        role: DtlsRole,
        fingerprints: Sequence[tuple[str, str]] | None,
        link: bool,
        handler: TransportHandler,
    ) -> None:
        self.state: TransportState = "new"
        self.ice = ice
        self.local_ufrag, self.local_pwd = local_ufrag, ice.password
        self.remote_ufrag = remote_ufrag
        self.dialed = ice.remote if isinstance(ice, IceDialer) else None
        self.link = link
        self.handler = handler
        self.srtp: Srtp | None = None
        self.remote_fingerprint = ""
        self.sockaddr: tuple[Any, ...] | None = None
        self._around = surroundings
        self._role = role
        self._fingerprints = fingerprints
        self._association: DtlsAssociation | None = None
        self._checks = ice.checks if isinstance(ice, IceDialer) else self._checks_back()
        self._watch: LinkWatch | None = None
        self._busy = self._awaits_media = False
        self._timer: asyncio.TimerHandle | None = None
        self._burst: list[bytes] = []
        self._early: list[bytes] = []
        seconds = limits.link_handshake_seconds_max if link else limits.handshake_seconds_max
        self._connected_by = surroundings.loop.time() + seconds

    @property
    def remote(self) -> Address | None:
        """Where packets go: the nominated address, before that the first validated one."""
        return self.ice.remote if self.state != "new" else None

    @property
    def addresses(self) -> Iterable[Address]:
        """From where packets are taken."""
        return self.ice.addresses

    @property
    def rtt_seconds(self) -> float | None:
        """Smoothed round trip of the checks this end sends; known where it dialed, and at both ends of a link."""
        return self._checks.srtt_seconds

    @property
    def heard_at(self) -> float:
        """When the peer last proved to be there: a valid check or answer, or authenticated SRTP."""
        return self.ice.heard_at

    def send_rtcp(self, compound: bytes) -> None:
        """Encrypts and sends one compound RTCP packet; nothing happens unless connected."""
        if self.state == "connected" and self.srtp is not None:
            self._transmit(self.srtp.protect_rtcp(compound))

    def send_control(self, data: bytes) -> None:
        """Sends one message over a link. Raises `LocalError` when not connected, too large, or too much is waiting."""
        if self.state != "connected" or self._association is None:
            raise LocalError("the link is not connected")
        self._association.send_control(data)

    def set_busy(self, busy: bool, awaits_media: bool = False) -> None:
        """Whether a link carries media, and whether some comes in: the more closely its other end is watched."""
        self._busy, self._awaits_media = busy, awaits_media
        if self._watch is not None and self.state == "connected":
            self._watch.set_busy(busy, awaits_media, self._around.loop.time())
            self._rearm()

    def close(self, reason: str = "closed") -> None:
        """Says goodbye, forgets everything and tells the handler why; idempotent."""
        if self.state == "closed":
            return
        if self._association is not None:
            self._association.close()
        self.state = "closed"
        if self._timer is not None:
            self._timer.cancel()
        self._burst, self._early = [], []
        self._around.on_closed(self)
        logger.debug("transport %s closed: %s", self.local_ufrag, reason)
        try:
            self.handler.transport_closed(reason)
        except Exception:
            self._handler_failed()
        self.handler = Nobody()  # as handlers refer to us: see `_associate`

    # What follows is for the endpoint.

    def start(self) -> None:
        """Sends the first check, or waits for the first one; arms the timer."""
        self._tick()

    def validated(self) -> None:
        """After each valid check or answer: the path may be new, or have moved."""
        if self.state == "closed":
            return
        remote = self.ice.remote
        self.sockaddr = None if remote is None else self._around.port.sockaddr(remote)
        if self.state == "new":
            self.state = "connecting"
        if self._association is None and (self._role == "server" or self._nominated):
            self._shake_hands()
        if isinstance(self.ice, IceDialer):
            self._rearm()

    def checked(self, check: Message, address: Address, now: float) -> None:
        """An authenticated check of the other end of a link that we dialed, from where it is: answered."""
        self.ice.heard_at = now
        self._transmit(stun.success_response(check, address, self.local_pwd))

    def answered(self, data: bytes, address: Address, now: float) -> None:
        """A binding response from `address`. Raises `RemoteError` unless it answers a check of ours."""
        if isinstance(self.ice, IceDialer):
            self.ice.answer(data, address, now)
        else:
            self._checks.answered(data, now)
            self.ice.heard_at = now

    def suspect(self, now: float) -> None:
        """Somebody else claims the address: if the other end of this link does not answer any more, the link ends."""
        if self._watch is not None and self.state == "connected":
            self._watch.suspect(now)
            self._tick()

    def lost_address(self, address: Address) -> None:
        """A validated address, silent for a while, belongs to another transport now; a dialed one was all there is."""
        if isinstance(self.ice, IceDialer):
            self.close("another peer has the dialed address now")
        else:
            self.ice.drop_address(address)
            self.sockaddr = self.sockaddr if self.ice.remote else None

    def dtls_received(self, data: bytes) -> None:
        """One DTLS datagram from a validated address."""
        if self._association is None or not self._association.receive(data):
            self._around.drops.dtls_overflow += 1

    def srtp_received(self, data: bytes, now: float) -> bool:
        """One SRTP or SRTCP packet from a validated address; true when it begins a burst, which `flush` hands over."""
        if self.srtp is None:
            self._keep_early(data)
            return False
        rtcp = is_rtcp(data)
        try:
            packet = self.srtp.unprotect_rtcp(data) if rtcp else self.srtp.unprotect(data)
        except Replayed:
            self._around.drops.srtp_replayed += 1
            return False
        except RemoteError:
            self._around.drops.srtp_refused += 1
            return False
        self.ice.heard_at = now
        if rtcp:
            self._call(self.handler.rtcp_received, packet, now)
            return False
        self._burst.append(packet)
        return len(self._burst) == 1

    def flush(self, now: float) -> None:
        """Hands over the burst."""
        packets, self._burst = self._burst, []
        if self._watch is not None and self._watch.media(now):
            self._rearm()
        if packets:
            self._call(self.handler.rtp_received, packets, now)

    # What follows is this transport's own.

    @property
    def _nominated(self) -> bool:
        return self.ice.connected if isinstance(self.ice, IceDialer) else self.ice.nominated

    def _transmit(self, data: bytes) -> None:
        if self.sockaddr is not None:
            self._around.port.send(data, self.sockaddr)

    def _shake_hands(self) -> None:
        association = DtlsAssociation(
            self._around.identity,
            role=self._role,
            fingerprints=self._fingerprints,
            control=self.link,
            transmit=self._transmit,
            on_connected=self._connected,
            on_control=lambda data: self._call(self.handler.control_received, data),
        )
        self._association = association
        self._around.tasks.spawn(self._associate(association), f"dtls {self.local_ufrag}")

    async def _associate(self, association: DtlsAssociation) -> None:
        reason = "the DTLS association failed"
        try:
            reason = await association.run()
        finally:
            self.close(reason)
            self._association = None  # which refers to us: without the circle its 135 KB go now, not when Python looks

    def _connected(self, keys: SrtpKeys, fingerprint: str) -> None:
        if self.state != "connecting":
            return
        self.srtp = Srtp(keys)
        self.remote_fingerprint = fingerprint
        self.state = "connected"
        self._around.on_connected(self)
        if self.link:
            now = self._around.loop.time()
            self._watch = LinkWatch(self._checks, isinstance(self.ice, IceDialer), now)
            self._watch.set_busy(self._busy, self._awaits_media, now)
            self._tick()
        self._call(self.handler.transport_connected)
        self._replay_early()

    def _keep_early(self, data: bytes) -> None:
        """Media may arrive in the same burst as the last datagram of the handshake, which a task reads only later."""
        if len(self._early) < limits.srtp_early_packets_max:
            self._early.append(data)
        else:
            self._around.drops.srtp_early += 1

    def _replay_early(self) -> None:
        early, self._early = self._early, []
        now = self._around.loop.time()
        for data in early:
            if self.state == "connected":
                self.srtp_received(data, now)
        self.flush(now)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Calls the handler, unless it was told that this transport is closed."""
        if self.state == "closed":
            return
        try:
            callback(*arguments)
        except RemoteError as exc:
            self.close(str(exc))
        except Exception:
            self._handler_failed()
            self.close("internal error")

    def _handler_failed(self) -> None:
        self._around.drops.handler_failures += 1
        logger.exception("the handler of transport %s failed", self.local_ufrag)

    def _checks_back(self) -> PathChecks:
        """What a dialed end sends to the one that dialed: it stays controlled, and opens nothing."""
        role = {"ICE-CONTROLLED": self._around.rng.getrandbits(64)}
        return PathChecks(f"{self.remote_ufrag}:{self.local_ufrag}", self.local_pwd, self._around.rng, role)

    def _tick(self) -> None:
        now = self._around.loop.time()
        if self.state != "connected" and now >= self._connected_by:
            self.close("the handshake took too long")
        elif self._watch is None and now >= self.ice.expires_at:
            self.close("the peer is silent")
        else:
            check = self._due_check(now)
            if self._watch is not None and self._watch.silent:
                self.close("silent")
                return
            if check is not None and (remote := self.ice.remote) is not None:
                self._around.port.send(check, self._around.port.sockaddr(remote))
            self._rearm()

    def _due_check(self, now: float) -> bytes | None:
        if self._watch is not None:
            return self._watch.poll(now, self.ice.heard_at)
        return self.ice.poll(now) if isinstance(self.ice, IceDialer) else None

    def _rearm(self) -> None:
        """One timer, for whatever is next; a sign of life only moves the deadline, and the timer finds that out."""
        if self._watch is not None:
            when = self._watch.timeout(self.ice.heard_at)
        else:
            when = self.ice.expires_at
            if isinstance(self.ice, IceDialer):
                when = min(when, self.ice.next_at)
        if self.state != "connected":
            when = min(when, self._connected_by)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._around.loop.call_at(max(when, self._around.loop.time() + _timer_slack_seconds), self._tick)
