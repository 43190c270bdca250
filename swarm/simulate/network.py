"""Links and datagrams between hosts: delays, loss, set-up cost, and who notices when the other end is gone."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Message
from swarm.simulate.events import Events
from swarm.simulate.geography import Geography
from swarm.simulate.sizes import size
from swarm.wire import decode, encode

if TYPE_CHECKING:
    from swarm.simulate.host import Host

DIAL_WAYS = 6
"""One-way delays until the dialer's link is up: a check of ICE, two flights of DTLS, the greeting."""

RESENT_SECONDS = 1.0
"""SCTP's and DTLS's shortest retransmission time: what a lost packet costs on a link with little traffic."""

LATE_SECONDS = 1.0

QUIET_DETECT_SECONDS = 1.3
"""A link without media from there: one keepalive a second, then quick ones (as the watch of links does)."""

_ASK_AGAIN_SECONDS = 0.25
_ASK_DEAD_SECONDS = 0.5
_ASK_SECONDS_MAX = limits.call_seconds_max


@dataclass(slots=True, eq=False)
class Wire:
    """One link; messages to either end arrive in order. `bytes_*` and `messages_*` count what arrived there."""

    a: "Host"
    b: "Host"
    opened: float
    last_to_a: float
    last_to_b: float
    bytes_to_a: int = 0
    bytes_to_b: int = 0
    closed: float = -1.0

    def other(self, host: "Host") -> "Host":
        return self.b if host is self.a else self.a


