"""Calls of other nodes: the package's table of outstanding ones, each with one retransmission and a quick end."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

from dht.dropped import Dropped
from dht.envelope import Envelope
from dht.messages import MESSAGE_ID_BYTES, Method, Retry, build_request
from dht.overlay_table import BUCKET_SIZE
from dht.patience import Patience
from dht.peer import Peer
from dht.store import LeaseStore
from foundation.address import Address
from foundation.identity import NodeId
from foundation.limits import calls_outstanding_max, tokens_max

for _name in ("kademlia", "rpcudp"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # They log each packet, and warn of each lost one.

_copy_seconds = 0.01
"""Between the two copies of a store that changes something: two losses in a row often come together."""

_late_seconds = 0.1
"""A timer as late as this fired after a pause of our own loop; answers may lie unread in the socket."""

Result = tuple[bool, Any]
"""Of a call: (True, what was answered), or (False, None): see `answer_of`."""


@dataclass(slots=True)
class Call:
    """A request under way; `node` is None while only an address is known. The package keeps it as its time-out."""

    method: Method
    arguments: tuple[Any, ...]
    body: bytes
    address: Address
    node: NodeId | None
    sent_at: float
    give_up_at: float
    timer: asyncio.TimerHandle
    due: float
    tries: int = 1
    spared: bool = False
    retried: bool = False

    def cancel(self) -> None:
        self.timer.cancel()


class Calls(KademliaProtocol):  # type: ignore[misc]
    """What asks, and waits for answers; whoever takes the answers is a subclass."""

    def __init__(
        self,
        own_id: NodeId,
        swarm: bytes,
        send: Callable[[bytes, Address], None],
        *,
        loop: asyncio.AbstractEventLoop,
        wall_clock: Callable[[], float],
        rng: random.Random,
        swarm_keys: Sequence[bytes],
    ) -> None:
        super().__init__(Node(own_id), LeaseStore(), BUCKET_SIZE)
        self.id = own_id
        self.patience = Patience()
        self.counters: Counter[str] = Counter()
        self._send = send
        self._loop = loop
        self._wall_clock = wall_clock
        self._rng = rng
        self._envelope = Envelope(swarm, swarm_keys)
        self._tokens: dict[Address, bytes] = {}
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        """The package makes an RPC of every unknown name; here a misspelling is an error."""
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    @property
    def calls(self) -> int:
        """RPCs that await their answers."""
        return len(self._outstanding)

    def wall_ms(self) -> int:
        return int(self._wall_clock() * 1000)

    def close(self) -> None:
        """Ends every call as unanswered; whatever arrives later is ignored."""
        self._closed = True
        for future, call in list(self._outstanding.values()):
            call.cancel()
            if not future.done():
                future.set_result((False, None))
        self._outstanding.clear()

    def _call(
        self, method: Method, address: Address, node: NodeId | None, *arguments: Any, twice: bool = False
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self._loop.create_future()
        if self._closed or len(self._outstanding) >= calls_outstanding_max:
            self.counters["calls_refused"] += 1
            future.set_result((False, None))
            return future
        self.counters["calls"] += 1
        message_id = self._rng.randbytes(MESSAGE_ID_BYTES)
        body = build_request(message_id, self.id, method, *arguments, token=self._tokens.get(address, b""))
        now = self._loop.time()
        due = now + self.patience.retransmit_seconds
        timer = self._loop.call_at(due, self._timeout, message_id)
        call = Call(method, arguments, body, address, node, now, now + self.patience.give_up_seconds, timer, due)
        self._outstanding[message_id] = (future, call)
        future.add_done_callback(partial(self._forget, message_id))
        self._transmit(body, address)
        if twice:
            self._loop.call_later(_copy_seconds, self._copy, message_id)
        return future

    def _copy(self, msg_id: bytes) -> None:
        _, call = self._outstanding.get(msg_id, (None, None))
        if call is not None:
            self._transmit(call.body, call.address)

    def _timeout(self, msg_id: bytes) -> None:
        _, call = self._outstanding[msg_id]
        now = self._loop.time()
        if now > call.due + _late_seconds and not call.spared:
            call.spared = True
            self._rearm(msg_id, call, now + _late_seconds)
        elif call.tries == 1:
            call.tries = 2
            self.counters["retransmissions"] += 1
            self._transmit(call.body, call.address)
            self._rearm(msg_id, call, max(call.give_up_at, now + self.patience.retransmit_seconds))
        else:
            self._fail(msg_id)

    def _rearm(self, msg_id: bytes, call: Call, due: float) -> None:
        call.due = due
        call.timer = self._loop.call_at(due, self._timeout, msg_id)

    def _fail(self, msg_id: bytes) -> None:
        future, call = self._outstanding.pop(msg_id)
        call.cancel()
        if not future.done():
            future.set_result((False, None))
        self.counters["calls_unanswered"] += 1
        self._unanswered(call, future)

    def _forget(self, msg_id: bytes, future: asyncio.Future[Result]) -> None:
        """The caller was cancelled: nothing of its call is left behind."""
        if (entry := self._outstanding.get(msg_id)) is not None and entry[0] is future:
            entry[1].cancel()
            del self._outstanding[msg_id]

    def _transmit(self, body: bytes, address: Address) -> None:
        try:
            self._send(self._envelope.seal(body, self.wall_ms()), address)
        except (OSError, ValueError):  # uvloop has a ValueError for an address of the other IP version
            self.counters["sends_failed"] += 1

    def _ask_again(self, retry: Retry, sender: Peer) -> None:
        """An open swarm's node wants to see that our address is ours before it answers."""
        future, call = self._outstanding.get(retry.id, (None, None))
        if future is None or future.done() or call.address != sender.address or call.retried:
            raise Dropped("unasked", "a retry was not asked for")
        call.retried = True
        self._tokens.pop(call.address, None)
        self._tokens[call.address] = retry.token
        shorten(self._tokens, tokens_max)
        call.body = build_request(retry.id, self.id, call.method, *call.arguments, token=retry.token)
        call.sent_at = self._loop.time()
        self._transmit(call.body, call.address)

    def _unanswered(self, call: Call, future: asyncio.Future[Result]) -> None:
        """A call was given up."""
        raise NotImplementedError


def answer_of(call: asyncio.Future[Result]) -> Any:
    """What was answered (`Found`, `Stored`, `Present`), `None` when nothing was, or nothing sensible."""
    return None if call.cancelled() else call.result()[1]


def shorten(mapping: dict[Any, Any], size_max: int) -> None:
    """Drops what was put in first."""
    while len(mapping) > size_max:
        del mapping[next(iter(mapping))]
