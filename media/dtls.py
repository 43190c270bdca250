"""DTLS-SRTP (RFC 5764) and the control channel of links, by aiortc: the one module that touches its private names.

aiortc's transports get a wire of ours in place of ICE: what they read has passed the demultiplexer and came from a
validated address. Whatever goes wrong inside them ends one association, by one return of `DtlsAssociation.run`.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from aiortc import RTCCertificate, RTCDataChannel, RTCDataChannelParameters, RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcdtlstransport import (
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
    certificate_digest,
)
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcsctptransport import (
    SCTP_RTO_MIN,
    WEBRTC_BINARY,
    WEBRTC_BINARY_EMPTY,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    InitChunk,
    RTCSctpCapabilities,
    RTCSctpTransport,
    SackChunk,
)
from OpenSSL import SSL

from foundation import limits
from foundation.errors import LocalError, RemoteError
from media.srtp import PROFILES, SrtpKeys, SrtpProfile

logger = logging.getLogger(__name__)

DtlsRole = Literal["client", "server"]

_SCTP_PORT = 5000
_CONTROL_STREAM = 0
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
_DTLS_READ_BYTES = 1500

_Malformed = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error)
"""What aiortc's SCTP raises for chunks that break its expectations: it takes them for a friend's."""


class DtlsIdentity:
    """A node's self-signed certificate, and the OpenSSL context made of it, shared by all associations.

    Our order of profiles decides where we are the DTLS server: OpenSSL takes the server's preference.
    """

    def __init__(self, profiles: Sequence[SrtpProfile] = PROFILES) -> None:
        """`profiles` are the SRTP profiles to offer or take, in order of preference."""
        self.profiles = [_aiortc_profile(profile) for profile in profiles]
        self._certificate = _Certificate.generateCertificate()
        self.fingerprint: str = next(f.value for f in self._certificate.getFingerprints() if f.algorithm == "sha-256")
        """SHA-256, as SDP spells it: `AB:CD:...`."""

    @property
    def certificate(self) -> RTCCertificate:
        return self._certificate


def _aiortc_profile(profile: SrtpProfile) -> SRTPProtectionProfile:
    return SRTPProtectionProfile(profile.libsrtp, profile.name.encode(), profile.key_bytes, profile.salt_bytes)


class DtlsAssociation:
    """One DTLS association: handshake, SRTP keys, and for links one reliable, ordered channel of binary messages."""

    def __init__(
        self,
        identity: DtlsIdentity,
        *,
        role: DtlsRole,
        fingerprints: Sequence[tuple[str, str]] | None,
        control: bool,
        transmit: Callable[[bytes], None],
        on_connected: Callable[[SrtpKeys, str], None],
        on_control: Callable[[bytes], None],
    ) -> None:
        """`fingerprints` are (algorithm, value) pairs, all of which must match; `None` takes any certificate.

        `on_connected(keys, sha256_fingerprint)` is called once, with `control` when the channel is open. No callback
        may raise.
        """
        self._wire = _Wire(transmit)
        self._dtls = _Dtls(self._wire, identity, role, pinned=fingerprints is not None)
        pairs = [("sha-256", "")] if fingerprints is None else fingerprints
        self._remote = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(*pair) for pair in pairs])
        self._on_connected = on_connected
        self._sctp = _Sctp(self._dtls, on_control) if control else None
        self._channel: RTCDataChannel | None = None

    async def run(self) -> str:
        """Shakes hands and pumps until the association ends; returns why it did. Cancelling it is silent."""
        try:
            await self._dtls.start(self._remote)
            if self._dtls.keys is None:
                return self._dtls.failure
            if self._sctp is None:
                self._connected()
            else:
                await self._open_control(self._sctp)
            await self._pumped()
        except (ConnectionError, SSL.Error) as exc:
            return self._dtls.failure if self._dtls.keys is None else str(exc) or self._ending
        finally:
            await self._stop_pump()
        return self._ending

    def receive(self, data: bytes) -> bool:
        """Takes one DTLS datagram from a validated address; false when the queue is full and it was dropped."""
        return self._wire.put(data)

    def send_control(self, data: bytes) -> None:
        """Sends one message. Raises `LocalError` when there is no open channel, or the message does not fit."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or self._dtls.state != "connected":
            raise LocalError("the control channel is not open")
        if len(data) > limits.control_message_bytes_max:
            raise LocalError("a control message is too large")
        if channel.bufferedAmount + len(data) > limits.control_buffered_bytes_max:
            raise LocalError("the control channel is full")
        channel.send(data)

    def close(self) -> None:
        """Says goodbye (close_notify) and stops all timers; `run` then ends by itself. Idempotent."""
        if self._sctp is not None:
            self._sctp.stop_now()
        self._dtls.say_goodbye()
        self._wire.close()

    @property
    def _ending(self) -> str:
        return (self._sctp.failure if self._sctp else "") or "the peer closed the DTLS association"

    def _connected(self) -> None:
        assert self._dtls.keys is not None
        self._on_connected(self._dtls.keys, self._dtls.fingerprint)

    async def _open_control(self, sctp: "_Sctp") -> None:
        parameters = RTCDataChannelParameters(label="control", negotiated=True, id=_CONTROL_STREAM, ordered=True)
        self._channel = RTCDataChannel(sctp, parameters)
        self._channel.add_listener("open", self._connected)
        self._channel.add_listener("close", self._cancel_pump)
        await sctp.start(RTCSctpCapabilities(maxMessageSize=limits.control_message_bytes_max), _SCTP_PORT)

    async def _pumped(self) -> None:
        """Waits for aiortc's own reading task, which it starts at the end of the handshake."""
        pump = self._dtls._task
        if pump is None:
            return
        await asyncio.wait([pump])
        if not pump.cancelled() and (failure := pump.exception()) is not None:
            logger.error("a DTLS association failed", exc_info=failure)

    def _cancel_pump(self) -> None:
        if self._dtls._task is not None:
            self._dtls._task.cancel()

    async def _stop_pump(self) -> None:
        self._cancel_pump()
        await self._pumped()