class Network:
    """`loss`, `late` and `repeated` are shares of messages; `cut` holds one side of a partition.

    `through_bytes`: every message is encoded and decoded on its way, which takes its time.
    """

    def __init__(
        self, events: Events, geography: Geography, rng: random.Random, loss: float, late: float, detect: float
    ) -> None:
        self._events = events
        self._geography = geography
        self._rng = rng
        self.loss, self.late, self._detect = loss, late, detect
        self.repeated = 0.0
        self.through_bytes = False
        self.cut: set[NodeId] = set()
        self.wires: dict[tuple[NodeId, NodeId], Wire] = {}
        self.closed: list[Wire] = []
        self.on_message: Callable[[Host, Host, Message], None] | None = None
        self._dialing: dict[tuple[NodeId, NodeId], set[NodeId]] = {}

    # --- messages ---

    def send(self, sender: "Host", to: NodeId, message: Message) -> None:
        """On the link, if it is up; what is lost is sent again, and whatever comes after it waits."""
        wire = sender.links.get(to)
        if wire is None:
            return
        receiver = wire.b if sender is wire.a else wire.a
        arrival = self._events.now + self._geography.one_way(sender.region, receiver.region)
        if self.loss or self.late:
            arrival += self._trouble()
        if receiver is wire.a:
            wire.last_to_a = arrival = max(arrival, wire.last_to_a)
        else:
            wire.last_to_b = arrival = max(arrival, wire.last_to_b)
        if self.through_bytes:
            message = decode(encode(message))
        self._events.at(arrival, self._deliver, wire, sender, receiver, message)
        if self.repeated and self._rng.random() < self.repeated:
            self._events.after(RESENT_SECONDS, self._deliver, wire, sender, receiver, message)

    def ask(self, asker: "Host", to: "Host | None", message: Message, answer: Callable[[Message | None], None]) -> None:
        """One datagram there and one back; `answer` is called once, with None when none came."""
        if self.through_bytes:
            message = _datagram_bytes(message)
        now, one_way = self._events.now, self._geography.one_way
        if to is None or not to.alive or not self.reachable(asker, to):
            self._events.after(_ASK_DEAD_SECONDS, self._answered, asker, answer, None)
            return
        there, back = one_way(asker.region, to.region), one_way(to.region, asker.region)
        if self.loss or self.late:
            there, back = self._datagram(there), self._datagram(back)
        self._events.at(now + there, self._asked, asker, to, message, now, back, answer)

    def reachable(self, a: "Host", b: "Host") -> bool:
        return not self.cut or (a.id in self.cut) == (b.id in self.cut)

    # --- links ---

    def dial(self, host: "Host", peer: "Host | None", to: NodeId) -> None:
        """Gets a link up; both ends learn it, or the dialer that it failed."""
        if to in host.links:
            self._events.after(0, self._known, host, to)
            return
        pair = _pair(host.id, to)
        dialers = self._dialing.setdefault(pair, set())
        dialers.add(host.id)
        if len(dialers) > 1:
            return  # The other side dials already: one link will do for both.
        if peer is None or not peer.alive or not self.reachable(host, peer):
            self._events.after(limits.link_dial_seconds_max, self._failed, host, to)
            return
        way = self._geography.one_way(host.region, peer.region)
        took = way * DIAL_WAYS
        if self.loss and self._rng.random() < 1 - (1 - self.loss) ** DIAL_WAYS:
            took += RESENT_SECONDS
        if self.late and self._rng.random() < self.late:
            took += LATE_SECONDS
        self._events.after(took - way, self._dialed, host, peer, way)

    def close(self, wire: Wire) -> None:
        """Both ends let go: nobody needs it."""
        self._record(wire)
        for end in (wire.a, wire.b):
            self.lose(end, wire)

    def silence(self, wire: Wire, end: "Host") -> None:
        """The other end, or the way to it, is dead: `end` notices, sooner where media came from there."""
        self._record(wire)
        other = wire.other(end)
        jitter = 1 + 0.1 * self._rng.random()
        if end.takes_from(other.id):
            self._events.after(self._detect * jitter, end.silent, wire)
        self._events.after(QUIET_DETECT_SECONDS * jitter, self.lose, end, wire)

    def lose(self, end: "Host", wire: Wire) -> None:
        """One end learns that the link is gone."""
        other = wire.other(end)
        if end.alive and end.links.get(other.id) is wire:
            end.link_down(wire)

    def _record(self, wire: Wire) -> None:
        pair = _pair(wire.a.id, wire.b.id)
        if self.wires.get(pair) is wire:
            del self.wires[pair]
            wire.closed = self._events.now
            self.closed.append(wire)

    def _known(self, host: "Host", to: NodeId) -> None:
        wire = host.links.get(to)
        if wire is not None:
            host.link_up(wire)
        elif host.alive:
            host.link_failed(to)

    def _dialed(self, host: "Host", peer: "Host", way: float) -> None:
        """The handshake has reached the peer, which is up first."""
        if not host.alive:
            self._dialing.pop(_pair(host.id, peer.id), None)
            return
        if not peer.alive or not self.reachable(host, peer):
            self._events.after(limits.link_dial_seconds_max, self._failed, host, peer.id)
            return
        now = self._events.now
        stale = peer.links.get(host.id)
        if stale is not None:
            self.close(stale)
        wire = Wire(host, peer, now, now + way, now)
        self.wires[_pair(host.id, peer.id)] = wire
        peer.link_up(wire)
        self._events.at(now + way, self._established, host, wire)

    def _established(self, host: "Host", wire: Wire) -> None:
        peer = wire.other(host)
        self._dialing.pop(_pair(host.id, peer.id), None)
        if host.alive and peer.links.get(host.id) is wire:
            host.link_up(wire)
        elif host.alive:
            host.link_failed(peer.id)

    def _failed(self, host: "Host", to: NodeId) -> None:
        dialers = self._dialing.pop(_pair(host.id, to), set())
        for node in sorted(dialers):
            dialer = host if node == host.id else host.world.hosts.get(node)
            if dialer is not None and dialer.alive:
                dialer.link_failed(to if dialer is host else host.id)

    def _deliver(self, wire: Wire, sender: "Host", receiver: "Host", message: Message) -> None:
        if not receiver.alive or receiver.links.get(sender.id) is not wire or not self.reachable(sender, receiver):
            return
        bytes_ = size(message)
        if receiver is wire.a:
            wire.bytes_to_a += bytes_
        else:
            wire.bytes_to_b += bytes_
        receiver.bytes_received += bytes_
        if self.on_message is not None:
            self.on_message(sender, receiver, message)
        receiver.message(sender.id, message)

    def _asked(
        self,
        asker: "Host",
        to: "Host",
        message: Message,
        asked_at: float,
        back: float,
        answer: Callable[[Message | None], None],
    ) -> None:
        reply = None
        if to.alive and self.reachable(asker, to):
            to.bytes_received += size(message)
            if self.on_message is not None:
                self.on_message(asker, to, message)
            reply = to.asked(asker.id, message)
            if reply is not None and self.through_bytes:
                reply = _datagram_bytes(reply)
        arrival = self._events.now + back
        give_up = asked_at + (_ASK_SECONDS_MAX if to.alive else _ASK_DEAD_SECONDS)
        if reply is None or arrival > give_up:
            self._events.at(give_up, self._answered, asker, answer, None)
            return
        self._events.at(arrival, self._answered, asker, answer, reply)

    def _answered(self, asker: "Host", answer: Callable[[Message | None], None], reply: Message | None) -> None:
        if asker.alive:
            if reply is not None:
                asker.bytes_received += size(reply)
            answer(reply)

    def _trouble(self) -> float:
        rng, extra = self._rng, 0.0
        while rng.random() < self.loss:
            extra += RESENT_SECONDS
        return extra + (LATE_SECONDS if self.late and rng.random() < self.late else 0.0)

    def _datagram(self, delay: float) -> float:
        """With its one retransmission; lost twice, it never comes."""
        rng = self._rng
        if rng.random() < self.loss:
            delay += _ASK_AGAIN_SECONDS if rng.random() >= self.loss else 10 * _ASK_SECONDS_MAX
        return delay + (LATE_SECONDS if self.late and rng.random() < self.late else 0.0)


def _datagram_bytes(message: Message) -> Message:
    data = encode(message)
    assert len(data) <= limits.ask_bytes_max, f"{message.type} has {len(data)} bytes"
    return decode(data)


def _pair(a: NodeId, b: NodeId) -> tuple[NodeId, NodeId]:
    return (a, b) if a < b else (b, a)
