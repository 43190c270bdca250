"""The node's one UDP port with everything on it: datagrams in, each to the transport it belongs to, or to nobody."""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ParamSpec, TypeVar

from aioice.stun import Message

from foundation import limits
from foundation.address import Address
from foundation.errors import BadOffer, LocalError, RemoteError, SwarmFull
from foundation.tasks import TaskScope
from media import stun
from media.demux import KIND_OF_FIRST_BYTE, DatagramKind
from media.drops import Drops
from media.dtls import DtlsIdentity
from media.ice import IceDialer, IceLite
from media.peer import RemotePeer
from media.port import UdpPort
from media.srtp import SendBuffer
from media.table import TransportTable
from media.transport import Nobody, Transport, TransportHandler, TransportSurroundings

logger = logging.getLogger(__name__)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

OnDialed = Callable[[str, Address, Transport], TransportHandler | None]


@dataclass(frozen=True, slots=True)
class _Listening:
    local_ufrag: str
    password_of: Callable[[str], str | None]
    on_dialed: OnDialed


class Endpoint:
    """Owns the port and every transport on it.

    DTLS and SRTP are looked at only from addresses with a valid ICE check on a live transport, and nothing that is not
    authenticated is answered: everything else is dropped and counted in `drops`.
    """

    def __init__(self, port: UdpPort, loop: asyncio.AbstractEventLoop, identity: DtlsIdentity | None = None) -> None:
        self.port = port
        self.drops = Drops()
        self.send_buffer = SendBuffer()
        self.on_datagram: Callable[[bytes, Address], None] | None = None
        """What takes the datagrams that begin with 0xD5."""
        self._identity = identity or DtlsIdentity()
        self.fingerprint = self._identity.fingerprint
        self._loop = loop
        self._rng = random.SystemRandom()
        self._tasks = TaskScope("endpoint", limits.transports_max)
        self._table = TransportTable()
        self._listening: _Listening | None = None
        self._closed = False
        self._around = TransportSurroundings(
            loop=loop,
            port=port,
            identity=self._identity,
            tasks=self._tasks,
            drops=self.drops,
            on_connected=self._table.connected,
            on_closed=self._table.remove,
            rng=self._rng,
        )

    @classmethod
    def open(cls, host: str, port: int, loop: asyncio.AbstractEventLoop) -> "Endpoint":
        """Binds the port (see `UdpPort.open`), makes the node's certificate and starts to read. Raises `OSError`."""
        endpoint = cls(UdpPort.open(host, port), loop)
        endpoint.start()
        return endpoint

    def start(self) -> None:
        """Begins to read, from a port that the caller bound."""
        self.port.start(self._loop, self._on_burst)

    @property
    def transports(self) -> int:
        """How many transports live."""
        return len(self._table.all)

    @property
    def counters(self) -> dict[str, int]:
        """Everything that the port and the endpoint count, by name."""
        port = {f"port_{name}": value for name, value in asdict(self.port.counters).items()}
        return {**port, **{f"dropped_{name}": value for name, value in asdict(self.drops).items()}}

    def accept(self, peer: RemotePeer, handler: TransportHandler) -> Transport:
        """A transport for a client whose offer was read: it waits for the client's checks, as ICE-lite does.

        Our answer says `local_ufrag` and `local_pwd`, and `setup:active` to a `passive` offer, else `setup:passive`.
        Raises `SwarmFull` when there is no room, `BadOffer` without a fingerprint.
        """
        if not peer.fingerprints:
            raise BadOffer("the offer has no certificate fingerprint")
        if not self._has_room:
            raise SwarmFull("this node has no room for another connection")
        transport = Transport(
            self._around,
            IceLite(secrets.token_hex(16), limits.ice_consent_seconds_max, self._loop.time()),
            local_ufrag=secrets.token_hex(4),
            remote_ufrag=peer.ufrag,
            role="client" if peer.setup == "passive" else "server",
            fingerprints=peer.fingerprints,
            link=False,
            handler=handler,
        )
        self._table.add_accepted(transport)
        transport.start()
        return transport

    def dial(
        self,
        address: Address,
        *,
        local_ufrag: str,
        remote_ufrag: str,
        password: str,
        fingerprint: str,
        handler: TransportHandler,
        link: bool = True,
    ) -> Transport:
        """A link to a node that listens under `remote_ufrag`; `local_ufrag` has to be fresh for every dial.

        Without `link` it has no control channel: the client of a WHIP or WHEP answer, for load generators.

        When that node dials us at the same moment, one of the two is closed with the reason `media.table.SUPERSEDED`.
        Raises `LocalError` when there is no room, the address cannot be reached, or belongs to a transport already.
        """
        if not self._has_room:
            raise LocalError("this node has no room for another link")
        if self._table.dialed_out(address) or self._table.at(address):
            raise LocalError("there is a link to this address already")
        self.port.sockaddr(address)
        transport = Transport(
            self._around,
            IceDialer(f"{remote_ufrag}:{local_ufrag}", password, address, self._rng, self._loop.time(), link),
            local_ufrag=local_ufrag,
            remote_ufrag=remote_ufrag,
            role="client",
            fingerprints=(("sha-256", fingerprint),),
            link=link,
            handler=handler,
        )
        self._table.add_dialed_out(transport, address)
        transport.start()
        return transport

    def listen(self, local_ufrag: str, password_of: Callable[[str], str | None], on_dialed: OnDialed) -> None:
        """Takes links which other nodes dial: checks for `local_ufrag:remote_ufrag` under `password_of(remote_ufrag)`.

        `on_dialed(remote_ufrag, address, transport)` is called before each handshake and returns the handler, or None
        to refuse. Any certificate is taken: compare `transport.remote_fingerprint` once it is connected.
        """
        self._listening = _Listening(local_ufrag, password_of, on_dialed)

    def send_datagram(self, data: bytes, address: Address) -> None:
        """Sends one datagram of the DHT; what cannot be sent is dropped and counted."""
        try:
            sockaddr = self.port.sockaddr(address)
        except LocalError:
            self.drops.datagrams_unsent += 1
            return
        self.port.send(data, sockaddr)

    async def close(self) -> None:
        """Closes every transport, ends every task and gives the port back."""
        self._closed = True
        self._listening = None
        for transport in list(self._table.all):
            transport.close("this node is shutting down")
        await self._tasks.close()
        await asyncio.sleep(0)  # aiortc's own tasks, which never wait, end in this turn of the loop
        self.port.close()

    @property
    def _has_room(self) -> bool:
        table = self._table
        return (
            not self._closed
            and len(table.all) < limits.transports_max
            and len(table.unconnected) < limits.transports_unconnected_max
        )

    def _on_burst(self, burst: list[tuple[bytes, Address]], now: float) -> None:
        drops, transport_at = self.drops, self._table.at
        begun: list[Transport] = []
        for data, address in burst:
            kind = KIND_OF_FIRST_BYTE[data[0]]
            if kind is DatagramKind.SRTP:
                transport = transport_at(address)
                if transport is None:
                    drops.srtp_unvalidated += 1
                elif transport.srtp_received(data, now):
                    begun.append(transport)
            elif kind is DatagramKind.DTLS:
                transport = transport_at(address)
                if transport is None:
                    drops.dtls_unvalidated += 1
                else:
                    transport.dtls_received(data)
            elif kind is DatagramKind.STUN:
                self._stun_received(data, address, now)
            elif kind is DatagramKind.DHT and self.on_datagram is not None:
                self._ask(self.on_datagram, data, address)
            else:
                drops.unknown_kind += 1
        for transport in begun:
            transport.flush(now)

    def _stun_received(self, data: bytes, address: Address, now: float) -> None:
        """Cheap tests first: a check for an unknown user costs 2 µs, one with a wrong password 10, a valid one 37."""
        try:
            kind = stun.kind_of(data)
            if kind is stun.StunKind.REQUEST:
                self._check_received(data, address, now)
            elif kind is stun.StunKind.RESPONSE:
                self._answer_received(data, address, now)
            else:
                self.drops.stun_ignored += 1
        except RemoteError:
            self.drops.stun_malformed += 1

    def _check_received(self, data: bytes, address: Address, now: float) -> None:
        local_ufrag, remote_ufrag = stun.ufrags_of(data)
        listening = self._listening
        if listening is not None and local_ufrag == listening.local_ufrag:
            transport = self._table.dialed_in(remote_ufrag)
            if transport is None:
                self._dial_received(listening, remote_ufrag, data, address, now)
                return
        else:
            transport = self._table.accepted(local_ufrag)
        if transport is None:
            self.drops.stun_unknown_user += 1
            return
        check = self._authenticated(data, transport.local_pwd)
        if check is None:
            return
        if isinstance(transport.ice, IceDialer):
            self._dialed_end_checked(transport, check, address, now)
            return
        if transport.ice.copied(check, address):
            self.drops.stun_copied += 1
            return
        if not self._table.may_claim(address, transport, now, _tie_breaker(check) if transport.link else None):
            self._held(address, now)
            return
        self._checked(transport, check, address, now)

    def _held(self, address: Address, now: float) -> None:
        """A link whose peer was started anew finds out soon, and gives the address over: the peer asks again."""
        self.drops.address_held += 1
        holder = self._table.at(address)
        if holder is not None and holder.link:
            holder.suspect(now)

    def _dialed_end_checked(self, transport: Transport, check: Message, address: Address, now: float) -> None:
        if transport.state == "connected" and address == transport.remote:
            transport.checked(check, address, now)
        else:
            self.drops.stun_unknown_user += 1

    def _dial_received(
        self, listening: _Listening, remote_ufrag: str, data: bytes, address: Address, now: float
    ) -> None:
        """A check of a dialing node we do not know yet."""
        password = self._ask(listening.password_of, remote_ufrag)
        if password is None:
            self.drops.stun_unknown_user += 1
            return
        check = self._authenticated(data, password)
        if check is None:
            return
        if "PRIORITY" not in check.attributes:
            self.drops.stun_unknown_user += 1  # a keepalive of a link which we have forgotten: see IceDialer
            return
        if not self._has_room or self._table.links_incoming >= limits.links_incoming_max:
            self.drops.links_refused += 1
            return
        if not self._table.may_claim(address, None, now, _tie_breaker(check)):
            self._held(address, now)
            return
        transport = self._dialed_in(listening, remote_ufrag, password, address, now)
        if transport is None:
            self.drops.links_refused += 1
            return
        self._checked(transport, check, address, now)

    def _dialed_in(
        self, listening: _Listening, remote_ufrag: str, password: str, address: Address, now: float
    ) -> Transport | None:
        transport = Transport(
            self._around,
            IceLite(password, limits.link_consent_seconds_max, now),
            local_ufrag=listening.local_ufrag,
            remote_ufrag=remote_ufrag,
            role="server",
            fingerprints=None,
            link=True,
            handler=Nobody(),
        )
        handler = self._ask(listening.on_dialed, remote_ufrag, address, transport)
        if handler is None or transport.state == "closed":
            return None
        transport.handler = handler
        self._table.add_dialed_in(transport)
        transport.start()
        return transport

    def _checked(self, transport: Transport, check: Message, address: Address, now: float) -> None:
        """An authenticated check from an address which this transport may claim: the only thing that is answered."""
        assert isinstance(transport.ice, IceLite)
        self._table.claim(address, transport)
        response, evicted = transport.ice.accept(check, address, now)
        if evicted is not None:
            self._table.release(evicted, transport)
        self.port.send(response, self.port.sockaddr(address))
        transport.validated()

    def _answer_received(self, data: bytes, address: Address, now: float) -> None:
        transport = self._table.dialed_out(address) or self._table.at(address)
        if transport is None:
            self.drops.stun_unauthenticated += 1
            return
        try:
            transport.answered(data, address, now)
        except RemoteError:
            self.drops.stun_unauthenticated += 1
            return
        if transport.dialed is not None:
            self._table.claim(address, transport)
            transport.validated()

    def _ask(
        self, callback: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result | None:
        """Calls what the node gave us; None when it refuses (`RemoteError`), or fails, which is logged."""
        try:
            return callback(*arguments, **named)
        except RemoteError:
            return None
        except Exception:
            self.drops.handler_failures += 1
            logger.exception("a callback of the endpoint failed")
            return None

    def _authenticated(self, data: bytes, password: str) -> Message | None:
        try:
            return stun.authenticated_request(data, password)
        except RemoteError:
            self.drops.stun_unauthenticated += 1
            return None


def _tie_breaker(check: Message) -> int | None:
    value = check.attributes.get("ICE-CONTROLLING")
    return value if isinstance(value, int) else None
