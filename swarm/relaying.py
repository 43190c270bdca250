"""The shell around `RelayTree`: does what the tree decides, with the directory, the links and the packet path."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

from dht.directory import Directory
from foundation import limits
from foundation.errors import LocalError, NoSuchProducer, RemoteError, SwarmFull
from foundation.identity import NodeId
from foundation.tasks import TaskScope
from media.sfu import Sfu
from swarm.links import Links
from swarm.messages import Claim, Claimed, Message, Probe, Probed, TreeNode
from swarm.policy import Measured, PlacementPolicy
from swarm.record import Contact, NodeRecord
from swarm.tree.actions import (
    Accept,
    Action,
    Ask,
    Attach,
    Connect,
    Detach,
    Drained,
    DropSource,
    Lookup,
    Outcome,
    Send,
    Settled,
    StopPipe,
    TreeKnown,
)
from swarm.tree.relay_tree import RelayTree
from swarm.wire import decode, encode

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Relaying:
    """One node's relay trees in action. Every input goes to the tree, and then all of its actions are done."""

    def __init__(self, tree: RelayTree, sfu: Sfu, directory: Directory, links: Links) -> None:
        self.tree = tree
        self._sfu = sfu
        self._directory = directory
        self._links = links
        self._loop = asyncio.get_running_loop()
        self._scope = TaskScope("relaying", limits.relaying_tasks_max)
        self._waiting: dict[tuple[UUID, str], asyncio.Future[Outcome]] = {}
        self._asking: dict[UUID, list[asyncio.Future[TreeKnown]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._closed = False
        self.on_drained: Callable[[], None] = lambda: None
        """Every child that could be handed over has gone."""
        links.on_up = self._link_up
        links.on_down = self._link_down
        links.on_message = self._message
        links.wanted = tree.uses_link
        directory.on_ask = self._asked
        self.on_claim: Callable[[UUID, bytes], bool] = lambda producer, claimant: False
        """Whether a claimant is the one who publishes a producer here."""

    # --- what the node calls ---

    async def want(self, producer: UUID, viewer: str, hops: int = 0) -> Outcome:
        """Waits until the stream is here for a viewer that was sent on `hops` times, or is to be had elsewhere.

        Unless it is `Carried` it has no slot here, also when the wait is cancelled. The wait is bounded by the tree
        (`pull_seconds_max`). Raises `SwarmFull` when this node ends.
        """
        self._refuse_when_closed()
        settled: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting[producer, viewer] = settled
        try:
            self.tree.want(producer, viewer, self._loop.time(), hops)
            self._pump()
            return await settled
        except BaseException:
            self.release(producer, viewer)
            raise
        finally:
            self._waiting.pop((producer, viewer), None)

    def release(self, producer: UUID, viewer: str) -> None:
        """The viewer is gone."""
        self.tree.release_want(producer, viewer, self._loop.time())
        self._pump()

    def epoch(self, producer: UUID) -> int:
        """Of the publisher's session from which this node has the producer; 0 when it has it not."""
        carriage = self.tree.carriage(producer)
        return carriage.epoch if carriage is not None else 0

    def owner_lost(self, producer: UUID) -> bool:
        """Whether this node relays the producer, has no parent now, and one that it lost was the owner."""
        carriage = self.tree.carriage(producer)
        return carriage is not None and not carriage.fed and carriage.lineage[0] in carriage.lost

    async def carries(self, contact: Contact, producer: UUID) -> bool:
        """Whether a node says that it has the producer; a dead one says nothing, within `call_seconds_max`."""
        answer = await self._ask_node(contact, Probe(producer))
        return isinstance(answer, Probed) and answer.carries

    async def grants(self, contact: Contact, producer: UUID, claimant: bytes) -> bool:
        """Whether a node says that its publisher of the producer is this one, who may go on here."""
        answer = await self._ask_node(contact, Claim(producer, claimant))
        return isinstance(answer, Claimed) and answer.granted

    def check_free(self, producer: UUID, epoch: int) -> None:
        """Raises `LocalError` when `produced` would: the producer is live elsewhere."""
        carriage = self.tree.carriage(producer)
        if carriage is not None and not carriage.owned and carriage.fed and epoch <= carriage.epoch:
            raise LocalError("this node relays that producer: it is live elsewhere")

    def may_own(self, producer: UUID | None) -> bool:
        """Whether a stream that is published here could be given on."""
        return self.tree.may_own(producer)

    def produced(self, producer: UUID, epoch: int) -> None:
        """A publisher of this node has begun. Raises `LocalError` when the producer is live elsewhere."""
        self.tree.produced(producer, epoch, self._loop.time())
        self._pump()

    def unproduced(self, producer: UUID) -> None:
        """The publisher is gone."""
        self.tree.unproduced(producer, self._loop.time())
        self._pump()

    def superseded(self, producer: UUID, epoch: int) -> None:
        """Another node owns a producer of this one with a higher epoch: its viewers get the stream from there.

        The publisher's session feeds it no longer, and can be closed without ending it.
        """
        if (fed := self._sfu.router.get(producer)) is not None:
            fed.orphan()
            fed.piped = True
        self.tree.superseded(producer, epoch, self._loop.time())
        self._pump()

    def drain(self) -> None:
        """No new child is taken, and those that are here move elsewhere; `on_drained` is called when none is left."""
        self.tree.drain(self._loop.time())
        self._pump()

    def undrain(self) -> None:
        """This node stays after all."""
        self.tree.undrain(self._loop.time())
        self._pump()

    def joined(self) -> None:
        """This node has come to know others: they are offered its room."""
        self.tree.joined(self._loop.time())
        self._pump()

    def measured(self, measured: Measured, now: float) -> None:
        """What sending costs this node, each time it is measured."""
        self.tree.measured(measured, now)
        self._pump()

    def replace_policy(self, policy: PlacementPolicy) -> None:
        """From now on another policy decides."""
        self.tree.replace_policy(policy, self._loop.time())
        self._pump()

    def neighbours(self, producer: UUID | None) -> list[str]:
        """Base URLs of other nodes: those that carry the producer, as far as this one knows, else any with a link."""
        carriage = self.tree.carriage(producer) if producer is not None else None
        carriers = [node for node in (carriage.parent, *carriage.children) if node is not None] if carriage else []
        return self._links.urls(carriers) or self._links.urls()

    async def nodes(self, producer: UUID) -> tuple[TreeNode, ...]:
        """The relay tree of a producer, parents before children. Raises `NoSuchProducer` and `SwarmFull`."""
        self._refuse_when_closed()
        known: asyncio.Future[TreeKnown] = self._loop.create_future()
        self._asking.setdefault(producer, []).append(known)
        try:
            self.tree.tree(producer, self._loop.time())
            self._pump()
            nodes = (await known).nodes
        finally:
            _forget(self._asking, producer, known)
        if not nodes:
            raise NoSuchProducer("No live producer has this id.")
        return nodes

    async def close(self) -> None:
        """Stops deciding, and ends every wait; pipes and links are closed by whoever owns them."""
        self._closed = True
        self._rearm()
        waiters: list[asyncio.Future[Any]] = [*self._waiting.values(), *chain(*self._asking.values())]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(_shutting_down())
        await self._scope.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise _shutting_down()

    # --- what the links call ---

    def _link_up(self, record: NodeRecord) -> None:
        self.tree.link_up(record, self._loop.time())
        self._pump()

    def _link_down(self, node: NodeId) -> None:
        self.tree.link_down(node, self._loop.time())
        self._pump()

    def _message(self, node: NodeId, message: Message) -> None:
        self.tree.message(node, message, self._loop.time())
        self._pump()

    def _asked(self, node: NodeId, payload: bytes) -> bytes | None:
        """A question without a link, answered at once."""
        try:
            question = decode(payload)
            if isinstance(question, Claim):
                return encode(Claimed(self.on_claim(question.producer, question.claimant)))
            answer = self.tree.asked(node, question, self._loop.time())
        except RemoteError:
            self.tree.counters["asks_malformed"] += 1
            return None
        self._pump()
        return encode(answer) if answer is not None else None

    # --- doing what the tree decided ---

    def _pump(self) -> None:
        """Does every action; what one of them sets off is done in the same loop, not in a deeper one."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while (action := self.tree.poll()) is not None:
                self._do(action)
        finally:
            self._pumping = False
        self._rearm()

    def _do(self, action: Action) -> None:
        match action:
            case Lookup():
                self._spawn(self._look_up(action), "lookup")
            case Connect():
                self._spawn(self._connect(action.contact), "connect")
            case Send():
                self._links.send(action.node, action.message)
            case Ask():
                self._spawn(self._ask(action), "ask")
            case Accept():
                self._accept(action)
            case StopPipe():
                if (link := self._links.get(action.child)) is not None:
                    link.pipe.stop_pipe(action.producer, "ended")
            case Attach():
                self._attach(action)
            case DropSource():
                self._drop_source(action)
            case Detach():
                if (producer := self._sfu.router.get(action.producer)) is not None:
                    producer.close(action.reason)
            case Settled():
                waiter = self._waiting.get((action.producer, action.viewer))
                if waiter is not None and not waiter.done():
                    waiter.set_result(action.outcome)
            case Drained():
                self.on_drained()
            case TreeKnown():
                for asker in self._asking.pop(action.producer, ()):
                    if not asker.done():
                        asker.set_result(action)

    async def _look_up(self, action: Lookup) -> None:
        lease = await self._directory.find(action.producer, fresh=action.fresh)
        owner = Contact(lease.owner_id, lease.addresses, lease.fingerprint, lease.url) if lease else None
        self.tree.owner_found(action.producer, owner, self._loop.time(), lease.epoch if lease else 0)
        self._pump()

    async def _ask(self, action: Ask) -> None:
        answer = await self._ask_node(action.contact, action.message)
        self.tree.answered(action.key, answer, self._loop.time())
        self._pump()

    async def _ask_node(self, contact: Contact, message: Message) -> Message | None:
        """What a node answers to a question without a link; None for nothing, or what cannot be read."""
        answer = await self._directory.ask(contact.node, contact.addresses[0], encode(message))
        try:
            return decode(answer) if answer is not None else None
        except RemoteError:
            self.tree.counters["answers_malformed"] += 1
            return None

    async def _connect(self, contact: Contact) -> None:
        record = await self._links.connect(contact)
        if record is not None:
            self.tree.link_up(record, self._loop.time())
        else:
            self.tree.link_failed(contact.node, self._loop.time())
        self._pump()

    def _accept(self, action: Accept) -> None:
        link = self._links.get(action.child)
        producer = self._sfu.router.get(action.answer.producer)
        if link is None or producer is None:
            self.tree.accept_failed(action.child, action.answer.producer, self._loop.time())
            return
        try:
            tracks = link.pipe.pipe_out(producer, {position.kind: position.sequence for position in action.resume})
        except LocalError as exc:
            logger.info("a pipe to %s could not be opened: %s", action.child.hex(), exc)
            self.tree.accept_failed(action.child, action.answer.producer, self._loop.time())
            return
        self._links.send(action.child, replace(action.answer, tracks=tracks))

    def _attach(self, action: Attach) -> None:
        link = self._links.get(action.parent)
        try:
            if link is None:
                raise LocalError("its link is gone")
            producer, flowing = self._sfu.router.get(action.producer), partial(self._flowing, action)
            if producer is None:
                link.pipe.pipe_in(action.producer, action.tracks, flowing)
            else:
                link.pipe.adopt(producer, action.tracks, same_source=action.same_source, on_flowing=flowing)
        except LocalError as exc:
            logger.info("a pipe from %s could not be opened: %s", action.parent.hex(), exc)
            self.tree.pipe_lost(action.producer, action.parent, self._loop.time())

    def _flowing(self, attached: Attach) -> None:
        self.tree.pipe_flowing(attached.producer, attached.parent, self._loop.time())
        self._pump()

    def _drop_source(self, action: DropSource) -> None:
        link, producer = self._links.get(action.parent), self._sfu.router.get(action.producer)
        if link is not None and producer is not None:
            link.pipe.drop(producer)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """A full scope drops the action: the tree's own deadline for its answer then ends the wait."""
        self._scope.spawn(coroutine, name)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = None if self._closed else self.tree.next_timeout()
        self._timer = None if when is None else self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.tree.timer(self._loop.time())
        self._pump()


def _shutting_down() -> SwarmFull:
    return SwarmFull("This node is shutting down: ask another one.")


def _forget(waiting: dict[UUID, list[asyncio.Future[T]]], producer: UUID, waiter: asyncio.Future[T]) -> None:
    """Takes one waiter out, if it is still there."""
    waiters = waiting.get(producer, [])
    if waiter in waiters:
        waiters.remove(waiter)
        if not waiters:
            del waiting[producer]