class _Wire:
    """Stands where aiortc expects an `RTCIceTransport`."""

    role = "controlled"

    def __init__(self, transmit: Callable[[bytes], None]) -> None:
        self._transmit = transmit
        self._inbound: asyncio.Queue[bytes] = asyncio.Queue(limits.dtls_datagrams_queued_max)
        self._closed = False

    def close(self) -> None:
        """Whoever reads, now or later, gets a `ConnectionError`: cancelling is not enough, `wait_for` may lose that."""
        self._closed = True
        if self._inbound.empty():
            self._inbound.put_nowait(b"")

    def put(self, data: bytes) -> bool:
        try:
            self._inbound.put_nowait(data)
        except asyncio.QueueFull:
            return False
        return True

    async def _recv(self) -> bytes:
        data = b"" if self._closed else await self._inbound.get()
        if self._closed:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self._transmit(data)


class _Certificate(RTCCertificate):
    """A certificate which makes its OpenSSL context once: aiortc makes one per association, at 0.2 ms each."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # Sessions are never resumed: every peer has to show its certificate.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context


class _Dtls(RTCDtlsTransport):
    """aiortc's transport with our profiles; it hands out keys instead of making its own SRTP sessions."""

    def __init__(self, wire: _Wire, identity: DtlsIdentity, role: DtlsRole, *, pinned: bool) -> None:
        super().__init__(cast(RTCIceTransport, wire), [identity.certificate])
        self._set_role(role)
        self._srtp_profiles = identity.profiles
        self._pinned = pinned
        self._wire = wire
        self.keys: SrtpKeys | None = None
        self.fingerprint = ""
        self.failure = "the DTLS handshake failed"

    def say_goodbye(self) -> None:
        """Sends close_notify without waiting for anything."""
        if self._ssl is None or self._state in (State.NEW, State.CLOSED):
            return
        with contextlib.suppress(SSL.Error):
            self._ssl.shutdown()
        with contextlib.suppress(SSL.Error):
            self._wire._transmit(self._ssl.bio_read(_DTLS_READ_BYTES))
        self._set_state(State.CLOSED)

    async def _recv_next(self) -> None:
        """The one error that aiortc's loops end quietly on is `ConnectionError`: so it becomes of all others."""
        try:
            await super()._recv_next()
        except SSL.Error as exc:
            raise ConnectionError("the DTLS association broke") from exc

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        certificate = cast(Any, self._ssl).get_peer_certificate(as_cryptography=True)
        self.fingerprint = certificate_digest(certificate, "sha-256")
        if self._pinned:
            super()._validate_peer_identity(remoteParameters)
        if self._state is State.FAILED:
            self.failure = "the peer's certificate is not the one that was announced"

    def _setup_srtp(self) -> None:
        ssl = cast(Any, self._ssl)
        selected = ssl.get_selected_srtp_profile().decode()
        profile = next((profile for profile in PROFILES if profile.name == selected), None)
        if profile is None:
            self.failure = "the peer knows no SRTP profile of ours"
            self._set_state(State.FAILED)
            return
        key_bytes, salt_bytes = profile.key_bytes, profile.salt_bytes
        material = bytes(ssl.export_keying_material(_EXPORTER_LABEL, 2 * (key_bytes + salt_bytes)))
        keys = [material[:key_bytes], material[key_bytes : 2 * key_bytes]]
        salts = [material[2 * key_bytes : -salt_bytes], material[-salt_bytes:]]
        client, server = keys[0] + salts[0], keys[1] + salts[1]
        is_server = self._role == "server"
        self.keys = SrtpKeys(profile, local=server if is_server else client, remote=client if is_server else server)


