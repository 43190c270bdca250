"""All links of a node: one for each pair, dialed when needed, taken when dialed, closed when nobody needs them."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from foundation import limits
from foundation.address import Address, format_address
from foundation.errors import LocalError, RemoteError
from foundation.identity import NodeId
from foundation.tasks import TaskScope
from media.sfu import Sfu
from media.transport import Transport, TransportHandler
from swarm.greeting import UFRAG_NONCE_BYTES, Greeter, dialer_of, link_ufrag
from swarm.link import Link
from swarm.messages import Message
from swarm.record import Contact, NodeRecord, format_fingerprint

logger = logging.getLogger(__name__)

_sweep_seconds = 5.0
"""Between two looks for links that nobody needs: a fraction of `link_idle_seconds`."""


class Links:
    """Who uses them sets the callbacks before the first link can come."""

    def __init__(
        self, record: NodeRecord, sfu: Sfu, swarm_key: bytes | None, swarm_key_other: bytes | None = None
    ) -> None:
        self.record = record
        self.counters: Counter[str] = Counter()
        self.on_up: Callable[[NodeRecord], None] = lambda record: None
        """A link passed its greeting, or its peer renewed its record."""
        self.on_down: Callable[[NodeId], None] = lambda node: None
        self.on_message: Callable[[NodeId, Message], None] = lambda node, message: None
        self.wanted: Callable[[NodeId], bool] = lambda node: True
        """Whether anybody needs the link to a node."""
        self._sfu = sfu
        self._greeter = Greeter(record, swarm_key, swarm_key_other)
        self._loop = asyncio.get_running_loop()
        self._scope = TaskScope("links", limits.links_max)
        self._up: dict[NodeId, Link] = {}
        self._greeting: set[Link] = set()
        self._dials: dict[NodeId, asyncio.Future[None]] = {}
        self._unused_since: dict[NodeId, float] = {}
        sfu.endpoint.listen(link_ufrag(record.node), self._password_of, self._dialed)
        self._scope.spawn(self._sweep(), "sweep")

    def get(self, node: NodeId) -> Link | None:
        """The link to a node that is up."""
        return self._up.get(node)

    def rtt_seconds(self, node: NodeId) -> float | None:
        """The round trip to a node, where there is a link and it was measured."""
        link = self._up.get(node)
        return None if link is None else link.pipe.rtt_seconds

    def send(self, node: NodeId, message: Message) -> None:
        """Sends to a node; without a link it is dropped and counted, since its end was or will be told."""
        link = self._up.get(node)
        if link is None:
            self.counters["link_message_unsent"] += 1
        else:
            link.send(message)

    async def connect(self, contact: Contact) -> NodeRecord | None:
        """Gets a link up, and gives the peer's record; None when that did not come about in `link_dial_seconds_max`
        for each of its addresses. Any number may wait for the same node: it is dialed once.
        """
        if contact.node == self.record.node:
            return None
        if contact.node not in self._up:
            dial = self._dials.get(contact.node)
            if dial is None:
                if self._scope.full or len(self._up) >= limits.links_max:
                    self.counters["link_refused"] += 1
                    return None
                dial = self._dials[contact.node] = self._loop.create_future()
                self._scope.spawn(self._dial(contact, dial), "dial")
            await asyncio.wait([dial])
        link = self._up.get(contact.node)
        return link.record if link else None

    def renew(self, record: NodeRecord) -> None:
        """This node's record was signed anew: every peer is told."""
        self.record = self._greeter.me = record
        for link in tuple(self._up.values()):
            link.greet()

    def urls(self, nodes: Collection[NodeId] | None = None) -> list[str]:
        """Base URLs of peers whose link is up: of these nodes, or of all."""
        links = (link for node, link in self._up.items() if nodes is None or node in nodes)
        return [link.record.url for link in links if link.record is not None and link.record.url]

    def describe(self) -> list[dict[str, Any]]:
        """Each peer: id, address, url, and the round trip in milliseconds where we measure it."""
        peers = []
        for node, link in self._up.items():
            remote, rtt = link.pipe.transport.remote, link.pipe.rtt_seconds
            peers.append(
                {
                    "id": node.hex(),
                    "address": format_address(remote) if remote else "",
                    "url": link.record.url if link.record else "",
                    "rtt_ms": None if rtt is None else round(1000 * rtt, 2),
                }
            )
        return peers

    async def close(self) -> None:
        """Closes every link."""
        for link in (*self._up.values(), *self._greeting):
            link.close("this node is shutting down")
        for dial in tuple(self._dials.values()):
            if not dial.done():
                dial.set_result(None)
        await self._scope.close()

    # --- dialing, and being dialed ---

    async def _dial(self, contact: Contact, dial: asyncio.Future[None]) -> None:
        try:
            for address in contact.addresses:
                await self._dial_one(contact, address, dial)
                if contact.node in self._up:
                    return
            self.counters["link_dial_failed"] += 1
        finally:
            self._dials.pop(contact.node, None)
            if not dial.done():
                dial.set_result(None)

    async def _dial_one(self, contact: Contact, address: Address, dial: asyncio.Future[None]) -> None:
        """One attempt. When both nodes dial at once one attempt is closed, and the other one's link ends the wait."""
        link = self._link(expected=contact.node, dialed=True)
        ufrag, password = self._greeter.dial(contact.node, secrets.token_bytes(UFRAG_NONCE_BYTES))
        try:
            link.pipe.bind(
                self._sfu.endpoint.dial(
                    address,
                    local_ufrag=ufrag,
                    remote_ufrag=link_ufrag(contact.node),
                    password=password,
                    fingerprint=format_fingerprint(contact.fingerprint),
                    handler=link.pipe,
                )
            )
            self._greeting.add(link)
        except LocalError as exc:
            logger.debug("no dial to %s: %s", format_address(address), exc)
        await asyncio.wait([dial], timeout=limits.link_dial_seconds_max)
        if link not in self._greeting:
            return
        if dial.done():
            # The peer dialed too, and its link was first. Ours goes on: the peer may take it for the one that stays.
            self._scope.spawn(self._greeted_in_time(link), "greeting")
        else:
            link.close("the greeting took too long")

    def _password_of(self, ufrag: str) -> str | None:
        password = self._greeter.password_of(ufrag)
        return password if len(self._greeting) < limits.links_unverified_max else None

    def _dialed(self, ufrag: str, address: Address, transport: Transport) -> TransportHandler | None:
        if len(self._up) >= limits.links_max or self._scope.full:
            return None
        link = self._link(expected=dialer_of(ufrag), dialed=False)
        link.pipe.bind(transport)
        self._greeting.add(link)
        self._scope.spawn(self._greeted_in_time(link), "greeting")
        return link.pipe

    async def _greeted_in_time(self, link: Link) -> None:
        await asyncio.sleep(limits.link_greeting_seconds_max)
        if link in self._greeting:
            link.close("the greeting took too long")

    def _link(self, *, expected: NodeId, dialed: bool) -> Link:
        return Link(
            self._sfu.pipe(),
            self._greeter,
            expected,
            self,
            dialed=dialed,
            clock=self._loop.time,
            wall_clock=time.time,
        )

    # --- what the links call ---

    def link_greeted(self, link: Link) -> None:
        """The peer is known: its link is the one link to it, unless there is a better one."""
        self._greeting.discard(link)
        other = self._up.get(link.node)
        if other is not None and not self._replaces(link, other):
            raise RemoteError("there is a link to this node already")
        self._up[link.node] = link
        self.counters["link_up"] += 1
        if other is not None:
            self.on_down(link.node)
            other.close("the peer dialed anew")
        assert link.record is not None
        self.on_up(link.record)
        if (dial := self._dials.get(link.node)) is not None and not dial.done():
            dial.set_result(None)

    def link_renewed(self, link: Link) -> None:
        if link.record is not None and self._up.get(link.node) is link:
            self.on_up(link.record)

    def link_message(self, link: Link, message: Message) -> None:
        if self._up.get(link.node) is link:
            self.on_message(link.node, message)

    def link_closed(self, link: Link, reason: str) -> None:
        self._greeting.discard(link)
        if link.record is None or self._up.get(link.node) is not link:
            if link.record is None:
                self.counters["link_greeting_failed"] += 1
            return
        del self._up[link.node]
        self._unused_since.pop(link.node, None)
        self.counters["link_down"] += 1
        logger.info("the link to %s is down: %s", link.node.hex(), reason)
        self.on_down(link.node)

    def _replaces(self, new: Link, old: Link) -> bool:
        """Of two links that came up together the one dialed by the smaller id stays, as the peer will decide as well.

        Later a peer dials only when it has lost its link: then ours to it is dead, and we do not know it yet.
        """
        if new.greeted_at - old.greeted_at > limits.link_dial_seconds_max:
            return True
        smaller_is_me = self.record.node < new.node
        return new.dialed == smaller_is_me and old.dialed != smaller_is_me

    # --- closing what nobody needs ---

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_sweep_seconds)
            now = self._loop.time()
            for node, link in tuple(self._up.items()):
                if self.wanted(node):
                    self._unused_since.pop(node, None)
                elif now - self._unused_since.setdefault(node, now) >= _idle_seconds(link):
                    link.close("nobody needs it")


def _idle_seconds(link: Link) -> float:
    """How long this end keeps a link that it does not need itself."""
    return limits.link_idle_seconds if link.dialed else limits.link_idle_accepted_seconds
