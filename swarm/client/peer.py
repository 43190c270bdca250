"""What a publisher and a player share: one aiortc connection, offered here and answered through `exchange`."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError

from foundation import limits
from foundation.errors import RemoteError
from swarm.client.answer import readable_answer
from swarm.client.loopback import gather_loopback_too

logger = logging.getLogger(__name__)

Exchange = Callable[[str], Awaitable[tuple[str, str]]]
"""Takes an SDP offer to the other end and brings `(SDP answer, session)`: over HTTP `session` is the URL to DELETE.

Raises a `RemoteError` when the other end refuses.
"""

End = Callable[[str], Awaitable[None]]
"""Tells the other end that `session` is over. Raises a `RemoteError` when it cannot be told."""


class ClientPeer:
    """One connection to a node. A client offers once, is answered once, and never renegotiates (RFC 9725 §4.4)."""

    def __init__(self, exchange: Exchange, end: End | None = None) -> None:
        self._exchange = exchange
        self._end = end
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._settled = asyncio.Event()
        self._closed = asyncio.Event()
        self._was_connected = False
        self._closing = False
        self._connection.on("connectionstatechange", self._state_changed)
        self.session: str | None = None
        """What `exchange` returned; None before `connect` and after `close`."""

    @property
    def connected(self) -> bool:
        return self._connection.connectionState == "connected"

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, whichever side ended it, or never came about."""
        return self._closed.is_set()

    @property
    def lost(self) -> bool:
        """Whether a connection that once was has ended without `close`."""
        return self._was_connected and not self._closing and self._closed.is_set()

    async def connect(self) -> None:
        """Offers, applies the answer and waits for ICE and DTLS.

        Raises the `RemoteError` of the other end, or one for an answer that cannot be used or a connection that does
        not come about; everything that was begun is then undone.
        """
        try:
            await self._negotiate()
            await self._until_connected()
        except BaseException:
            await self.close()
            raise

    async def wait_closed(self) -> None:
        """Returns when the connection has ended, whichever side ended it."""
        await self._closed.wait()

    async def close(self) -> None:
        """Ends the session at the other end, and the connection; may be called again, raises no `RemoteError`."""
        self._closing = self._closing or not self._closed.is_set()
        session, self.session = self.session, None
        try:
            if session is not None and self._end is not None:
                async with asyncio.timeout(limits.client_close_seconds_max):
                    await self._end(session)
        except (RemoteError, TimeoutError) as exc:
            logger.info("the session could not be ended at the other end: %s", exc)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.client_close_seconds_max):
                    await self._connection.close()
            self._closed.set()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _negotiate(self) -> None:
        connection = self._connection
        gather_loopback_too(connection)
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        answer, self.session = await self._exchange(offer)
        try:
            answer = readable_answer(offer, answer)
            await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
            # Nobody trickles to us: a failure is known as soon as the last check has failed.
            await connection.addIceCandidate(None)
        except (ValueError, LookupError, TypeError, AttributeError, InvalidStateError, OperationError) as exc:
            raise RemoteError(f"the SDP answer cannot be used: {exc}") from exc

    async def _until_connected(self) -> None:
        try:
            async with asyncio.timeout(limits.client_connect_seconds_max):
                await self._settled.wait()
        except TimeoutError:
            pass
        if not self.connected:
            raise RemoteError(
                f"no media connection within {limits.client_connect_seconds_max:.0f} s: "
                "is the node's UDP port reachable from here?"
            )

    def _state_changed(self) -> None:
        if self._connection.connectionState == "connected":
            self._was_connected = True
        if self._connection.connectionState in ("connected", "failed", "closed"):
            self._settled.set()
        if self._connection.connectionState in ("failed", "closed"):
            self._closed.set()
