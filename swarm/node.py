"""`Node`: one member of a swarm, and the only place where its parts meet. The embedding API."""

import asyncio
import logging
import random
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from dht.directory import Directory
from foundation import limits
from foundation.address import Address, checked, format_address, is_loopback, normalize, split_host_port
from foundation.errors import ConfigError, NoSuchProducer, RemoteError
from foundation.identity import swarm_id
from foundation.tasks import TaskScope
from media.endpoint import Endpoint
from media.port import UdpPort
from media.sfu import Sfu
from swarm.capability import SignedCapabilities
from swarm.config import Config
from swarm.draining import Draining
from swarm.events import EventStream
from swarm.identity import load_or_create_key
from swarm.kept_peers import KeptPeers
from swarm.links import Links
from swarm.messages import Position
from swarm.placement import Placement
from swarm.process.binding import bind, ip_versions
from swarm.record import Contact, NodeRecord, parse_fingerprint
from swarm.relaying import Relaying
from swarm.service import SentOn, SessionAnswer
from swarm.sessions import Sessions
from swarm.swarm_key import load_swarm_key
from swarm.tree.relay_tree import RelayTree
from swarm.tree.walk import nested
from swarm.web import Web

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack

    from swarm.embedding import Consumer, Producer

logger = logging.getLogger(__name__)


