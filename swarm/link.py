"""One link to another node: the greeting, and control messages within their budget. A shell around `PipeTransport`."""

import logging
from collections.abc import Callable
from typing import Protocol

from foundation import limits
from foundation.allowance import Allowance
from foundation.errors import LocalError, RemoteError
from foundation.identity import NodeId
from media.pipe import PipeTransport
from swarm.greeting import Greeter
from swarm.messages import Error, ErrorCode, Hello, Message
from swarm.record import NodeRecord, parse_fingerprint
from swarm.wire import UnknownType, UnknownVersion, decode, encode

logger = logging.getLogger(__name__)


class LinkOwner(Protocol):
    """Who keeps the links. Each link calls `link_greeted` at most once, and `link_closed` exactly once."""

    @property
    def record(self) -> NodeRecord:
        """This node's own signed record."""

    def link_greeted(self, link: "Link") -> None:
        """The peer proved who it is: `link.record` is set."""

    def link_renewed(self, link: "Link") -> None:
        """The peer signed its record anew."""

    def link_message(self, link: "Link", message: Message) -> None:
        """A control message of a peer that was greeted."""

    def link_closed(self, link: "Link", reason: str) -> None:
        """Nothing comes after this."""


class Link:
    """`dialed` by us, or by the peer. Until the greeting is done nothing but HELLO is accepted."""

    def __init__(
        self,
        pipe: PipeTransport,
        greeting: Greeter,
        expected: NodeId,
        owner: LinkOwner,
        *,
        dialed: bool,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.pipe = pipe
        self.dialed = dialed
        self.record: NodeRecord | None = None
        self.greeted_at = 0.0
        self.closed = False
        self._greeting = greeting
        self._expected = expected
        self._owner = owner
        self._clock = clock
        self._wall_clock = wall_clock
        self._fingerprint = b""
        now = clock()
        self._messages = Allowance(limits.control_messages_per_second, limits.control_messages_burst, now)
        self._unreadable = Allowance(limits.control_errors_per_second, limits.control_errors_burst, now)
        pipe.on_connected, pipe.on_control, pipe.on_closed = self._connected, self._received, self._closed

    @property
    def node(self) -> NodeId:
        """The peer, once it was greeted."""
        assert self.record is not None
        return self.record.node

    def send(self, message: Message) -> None:
        """What a link cannot take any more closes it: a peer which missed a message would go wrong later."""
        try:
            self.pipe.send_control(encode(message))
        except LocalError as exc:
            self.close(f"a message could not be sent: {exc}")

    def greet(self) -> None:
        """Says who we are: when connected, and again when our record was renewed."""
        self.send(self._greeting.hello(self._fingerprint))

    def close(self, reason: str) -> None:
        self.pipe.close(reason)

    # --- what the pipe transport calls ---

    def _connected(self) -> None:
        self._fingerprint = parse_fingerprint(self.pipe.remote_fingerprint)
        self.greet()

    def _received(self, data: bytes) -> None:
        """Raises `RemoteError` for what ends the link; the transport below closes it with that text."""
        if not self._messages.spend(self._clock()):
            raise RemoteError("a peer floods its link with messages")
        try:
            message = decode(data)
        except RemoteError as exc:
            self._complain(exc)
            return
        if isinstance(message, Hello):
            self._greet(message)
        elif self.record is None:
            raise RemoteError("a message came before the greeting")
        elif not isinstance(message, Error):
            self._owner.link_message(self, message)

    def _closed(self, reason: str) -> None:
        self.closed = True
        self._owner.link_closed(self, reason)

    def _greet(self, hello: Hello) -> None:
        """Checked anew each time: a later HELLO is the same node's renewed record."""
        record = self._greeting.check(hello, self._fingerprint, self._expected, self._wall_clock())
        if self.record is None:
            self.record, self.greeted_at = record, self._clock()
            self._owner.link_greeted(self)
        elif self.record.sequence < record.sequence:
            self.record = record
            self._owner.link_renewed(self)

    def _complain(self, exc: RemoteError) -> None:
        """A newer peer may say more than we understand; one that goes on and on is not newer but broken."""
        if self.record is None or not self._unreadable.spend(self._clock()):
            raise exc
        logger.debug("a message of %s cannot be read: %s", self.node.hex(), exc)
        match exc:
            case UnknownType():
                self.send(Error(ErrorCode.UNKNOWN_TYPE, exc.name))
            case UnknownVersion():
                self.send(Error(ErrorCode.UNKNOWN_VERSION))
            case _:
                self.send(Error(ErrorCode.MALFORMED))