class _Sctp(RTCSctpTransport):
    """aiortc's SCTP for one stream of messages, with bounds on what a hostile peer can make it hold or do."""

    def __init__(self, transport: RTCDtlsTransport, on_message: Callable[[bytes], None]) -> None:
        super().__init__(transport, _SCTP_PORT)
        self._advertised_rwnd = limits.control_received_bytes_max
        self._rto = SCTP_RTO_MIN  # 1 s, not 3, until a lost INIT is repeated: a viewer may be waiting
        self._on_message = on_message
        self._gaps_left = 0
        self.failure = ""

    def stop_now(self) -> None:
        """Cancels all timers; the DTLS close_notify that follows tells the peer."""
        self._set_state(self.State.CLOSED)

    async def _handle_data(self, data: bytes) -> None:
        self._gaps_left = limits.control_gaps_max
        try:
            await super()._handle_data(data)
        except RemoteError as exc:
            self.failure = str(exc)
            raise ConnectionError(self.failure) from exc
        except _Malformed as exc:
            self.failure = "the peer sent malformed SCTP"
            raise ConnectionError(self.failure) from exc

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, InitChunk) and self._association_state is self.State.ESTABLISHED:
            return  # an INIT that was overtaken: aiortc would count the peer's messages from the beginning again
        if isinstance(chunk, DataChunk) and (chunk.stream_id != _CONTROL_STREAM or not chunk.user_data):
            raise RemoteError("the peer sent something else than a control message")
        if isinstance(chunk, ForwardTsnChunk):
            raise RemoteError("the peer gave up a reliable message")
        if isinstance(chunk, SackChunk):
            self._gaps_left -= sum(max(1, last - first) for first, last in chunk.gaps)
            if self._gaps_left < 0:
                raise RemoteError("the peer acknowledged what was never sent")
        await super()._receive_chunk(chunk)
        if self._overrun:
            raise RemoteError("the peer overran the receive window")

    @property
    def _overrun(self) -> bool:
        """aiortc offers a window and does not hold the peer to it."""
        waiting = max((len(stream.reassembly) for stream in self._inbound_streams.values()), default=0)
        return self._advertised_rwnd < 0 or max(waiting, len(self._sack_misordered)) > limits.control_gaps_max

    async def _receive(self, stream_id: int, pp_id: int, data: bytes) -> None:
        if len(data) > limits.control_message_bytes_max or pp_id not in (WEBRTC_BINARY, WEBRTC_BINARY_EMPTY):
            raise RemoteError("the peer sent something else than a control message")
        self._on_message(data if pp_id == WEBRTC_BINARY else b"")

    async def _send_chunk(self, chunk: Chunk) -> None:
        """Timers send too, in tasks whose exceptions nobody would fetch; a lost chunk is what SCTP is made for."""
        with contextlib.suppress(ConnectionError, SSL.Error):
            await super()._send_chunk(chunk)
