"""One simulated node: the production core, and a shell that does its actions in virtual time.

This is the only file that knows the core's inputs and actions.
"""

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from foundation import limits
from foundation.errors import LocalError
from foundation.identity import NodeId
from media.parameters import Codec, HeaderExtension, TrackParameters
from swarm.messages import Accepted, Consume, Delegated, Message, Refused
from swarm.policy import DefaultPolicy
from swarm.record import Contact, NodeRecord
from swarm.simulate.audience import Viewer
from swarm.simulate.feeding import Feed
from swarm.simulate.flights import Flights
from swarm.simulate.leases import Lease
from swarm.simulate.leave import PlainCapabilities
from swarm.simulate.network import Wire
from swarm.tree.actions import (
    Accept,
    Ask,
    Attach,
    Carried,
    Connect,
    Detach,
    Drained,
    DropSource,
    Elsewhere,
    Full,
    Lookup,
    NotFound,
    Over,
    Send,
    Settled,
    StopPipe,
    TreeKnown,
)
from swarm.tree.relay_tree import RelayTree

if TYPE_CHECKING:
    from swarm.simulate.world import World

_EXTENSIONS = tuple(
    HeaderExtension(number, f"urn:ietf:params:rtp-hdrext:{name}") for number, name in ((1, "toffset"), (3, "sdes:mid"))
)
_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"})
_VIDEO = TrackParameters("video", "0", Codec("video/VP8", 90000, None, 96), 1, _EXTENSIONS, _FEEDBACK, 97, 2)
_AUDIO = TrackParameters("audio", "1", Codec("audio/opus", 48000, 2, 111, (("useinbandfec", "1"),)), 3, _EXTENSIONS)
"""What a browser publishes: it gives ACCEPTED the size that it has in production."""

_SWEEP_SECONDS = 5.0
"""Between two looks for links that nobody needs."""


_ANSWERS = (Accepted, Delegated, Refused)