class Node:
    """A running node, from `async with Node(Config(...)) as node` to the end of the block.

    It is also the `NodeService` behind its own HTTP server.
    """

    def __init__(self, config: Config | None = None) -> None:
        """Reads nothing and opens nothing yet."""
        self.config = config or Config()
        self._started_at = time.monotonic()
        self._told_to_end = False
        self._scope = TaskScope("node", limits.node_tasks_max)
        self._embedded: list[Producer | Consumer] = []
        self._parts = AsyncExitStack()
        """What is open; each part is closed before those it stands on."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Binds the port, joins the swarm and serves. Raises `ConfigError`. A start that fails leaves nothing open."""
        config = self.config
        self._key = load_or_create_key(config.data_dir)
        self._placement = Placement(config)
        self._web = Web(config)
        key = load_swarm_key(config.swarm_key_file) if config.swarm_key_file else None
        self._swarm = swarm_id(config.swarm, key.origin if key else None)
        self._swarm_keys = (key.current, key.other) if key else (None, None)
        advertise = [_advertised(text) for text in config.advertise]
        listener, port = bind(*config.listen_address)
        self._parts.callback(port.close)
        self._parts.callback(listener.close)
        try:
            await self._open(listener, port, advertise)
            await self._join()
        except BaseException:
            await self.close()
            raise

    async def _open(self, listener: socket.socket, port: UdpPort, advertise: Sequence[Address]) -> None:
        loop = asyncio.get_running_loop()
        rng = random.SystemRandom()
        swarm_key, swarm_key_other = self._swarm_keys
        self._sfu = Sfu(Endpoint(port, loop), loop, rng, advertise)
        self._parts.push_async_callback(self._sfu.close)
        self.record = self._signed_record()
        self._directory = Directory(
            self._key,
            self._swarm,
            self._sfu.endpoint.send_datagram,
            loop=loop,
            wall_clock=time.time,
            rng=rng,
            swarm_key=swarm_key,
            swarm_key_other=swarm_key_other,
            read_only=self.config.read_only,
            subnet_max=self.config.contacts_per_subnet or None,
            ip_versions=ip_versions(port),
        )
        self._parts.push_async_callback(self._directory.close)
        self._links = Links(self.record, self._sfu, swarm_key, swarm_key_other)
        self._parts.push_async_callback(self._links.close)
        tree = RelayTree(
            self.record,
            self._placement.policy,
            rng,
            self._read_record,
            capabilities=SignedCapabilities(self._key, self._swarm, time.time),
            sample=self._sample,
            others=lambda: self._directory.contacts,
            positions=self._positions,
            rtt=self._links.rtt_seconds,
            reachable=not self.config.read_only,
        )
        self._relaying = Relaying(tree, self._sfu, self._directory, self._links)
        self._parts.push_async_callback(self._relaying.close)
        self._sessions = Sessions(
            self.record, self._sfu, self._relaying, self._directory, private=swarm_key is not None
        )
        self._parts.push_async_callback(self._sessions.close)
        self._draining = Draining(self._sessions.drain, self._sessions.undrain, self._nobody_left)
        self._parts.callback(self._draining.close)
        self._sessions.on_end = self._relaying.on_drained = self._draining.look
        self._sfu.endpoint.on_datagram = self._directory.datagram_received
        self._sfu.endpoint.start()
        self._http = await self._web.serve(self, listener, self.url, [key for key in self._swarm_keys if key])
        self._parts.push_async_callback(self._http.close)
        self._scope.spawn(self._renew_record(), "renew")
        self._scope.spawn(self._web.watch_certificate(), "certificate")
        load = self._placement.watch(port.counters, lambda: tree.load, self._relaying.measured)
        self._scope.spawn(load, "load")

    def _sample(self, count: int) -> list[Contact]:
        """Random other nodes, as far as the directory knows them: enough to ask them something."""
        return [Contact(peer.id, (peer.address,), b"") for peer in self._directory.sample(count)]

    def _positions(self, producer_id: UUID) -> tuple[Position, ...]:
        producer = self._sfu.router.get(producer_id)
        return () if producer is None else tuple(Position(*item) for item in producer.positions().items())

    async def close(self) -> None:
        """Ends every session, withdraws what is published here, and gives port and tasks back; idempotent."""
        await self._scope.close()
        for stream in self._embedded:
            await stream.close()
        await self._parts.aclose()

    # --- leaving ---

    def drain(self, seconds: float | None = None) -> dict[str, Any]:
        """Begins to leave: takes nothing new, and hands on what is here; `wait_drained` returns when that is done, or
        when `seconds` (as configured) are over but for the moment that `close` takes. What it comes to: `drain_state`.

        Viewers whose player knows the WHEP `reconnect` event are sent to other nodes at once, others stay to the end.
        """
        self._draining.begin(self.config.drain_seconds if seconds is None else seconds)
        return self.drain_state()

    def undrain(self) -> dict[str, Any]:
        """Takes a drain back that is not over: those who have left do not come back, others may come."""
        self._draining.undo()
        self._told_to_end = False
        return self.drain_state()

    def drain_by_signal(self) -> bool:
        """The same for a program that was told to end; false when there is no time for it, or no patience left."""
        if self._told_to_end or self.config.drain_seconds == 0:
            return False
        self._told_to_end = True
        self.drain()
        return True

    def drain_state(self) -> dict[str, Any]:
        """The body of `GET /api/v1/drain`."""
        return {
            "draining": self._draining.active,
            "seconds_left": round(self._draining.seconds_left, 1),
            "sessions": len(self._sessions),
            "relays": self._relaying.tree.load.children,
        }

    async def wait_drained(self) -> None:
        """Returns when a drain is over: the node is to be closed then."""
        await self._draining.over.wait()

    def _nobody_left(self) -> bool:
        return len(self._sessions) == 0 and self._relaying.tree.load.children == 0

    # --- who and where ---

    @property
    def id(self) -> bytes:
        """The 20-byte node id."""
        return self.record.node

    @property
    def url(self) -> str:
        """The base URL of the node's HTTP server, without a trailing slash."""
        return self.record.url

    @property
    def address(self) -> str:
        """`host:port`, as others give it to `--join`."""
        return format_address(self.record.addresses[0])

    # --- the embedding API ---

    async def publish(
        self,
        *,
        audio: "MediaStreamTrack | None" = None,
        video: "MediaStreamTrack | None" = None,
        producer_id: UUID | None = None,
    ) -> "Producer":
        """Publishes aiortc tracks on this node; ends with `Producer.close`, or with the node.

        Raises `LocalError` without a track, `ProducerTaken` and `SwarmFull`.
        """
        from swarm.embedding import Producer

        producer = await Producer.open(self, audio, video, producer_id)
        self._keep(producer)
        return producer

    async def consume(self, producer_id: UUID) -> "Consumer":
        """Watches a producer, wherever it is: aiortc tracks, decoded in this process.

        Raises `NoSuchProducer` and `SwarmFull`.
        """
        from swarm.embedding import Consumer

        consumer = await Consumer.open(self, producer_id)
        self._keep(consumer)
        return consumer

    async def find(self, producer_id: UUID) -> dict[str, Any]:
        """Who owns a producer: the body of `GET /api/v1/producers/{uuid}`. Raises `NoSuchProducer`."""
        lease = await self._directory.find(producer_id)
        if lease is None:
            raise NoSuchProducer("No live producer has this id.")
        return {
            "id": str(producer_id),
            "owner": lease.owner_id.hex(),
            "address": format_address(lease.addresses[0]),
            "url": lease.url,
            "carried_here": self._sfu.router.get(producer_id) is not None,
        }

    async def tree(self, producer_id: UUID) -> dict[str, Any]:
        """The relay tree of a producer from its owner down. Raises `NoSuchProducer`."""
        return {"producer": str(producer_id), "root": nested(await self._relaying.nodes(producer_id))}

    # --- the rest of NodeService ---

    async def publish_offer(self, offer: str, producer_id: UUID | None, subject: str = "") -> SessionAnswer | SentOn:
        return await self._sessions.publish(offer, producer_id, subject)

    async def view_offer(
        self, offer: str, producer_id: UUID, subject: str = "", hops: int = 0
    ) -> SessionAnswer | SentOn:
        return await self._sessions.view(offer, producer_id, subject, hops)

    def session_subject(self, session_id: str) -> str:
        return self._sessions.subject(session_id)

    def session_waiting(self, session_id: str) -> bool:
        return self._sessions.waiting(session_id)

    def session_etag(self, session_id: str) -> str | None:
        return self._sessions.etag(session_id)

    async def end_session(self, session_id: str) -> bool:
        return await self._sessions.end(session_id)

    def open_events(self, session_id: str, names: frozenset[str]) -> bool:
        return self._sessions.open_events(session_id, names)

    def events(self, session_id: str) -> EventStream | None:
        return self._sessions.events.get(session_id)

    def close_events(self, session_id: str) -> bool:
        return self._sessions.events.close(session_id)

    def ready(self) -> str | None:
        if self._draining.active:
            return f"draining: this node leaves in {self._draining.seconds_left:.0f} s at the latest"
        if self.config.join and not self._directory.contacts:
            return "no node of the swarm has answered yet"
        return None

    def describe(self) -> dict[str, Any]:
        carriages = self._relaying.tree.carriages()
        owned = sum(carriage.owned for carriage in carriages)
        load = self._relaying.tree.load
        dht = self._directory.stats()
        return {
            "id": self.id.hex(),
            "version": self.record.version,
            "swarm": self.config.swarm,
            "addresses": [format_address(address) for address in self.record.addresses],
            "url": self.url,
            "uptime_seconds": round(time.monotonic() - self._started_at, 1),
            "max_consumers": self.config.max_consumers,
            "consumers": load.copies,
            "load": self._placement.describe(load),
            "producers": {"owned": owned, "piped": len(carriages) - owned},
            "peers": self._links.describe(),
            "dht": {
                **{name: dht[name] for name in ("contacts", "leases", "clock_skew_ms")},
                "lookup_seconds": self._directory.lookup_seconds.describe(),
            },
            "counters": self._counters(),
            "decoders": _decoders(),
            "tasks": len(asyncio.all_tasks()),
            "not_ready": self.ready(),
        }

    def reload_policy(self) -> None:
        """Lets a new version of the policy's file decide from now on. Raises `ConfigError`: then the old one stays."""
        self._relaying.replace_policy(self._placement.reload())

    def producers(self) -> list[dict[str, Any]]:
        return [
            shown
            for carriage in self._relaying.tree.carriages()
            if (shown := self._shown(carriage.producer)) is not None
        ]

    def _shown(self, producer_id: UUID) -> dict[str, Any] | None:
        carriage = self._relaying.tree.carriage(producer_id)
        producer = self._sfu.router.get(producer_id)
        if carriage is None or producer is None:
            return None
        return {
            "id": str(producer_id),
            "role": "owner" if carriage.owned else "relay",
            "parent": carriage.parent.hex() if carriage.parent else None,
            "lineage": [node.hex() for node in carriage.lineage],
            "tracks": producer.stats(),
            "viewers": producer.viewers,
            "relays": len(carriage.children),
            "age_seconds": round(asyncio.get_running_loop().time() - producer.made_at, 1),
        }

    def _counters(self) -> dict[str, int]:
        dht = {f"dht_{name}": count for name, count in self._directory.stats().items()}
        tree = {f"tree_{name}": count for name, count in self._relaying.tree.counters.items()}
        return {**self._sfu.counters(), **self._links.counters, **tree, **dht}

    def _keep(self, stream: "Producer | Consumer") -> None:
        """Embedded streams end with the node."""
        self._embedded = [*(kept for kept in self._embedded if not kept.closed), stream]

    # --- joining, and staying known ---

    async def _join(self) -> None:
        """Asks every `--join` address once; whatever does not answer is asked again in the background."""
        remembered = self._keep_peers(self.config.data_dir) if self.config.data_dir else 0
        addresses: list[Address] = []
        unresolved: list[str] = []
        for text in self.config.join:
            found = await _resolve(text)
            addresses += found
            if not found:
                unresolved.append(text)
        if (addresses or remembered) and not await self._directory.bootstrap(addresses):
            where = [*self.config.join, *([f"{remembered} addresses of before"] if remembered else [])]
            logger.warning("no node of the swarm answers at %s yet: still trying", ", ".join(where))
        self._scope.spawn(self._offer_room(), "offer")
        if unresolved:
            self._scope.spawn(self._resolve_later(unresolved), "resolve")
        self._tell_translation()

    async def _offer_room(self) -> None:
        """To those that joining found, and again when the table has filled: who needs relays may be far from here."""
        for pause in (0.0, limits.offer_again_seconds):
            await asyncio.sleep(pause)
            self._relaying.joined()

    def _keep_peers(self, data_dir: str) -> int:
        """Remembers the contacts of before, and keeps those to come; returns how many there were."""
        kept = KeptPeers(self._directory, data_dir)
        self._parts.push_async_callback(kept.save)
        self._scope.spawn(kept.keep(), "keep-peers")
        return kept.load()

    def _tell_translation(self) -> None:
        """Behind a NAT whose port is not mapped a node would be counted on, and never be reached."""
        seen = self._directory.observed
        if seen is None or self.config.advertise or self.config.read_only or is_loopback(seen[0]):
            return
        if seen[0] not in [ip for ip, _ in self._sfu.candidates]:
            logger.warning(
                "others see this node at %s, which is none of its addresses: if its port is mapped there give "
                "--advertise %s, else --read-only",
                format_address(seen),
                format_address((seen[0], self._sfu.endpoint.port.local[1])),
            )

    async def _resolve_later(self, unresolved: list[str]) -> None:
        """Names may appear later than the node that asks for them; tried until every one was found."""
        pause = 1.0
        while unresolved:
            logger.warning("--join: no address for %s yet: still trying", ", ".join(unresolved))
            await asyncio.sleep(pause)
            pause = min(2 * pause, limits.resolve_pause_seconds_max)
            for text in tuple(unresolved):
                if found := await _resolve(text):
                    unresolved.remove(text)
                    await self._directory.bootstrap(found)

    async def _renew_record(self) -> None:
        """A record is renewed at half its life, so that others always hold one that is valid."""
        while True:
            await asyncio.sleep(limits.node_record_seconds / 2)
            self.record = self._signed_record()
            self._links.renew(self.record)
            self._relaying.tree.renew(self.record)

    def _signed_record(self) -> NodeRecord:
        addresses = self._sfu.candidates[: limits.node_record_addresses_max]
        unsigned = NodeRecord(
            swarm=self._swarm,
            public=self._key.public,
            addresses=addresses,
            fingerprint=parse_fingerprint(self._sfu.fingerprint),
            url=self._web.url(addresses[0]),
            region=self.config.region,
            version=_version(),
            sequence=int(time.time() * 1000),
            expires=time.time() + limits.node_record_seconds,
        )
        return self._read_record(unsigned.encode(self._key))

    def _read_record(self, data: bytes) -> NodeRecord:
        return NodeRecord.decode(data, self._swarm, time.time())


def _advertised(text: str) -> Address:
    host, port = split_host_port(text)
    try:
        return checked(host, port)
    except RemoteError:
        raise ConfigError(f"--advertise {text}: write the numeric IP:PORT under which others reach this node") from None


async def _resolve(text: str) -> list[Address]:
    host, port = split_host_port(text)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError:
        return []
    return list(dict.fromkeys(normalize((str(entry[4][0]), int(entry[4][1]))) for entry in found))


def _version() -> str:
    try:
        return version("swarmd")
    except PackageNotFoundError:
        return "unknown"


def _decoders() -> int:
    """aiortc decodes in one thread per track, which it names so: there are none unless this process consumes."""
    return sum(thread.name.endswith("-decoder") for thread in threading.enumerate())
