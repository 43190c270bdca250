"""The Kademlia service; it, `overlay_calls` and `overlay_table` alone use the `kademlia` and `rpcudp` packages.

Of the packages come the routing table, its nodes and buckets, the RPC handlers and the table of outstanding calls. Not
run as they come are: the handoff of records to every new node (a storm in larger swarms), RPCs by attribute name, the
slow codec, the long time-out without retransmission, eviction on one lost packet, and every place where something from
the network is used before it was checked. There is no socket here: datagrams come in by `datagram_received` and go out
by a callable.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from kademlia.node import Node

from dht.dropped import Dropped, reason_of
from dht.envelope import ClockSkew, sent_ms
from dht.lease import Lease, check, decode
from dht.lookup import REPLICAS
from dht.messages import (
    NONCE_BYTES,
    Answer,
    Method,
    Present,
    Request,
    build_answer,
    build_retry,
    pack_found,
    pack_present,
    pack_stored,
    pack_told,
    parse,
    parse_found,
    parse_present,
    parse_stored,
    parse_told,
)
from dht.overlay_calls import Call, Calls, Result, shorten
from dht.overlay_table import BUCKET_SIZE, Contact, Table
from dht.peer import Peer, checked_address, means_the_same, pack_address
from dht.peers_file import KnownPeer
from dht.presence import check_presence, prove
from dht.store import Outcome
from dht.tokens import TOKEN_SECRET_BYTES, AddressTokens
from foundation.address import Address, format_address
from foundation.errors import RemoteError
from foundation.identity import NodeId, NodeKey, node_id
from foundation.limits import (
    asks_answered_max,
    checks_max,
    observers_max,
    quarantined_max,
    seeds_max,
)

logger = logging.getLogger(__name__)


QUARANTINE_SECONDS = 30.0
"""A node that did not answer is not asked again when others name it; once it speaks again, its answer ends this."""

_strikes_max = 2
"""Calls without an answer, one after the other, that end a contact: one alone may be a busy moment."""

_stale_seconds = 60.0
"""A contact not heard for so long is asked whether it is still there."""

_silent_seconds = 300.0
"""A contact that was silent for so long is asked when somebody could use its place."""

_stale_checks_max = 2
"""Of the stalest, at each refresh."""

_parse_result: dict[Method, Callable[[Any], Any]] = {
    "ping": parse_present,
    "find_node": parse_found,
    "find_value": parse_found,
    "store": parse_stored,
    "ask": parse_told,
}


class Overlay(Calls):
    """One node's part in the overlay. Nothing in here raises for what the network says; it counts."""

    def __init__(
        self,
        key: NodeKey,
        swarm: bytes,
        send: Callable[[bytes, Address], None],
        *,
        loop: asyncio.AbstractEventLoop,
        wall_clock: Callable[[], float],
        rng: random.Random,
        swarm_keys: Sequence[bytes],
        read_only: bool = False,
    ) -> None:
        own_id = node_id(swarm, key.public)
        super().__init__(own_id, swarm, send, loop=loop, wall_clock=wall_clock, rng=rng, swarm_keys=swarm_keys)
        self.router = Table(self, BUCKET_SIZE, self.source_node)
        self.on_stored: Callable[[bytes], None] = lambda key: None
        self.on_contact: Callable[[], None] = lambda: None
        self.on_ask: Callable[[NodeId, bytes], bytes | None] = lambda node, payload: None
        self.lost: dict[Address, None] = {}
        self.ip_versions: Collection[int] = (4, 6)
        self._key = key
        self._swarm = swarm
        self._address_tokens = None if swarm_keys else AddressTokens(rng.randbytes(TOKEN_SECRET_BYTES))
        self._quarantine: dict[NodeId, float] = {}
        self._checking: dict[NodeId, asyncio.Future[Result]] = {}
        self._observed: dict[NodeId, Address] = {}
        self._told: dict[tuple[NodeId, bytes], bytes | None] = {}
        self._clocks: dict[NodeId, int] = {}
        self._read_only = read_only
        self._skew_told = False

    @property
    def contacts(self) -> int:
        return len(self.router)

    @property
    def observed(self) -> Address | None:
        """Our address as most of the nodes we asked last see it."""
        ranked = Counter(self._observed.values()).most_common(1)
        return ranked[0][0] if ranked else None

    @property
    def clock_skew_ms(self) -> int:
        """How far the clocks of the nodes that answered lately are ahead of ours: the median, negative for behind."""
        return int(median(self._clocks.values())) if self._clocks else 0

    # What is asked of others

    def ping(self, address: Address, node: NodeId | None = None) -> asyncio.Future[Result]:
        """Asks whoever lives at an address to prove who it is: `Present`; it comes in if the table has room."""
        return self._call("ping", address, node, self._rng.randbytes(NONCE_BYTES), pack_address(address))

    def find(self, peer: Peer, target: bytes, for_value: bool, peers_max: int) -> asyncio.Future[Result]:
        """Asks a node for some of the contacts nearest to a target, and for records under it: `Found`."""
        return self._call("find_value" if for_value else "find_node", peer.address, peer.id, target, peers_max)

    def store(self, peer: Peer, record: bytes, peers_max: int = 0, twice: bool = False) -> asyncio.Future[Result]:
        """Asks a node to hold a lease, and for contacts near to it: `Stored`.

        Sent `twice` at once, one loss does not leave an older lease standing.
        """
        return self._call("store", peer.address, peer.id, record, peers_max, twice=twice)

    def ask(self, peer: Peer, payload: bytes) -> asyncio.Future[Result]:
        """Puts a question to a node which only whoever set its `on_ask` understands: the bytes of its answer."""
        return self._call("ask", peer.address, peer.id, payload)

    def nearest(self, target: bytes) -> list[Peer]:
        """The contacts nearest to a target, the nearest first, without those in doubt."""
        near = self.router.find_neighbors(Node(target))
        return [Peer(contact.id, contact.address) for contact in _undoubted(near)]

    def knows(self, address: Address) -> bool:
        """Whether a contact has this address."""
        return any(contact.address == address for contact in self.router)

    def known_peers(self) -> list[KnownPeer]:
        """The contacts, those heard last first."""
        gap = self._wall_clock() - self._loop.time()
        heard = sorted(self.router, key=lambda contact: contact.heard_at, reverse=True)
        return [KnownPeer(contact.public, contact.address, int(gap + contact.heard_at)) for contact in heard]

    def check_stale(self) -> None:
        """Asks the contacts that were silent for longest whether they are there."""
        horizon = self._loop.time() - _stale_seconds
        stale = sorted((contact for contact in self.router if contact.heard_at < horizon), key=lambda c: c.heard_at)
        for contact in stale[:_stale_checks_max]:
            self._check(Peer(contact.id, contact.address))

    # What arrives

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One datagram with the first byte 0xD5, from whomever."""
        if self._closed:
            return
        try:
            address = checked_address(*addr)
            message = parse(self._envelope.open(data, self.wall_ms()))
            sender = Peer(message.sender, address)
            if sender.id == self.id:
                raise Dropped("own", "a datagram is our own")
            if isinstance(message, Request):
                self._answer(message, sender)
            elif isinstance(message, Answer):
                self._take_answer(message, sender)
                self._clocks[sender.id] = sent_ms(data) - self.wall_ms()
                shorten(self._clocks, observers_max)
            else:
                self._ask_again(message, sender)
        except ClockSkew:
            self._tell_skew(addr)
        except RemoteError as exc:
            self.counters["datagrams_dropped"] += 1
            self.counters[f"datagrams_dropped_{reason_of(exc)}"] += 1

    def rpc_ping(self, sender: Address, nodeid: NodeId, nonce: bytes, asked: Address) -> list[Any]:
        self.welcome_if_new(Node(nodeid, *sender))
        return pack_present(sender, self._key.public, prove(self._key, nonce, nodeid, self.id, asked, sender))

    def rpc_find_node(self, sender: Address, nodeid: NodeId, key: bytes, peers_max: int) -> list[Any]:
        return pack_found([], self._neighbors(sender, nodeid, key), peers_max)

    def rpc_find_value(self, sender: Address, nodeid: NodeId, key: bytes, peers_max: int) -> list[Any]:
        records = [lease.record for lease in self.claims(key)]
        return pack_found(records, self._neighbors(sender, nodeid, key), peers_max)

    def rpc_store(self, sender: Address, nodeid: NodeId, record: bytes, peers_max: int) -> list[Any]:
        """Only the owner stores a lease: so its key is known, and shown by the signature, whoever sends it."""
        try:
            lease = decode(record)
            check(lease, self._swarm, lease.key, self.wall_ms())
        except RemoteError:
            self.counters["stores_invalid"] += 1
            return pack_stored(Outcome.REFUSED, None)
        ours = lease.owner_id == nodeid and self._near(lease.key)
        outcome = self.keep(lease, nodeid) if ours else Outcome.REFUSED
        claims = self.claims(lease.key)
        newer = claims[0].record if claims and claims[0].rank > lease.rank else None
        return pack_stored(outcome, newer, self._neighbors(sender, nodeid, lease.key)[:peers_max])

    def rpc_ask(self, sender: Address, nodeid: NodeId, message_id: bytes, payload: bytes) -> list[Any]:
        """A retransmission is given the answer of before: a question may change something."""
        self.welcome_if_new(Node(nodeid, *sender))
        asked = nodeid, message_id
        if asked not in self._told:
            self._told[asked] = self.on_ask(nodeid, payload)
            shorten(self._told, asks_answered_max)
        return pack_told(self._told[asked])

    def keep(self, lease: Lease, sender: NodeId) -> Outcome:
        """Offers a verified lease to the own store."""
        outcome: Outcome = self.storage.put(lease, sender, self.wall_ms(), self._loop.time())
        self.counters[f"stores_{outcome.name.lower()}"] += 1
        if outcome is Outcome.STORED:
            self.on_stored(lease.key)
        return outcome

    def claims(self, key: bytes) -> list[Lease]:
        """What the own store has under a key now, tombstones included, the highest rank first."""
        return [lease for lease in self.storage.get(key, self._loop.time()) if self._timely(lease, key)]

    def welcome_if_new(self, node: Node) -> None:
        """A node said something: one for which the table has room is asked to prove itself, which brings it in."""
        known = self.router.contact(node.id)
        if known is not None:
            self._heard(known, (node.ip, node.port))
        elif self.router.wants(node.id) or node.id in self._quarantine:
            if not self.router.crowded((node.ip, node.port)):
                self._check(Peer(node.id, (node.ip, node.port)))
        else:
            oldest = self.router.oldest_beside(node.id)
            if oldest is not None and self._loop.time() - oldest.heard_at > _silent_seconds:
                self._check(Peer(oldest.id, oldest.address))

    def _admit(self, peer: Peer, public: bytes) -> None:
        """The only way into the table, for a node that has just proved its id and this address."""
        self._quarantine.pop(peer.id, None)
        known = self.router.contact(peer.id)
        if known is not None:
            self._heard(known, peer.address)
        elif self.router.crowded(peer.address):
            self.counters["contacts_crowded"] += 1
        elif self.router.wants(peer.id):
            self.router.add_contact(Contact(peer.id, peer.address, self._loop.time(), public))
            self.on_contact()

    def _heard(self, contact: Contact, address: Address) -> None:
        """A contact keeps its address for as long as it answers there; whoever else shows its id must wait."""
        if contact.address == address:
            self.router.heard(contact, self._loop.time())
        else:
            self.counters["contacts_elsewhere"] += 1
            self._check(Peer(contact.id, contact.address))

    def _answer(self, request: Request, sender: Peer) -> None:
        if self._read_only:
            self.counters["requests_unheard"] += 1
            return
        if self._address_tokens and not self._address_tokens.valid(request.token, sender.address, self._loop.time()):
            self.counters["requests_unproved"] += 1
            token = self._address_tokens.issue(sender.address, self._loop.time())
            self._transmit(build_retry(request.id, self.id, token), sender.address)
            return
        self.counters[f"requests_{request.method}"] += 1
        result = getattr(self, f"rpc_{request.method}")(sender.address, sender.id, *request.arguments)
        self._transmit(build_answer(request.id, self.id, result), sender.address)

    def _take_answer(self, answer: Answer, sender: Peer) -> None:
        future, call = self._outstanding.get(answer.id, (None, None))
        if future is None or future.done() or call.address != sender.address:
            raise Dropped("unasked", "an answer was not asked for")
        if call.node not in (None, sender.id):
            self.welcome_if_new(Node(sender.id, *sender.address))
            self._fail(answer.id)  # Another node lives at this address now.
            return
        try:
            result = self._reviewed(_parse_result[call.method](answer.result), call, sender)
        except RemoteError:
            self._fail(answer.id)
            raise
        if call.tries == 1:
            self.patience.observe(self._loop.time() - call.sent_at)
        super()._accept_response(answer.id, result, sender.address)

    def _reviewed(self, result: Any, call: Call, sender: Peer) -> Any:
        """Contacts that are of no use to us are left out, and our own address as others see it is noted."""
        if isinstance(result, Present):
            check_presence(result, self._swarm, call.arguments[0], self.id, sender.id, call.address)
            self._admit(sender, result.public)
            self._observed.pop(sender.id, None)
            self._observed[sender.id] = result.observed
            shorten(self._observed, observers_max)
            return result
        self.welcome_if_new(Node(sender.id, *sender.address))
        if call.method == "ask":
            return result
        return replace(result, peers=tuple(peer for peer in result.peers if self._worth_asking(peer, sender)))

    def _worth_asking(self, peer: Peer, named_by: Peer) -> bool:
        """Neither in quarantine, nor an address which we cannot reach, or which means another machine there."""
        if (6 if ":" in peer.address[0] else 4) not in self.ip_versions:
            return False
        until = self._quarantine.get(peer.id)
        if until is not None and until > self._loop.time():
            return False
        return named_by.address == peer.address or means_the_same(peer.address[0], named_by.address[0])

    def _neighbors(self, sender: Address, nodeid: NodeId, key: bytes) -> list[Peer]:
        asker = Node(nodeid, *sender)
        self.welcome_if_new(asker)
        found = self.router.find_neighbors(Node(key), exclude=asker)
        return [Peer(each.id, each.address) for each in _undoubted(found) if means_the_same(each.ip, asker.ip)]

    def _near(self, key: bytes) -> bool:
        """Whether this node is among the nearest to a key that it knows of, and so has to hold its leases."""
        target = Node(key)
        contacts = self.router.find_neighbors(target)
        return len(contacts) < BUCKET_SIZE or self.source_node.distance_to(target) < contacts[-1].distance_to(target)

    def _timely(self, lease: Lease, key: bytes) -> bool:
        try:
            check(lease, self._swarm, key, self.wall_ms())
        except RemoteError:
            return False
        return True

    def _tell_skew(self, address: Address) -> None:
        self.counters["datagrams_skewed"] += 1
        if not self._skew_told:
            self._skew_told = True
            logger.warning("the clock here and that of %s differ by over 30 s: check both", format_address(address))

    # Nodes that do not answer

    def _unanswered(self, call: Call, future: asyncio.Future[Result]) -> None:
        if call.node is not None:
            self._checked(call.node, future)
            self._strike(Peer(call.node, call.address), call.sent_at)

    def _check(self, peer: Peer) -> None:
        """Asks a node whether it is there, unless that is under way."""
        if peer.id not in self._checking and len(self._checking) < checks_max:
            asked = self._checking[peer.id] = self.ping(peer.address, peer.id)
            asked.add_done_callback(partial(self._checked, peer.id))

    def _checked(self, node: NodeId, asked: asyncio.Future[Result]) -> None:
        if self._checking.get(node) is asked:
            del self._checking[node]

    def _strike(self, peer: Peer, sent_at: float) -> None:
        """A call found nobody. Calls that were under way together count as one, as they met the same pause."""
        contact = self.router.contact(peer.id)
        if contact is None or contact.address != peer.address:
            self._shun(peer.id)
            return
        if sent_at >= contact.struck_at:
            contact.strikes += 1
            contact.struck_at = self._loop.time()
        if contact.strikes < _strikes_max:
            self._check(peer)
            return
        self.counters["contacts_lost"] += 1
        self.router.remove_contact(contact)
        self._shun(peer.id)
        self.lost.pop(peer.address, None)
        self.lost[peer.address] = None
        shorten(self.lost, seeds_max)
        self.check_stale()  # Where one died others may have: the more are lost, the more are looked for.
        if not self.contacts:
            self._quarantine.clear()  # With nobody left the trouble is rather ours.

    def _shun(self, node: NodeId) -> None:
        self._quarantine.pop(node, None)
        self._quarantine[node] = self._loop.time() + QUARANTINE_SECONDS
        shorten(self._quarantine, quarantined_max)


def _undoubted(contacts: list[Contact]) -> list[Contact]:
    """Those that answered when last asked; all of them, when these are hardly any."""
    good = [contact for contact in contacts if not contact.strikes]
    return good if len(good) >= REPLICAS else contacts