class Host:
    """`links` are those that are up at this end; `pipes` are numbered, by child and producer."""

    def __init__(self, world: "World", record: NodeRecord, region: int, slots: int, rng: random.Random) -> None:
        self.world = world
        self.record = record
        self.id: NodeId = record.node
        self.name = record.url
        self.region = region
        self.slots = slots
        self.alive = True
        self.draining = False
        self.born = world.events.now
        self.died = 0.0
        self.bytes_received = 0
        self.epochs: dict[UUID, int] = {}
        self.links: dict[NodeId, Wire] = {}
        self.pipes: dict[tuple[NodeId, UUID], int] = {}
        self.waiting: dict[str, Viewer] = {}
        self.watching: dict[str, Viewer] = {}
        self.trees: list[TreeKnown] = []
        self.flights = Flights()
        self.rng = random.Random(rng.getrandbits(64))
        self.tree = RelayTree(
            record,
            DefaultPolicy(slots),
            rng,
            world.read_record,
            capabilities=PlainCapabilities(self.id, lambda: world.events.now),
            sample=self._sample,
            others=world.others,
            rtt=self._rtt,
        )
        self.timer_at: float | None = None
        self._unused_since: dict[NodeId, float] = {}
        self._sweeping = False

    # --- what happens to it ---

    def publish(self, producer: UUID, epoch: int) -> None:
        """Raises `LocalError` when this node cannot own the producer now."""
        if not self.tree.may_own(producer):
            raise LocalError("no slot is left for a first relay")
        self.tree.produced(producer, epoch, self.world.events.now)
        self.epochs[producer] = epoch
        self.world.feeding.begin(self._feed(producer), self.world.events.now)
        self._settle()

    def unpublish(self, producer: UUID) -> None:
        self.tree.unproduced(producer, self.world.events.now)
        feed = self.world.feeding.get(self.id, producer)
        if feed is not None:
            self.world.feeding.remove(feed, self.world.events.now)
        self._settle()

    def want(self, viewer: Viewer) -> None:
        """A viewer's POST; `world.audience` gets the answer."""
        self.waiting[viewer.name] = viewer
        self.tree.want(viewer.producer, viewer.name, self.world.events.now, viewer.hops)
        self._settle()

    def release(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        self.waiting.pop(viewer.name, None)
        if self.watching.pop(viewer.name, None) is not None:
            self._feed(viewer.producer).viewers -= 1
        self.tree.release_want(viewer.producer, viewer.name, self.world.events.now)
        self._settle()

    def ask_tree(self, producer: UUID) -> None:
        """Somebody wants to see the whole tree; it comes into `trees`."""
        self.tree.tree(producer, self.world.events.now)
        self._settle()

    def superseded(self, producer: UUID, epoch: int) -> None:
        """Another node owns the producer now, with a higher epoch; the publisher here is sent away."""
        if not self.alive:
            return
        feed = self.world.feeding.get(self.id, producer)
        if feed is not None:
            self.world.feeding.end(feed, self.world.events.now)
        self.tree.superseded(producer, epoch, self.world.events.now)
        self._settle()

    def drain(self) -> None:
        """It is about to go: nodes and viewers are to leave, and it exits by a deadline."""
        self.draining = True
        self.tree.drain(self.world.events.now)
        self._settle()

    def undrain(self) -> None:
        """It stays after all."""
        self.draining = False
        self.tree.undrain(self.world.events.now)
        self._settle()

    def exit(self) -> None:
        """The process ends, and says so to everybody it has a link with."""
        for wire in list(self.links.values()):
            self.world.network.close(wire)
        self.crash()

    def crash(self) -> None:
        """The process is gone, without a word."""
        now = self.world.events.now
        self.alive, self.died = False, now
        for feed in self.world.feeding.of(self.id):
            self.world.feeding.remove(feed, now)
        for wire in self.links.values():
            self.world.network.silence(wire, wire.other(self))
        for viewer in [*self.watching.values(), *self.waiting.values()]:
            self.world.audience.displace(viewer, self)
        self.watching.clear()
        self.waiting.clear()

    # --- what the network calls ---

    def link_up(self, wire: Wire) -> None:
        peer = wire.other(self)
        if self.links.get(peer.id) not in (None, wire):
            self.link_down(self.links[peer.id])
        self.links[peer.id] = wire
        self.flights.end(peer.id, self.world.events.now)
        if not self._sweeping:
            self._sweeping = True
            self.world.events.after(_SWEEP_SECONDS, self._sweep)
        self.tree.link_up(peer.record, self.world.events.now)
        self._settle()

    def link_down(self, wire: Wire) -> None:
        peer, now = wire.other(self), self.world.events.now
        del self.links[peer.id]
        self._unused_since.pop(peer.id, None)
        for child, producer in [key for key in self.pipes if key[0] == peer.id]:
            self._stop_pipe(child, producer)
        for feed in self.world.feeding.of(self.id):
            self.world.feeding.cut(feed, peer.id, now)
        self.tree.link_down(peer.id, now)
        self._settle()

    def link_failed(self, node: NodeId) -> None:
        self.flights.end(node, self.world.events.now, answered=False)
        self.tree.link_failed(node, self.world.events.now)
        self._settle()

    def message(self, sender: NodeId, message: Message) -> None:
        now = self.world.events.now
        if message.__class__ in _ANSWERS:
            self.flights.end(message.request, now)
        self.tree.message(sender, message, now)
        self._settle()

    def asked(self, sender: NodeId, message: Message) -> Message | None:
        """A datagram's question, and the answer if there is one."""
        answer = self.tree.asked(sender, message, self.world.events.now)
        self._settle()
        return answer

    def silent(self, wire: Wire) -> None:
        """Media and keepalives from this parent have stopped."""
        peer = wire.other(self).id
        if self.alive and self.links.get(peer) is wire:
            self.tree.parent_silent(peer, self.world.events.now)
            self._settle()

    def flowing(self, producer: UUID, source: Feed) -> None:
        """The first packet has come from there."""
        feed = self.world.feeding.get(self.id, producer)
        if self.alive and feed is not None and source.fed and (feed.source is source or feed.spare is source):
            self.tree.pipe_flowing(producer, source.node, self.world.events.now)
            self._settle()

    def takes_from(self, node: NodeId) -> bool:
        """Whether any media comes in from there."""
        return any(carriage.parent == node for carriage in self.tree.carriages())

    # --- the shell ---

    def _settle(self) -> None:
        """All actions, then the one timer."""
        tree = self.tree
        while (action := tree.poll()) is not None:
            _DO[action.__class__](self, action)
        at = tree.next_timeout()
        if at is not None and (self.timer_at is None or at < self.timer_at):
            self.timer_at = at
            self.world.events.at(at, self._timer, at)
        if self.world.check is not None:
            self.world.check(self)

    def _timer(self, at: float) -> None:
        if not self.alive or self.timer_at != at:
            return
        self.timer_at = None
        now, due = self.world.events.now, self.tree.next_timeout()
        if due is not None and due <= now:
            self.tree.timer(now)
        self._settle()

    def _sweep(self) -> None:
        """Closes what this end does not need any more, as the link table of a node does."""
        if not self.alive or not self.links:
            self._sweeping = False
            return
        now = self.world.events.now
        for node, wire in list(self.links.items()):
            if self.tree.uses_link(node):
                self._unused_since.pop(node, None)
            elif now - self._unused_since.setdefault(node, now) >= _idle_seconds(self, wire):
                self.world.network.close(wire)
        self.world.events.after(_SWEEP_SECONDS, self._sweep)

    def _look_up(self, action: Lookup) -> None:
        self.flights.begin(action.producer, self.world.events.now)
        self.world.look_up(self, action.producer, action.fresh, self._found)

    def _found(self, producer: UUID, lease: Lease | None) -> None:
        if self.alive:
            self.flights.end(producer, self.world.events.now)
            owner, epoch = (lease.owner, lease.epoch) if lease is not None else (None, 0)
            self.tree.owner_found(producer, owner, self.world.events.now, epoch)
            self._settle()

    def _connect(self, action: Connect) -> None:
        node = action.contact.node
        self.flights.begin(node, self.world.events.now)
        self.world.network.dial(self, self.world.hosts.get(node), node)

    def _ask(self, action: Ask) -> None:
        to = self.world.hosts.get(action.contact.node)
        self.flights.begin(-action.key, self.world.events.now)
        self.world.network.ask(self, to, action.message, functools.partial(self._answered, action.key))

    def _answered(self, key: int, answer: Message | None) -> None:
        self.flights.end(-key, self.world.events.now, answered=answer is not None)
        self.tree.answered(key, answer, self.world.events.now)
        self._settle()

    def _rtt(self, node: NodeId) -> float | None:
        peer = self.world.hosts.get(node)
        return self.world.geography.rtt(self.region, peer.region) if peer is not None else None

    def _sample(self, count: int) -> list[Contact]:
        return [host.record.contact for host in self.world.sample(self, count)]

    def _send(self, action: Send) -> None:
        if action.message.__class__ is Consume:
            self.flights.begin(action.message.request, self.world.events.now)
        self.world.network.send(self, action.node, action.message)

    def _accept(self, action: Accept) -> None:
        answer = action.answer
        if action.child not in self.links:
            self.tree.accept_failed(action.child, answer.producer, self.world.events.now)
            return
        pipe = self.world.new_number()
        self.pipes[action.child, answer.producer] = pipe
        tracks = (replace(_VIDEO, ssrc=2 * pipe, rtx_ssrc=2 * pipe + 1), _AUDIO)
        self.world.network.send(self, action.child, replace(answer, tracks=tracks))

    def _stop(self, action: StopPipe) -> None:
        self._stop_pipe(action.child, action.producer)

    def _stop_pipe(self, child: NodeId, producer: UUID) -> None:
        pipe = self.pipes.pop((child, producer), None)
        feed = self.world.feeding.get(child, producer)
        if pipe is not None and feed is not None:
            self.world.feeding.cut(feed, self.id, self.world.events.now, pipe)

    def _attach(self, action: Attach) -> None:
        world, now = self.world, self.world.events.now
        feed = self._feed(action.producer)
        parent = world.hosts.get(action.parent)
        if feed.ever_fed:
            world.parent_changed(self, feed, action.parent)
        source = world.feeding.get(action.parent, action.producer)
        pipe = (action.tracks[0].ssrc or 0) // 2
        if parent is None or source is None or parent.pipes.get((self.id, action.producer)) != pipe:
            if not action.keep_old:
                world.feeding.unplug(feed, now)
        else:
            world.feeding.plug(feed, source, pipe, now, action.keep_old)

    def _drop_source(self, action: DropSource) -> None:
        self.world.feeding.cut(self._feed(action.producer), action.parent, self.world.events.now)

    def _drained(self, action: Drained) -> None:
        self.world.drained(self)

    def _detach(self, action: Detach) -> None:
        feed = self.world.feeding.get(self.id, action.producer)
        if feed is not None:
            self.world.feeding.remove(feed, self.world.events.now)

    def _settled(self, action: Settled) -> None:
        viewer = self.waiting.pop(action.viewer, None)
        audience = self.world.audience
        if viewer is not None and self.world.events.now > viewer.posted_at:
            viewer.network_seconds += self.flights.within(viewer.posted_at, self.world.events.now)
        if viewer is None:
            if action.viewer in self.watching and isinstance(action.outcome, Over):
                self._end(self.watching[action.viewer])
            return
        match action.outcome:
            case Carried():
                self.watching[viewer.name] = viewer
                self._feed(viewer.producer).viewers += 1
                audience.served(viewer, self)
            case Elsewhere(urls):
                audience.sent_on(viewer, self.world.by_url.get(urls[0]))
            case Full():
                audience.refused(viewer, limits.full_retry_seconds)
            case NotFound() | Over():
                audience.refused(viewer, limits.absent_retry_seconds, full=False)

    def _tree_known(self, action: TreeKnown) -> None:
        self.trees.append(action)

    def _end(self, viewer: Viewer) -> None:
        """The node closes a session."""
        del self.watching[viewer.name]
        feed = self.world.feeding.get(self.id, viewer.producer)
        now = self.world.events.now
        if feed is not None:
            feed.viewers -= 1
        self.world.audience.ended(viewer, self, now if feed is None or feed.fed else feed.dark_since)

    def _feed(self, producer: UUID) -> Feed:
        return self.world.feeding.feed(self.id, producer, self.world.events.now)


def _idle_seconds(host: Host, wire: Wire) -> float:
    """As the link table's: the end that dialed closes first."""
    return limits.link_idle_seconds if wire.a is host else limits.link_idle_accepted_seconds


_DO: dict[type, Callable[[Host, Any], None]] = {
    Lookup: Host._look_up,
    Connect: Host._connect,
    Send: Host._send,
    Ask: Host._ask,
    Accept: Host._accept,
    StopPipe: Host._stop,
    Attach: Host._attach,
    DropSource: Host._drop_source,
    Drained: Host._drained,
    Detach: Host._detach,
    Settled: Host._settled,
    TreeKnown: Host._tree_known,
}
