"""The demo's play: four nodes, a publisher at the one with little room, and a viewer at each of the others.

The capacities leave one place per carrier, so the tree has to grow deep: owner, relay, relay of the relay.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from foundation import limits
from foundation.errors import NoSuchProducer, RemoteError, SwarmFull
from swarm.client.api import NodeApi
from swarm.client.watch import Watched, Watcher
from swarm.client.whep import WhepPlayer
from swarm.demo.processes import Program

CAPACITIES = {"seed": 200, "owner": 1, "first": 2, "second": 2}
"""Name and `--max-consumers` of each node, in the order in which they start; the others join through the seed."""

VIEWED_THROUGH = ("first", "second", "seed")
"""In the order in which viewers come: each finds all earlier carriers full but the last."""

_poll_seconds = 0.1

Value = TypeVar("Value")


@dataclass
class Member:
    """One node of the demo's swarm."""

    name: str
    url: str
    api: NodeApi
    id: str

    @property
    def authority(self) -> str:
        return self.url.partition("://")[2]


@dataclass
class Viewer:
    """A player and what it got so far."""

    name: str
    member: Member
    player: WhepPlayer
    watcher: Watcher

    @property
    def watched(self) -> Watched:
        return replace(self.watcher.watched)


@dataclass
class Stage:
    """What runs: filled while the play goes on, so that a display can look at it at any time."""

    directory: Path
    members: dict[str, Member] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    viewers: list[Viewer] = field(default_factory=list)
    producer_id: UUID | None = None

    async def tree(self) -> dict[str, Any]:
        """The relay tree as the seed sees it. Raises `RemoteError`."""
        assert self.producer_id is not None
        return await self.members["seed"].api.tree(self.producer_id)

    @property
    def names(self) -> dict[str, str]:
        """The members' names, by node id."""
        return {member.id: name for name, member in self.members.items()}

    async def nodes(self) -> dict[str, dict[str, Any]]:
        """What each node says of itself, by its name here. Raises `RemoteError`."""
        described = await asyncio.gather(*(member.api.node() for member in self.members.values()))
        return dict(zip(self.members, described, strict=True))


@asynccontextmanager
async def stage(directory: Path, report: Callable[[str], object]) -> AsyncIterator[Stage]:
    """An empty stage; when it is left, every player and process that came onto it is ended."""
    result = Stage(directory)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, result)
        yield result
        report("ending all processes")


async def raise_swarm(on: Stage, report: Callable[[str], object]) -> None:
    """Starts the nodes and waits until each knows others. Raises `RemoteError`."""
    for name, capacity in CAPACITIES.items():
        joining = ["--join", on.members["seed"].authority] if on.members else []
        options = ["--listen", "127.0.0.1:0", "--max-consumers", str(capacity), "--log-level", "info", *joining]
        program = await Program.start(name, ["run", *options], on.directory)
        on.programs.append(program)
        url = await program.printed(r"(http://[\w.\[\]:]+:\d+)")
        api = NodeApi(url)
        on.members[name] = Member(name, url, api, str((await api.node()).get("id")))
        room = "1 consumer" if capacity == 1 else f"{capacity} consumers"
        report(f"node {name} runs at {url}, with room for {room}")
    for member in on.members.values():
        await _eventually(f"{member.name} knows nobody in the swarm", partial(_contacts, member.api))
    report("all nodes have joined through the seed")


async def publish(on: Stage, report: Callable[[str], object]) -> UUID:
    """Publishes the test picture and tone at the owner, in a process of its own. Raises `RemoteError`."""
    owner = on.members["owner"]
    publisher = await Program.start("publisher", ["publish", "--to", owner.url], on.directory)
    on.programs.append(publisher)
    on.producer_id = UUID(await publisher.printed(r"producer\s+([0-9a-f-]{36})"))
    report(f"published {on.producer_id} at owner")
    return on.producer_id


async def watch(on: Stage, name: str, report: Callable[[str], object]) -> None:
    """Watches through one node and waits until pictures and sound have come. Raises `RemoteError`."""
    member = on.members[name]
    url = f"{member.url}/whep/{on.producer_id}"
    player = await _eventually(f"the stream cannot be watched at {name}", partial(_connected, url))
    viewer = Viewer(name, member, player, Watcher(player))
    on.viewers.append(viewer)
    await _eventually(f"no picture or no sound came through {name}", partial(_playing, viewer))
    report(f"watching through {name}: {viewer.watched.line()}")


async def _connected(url: str) -> WhepPlayer | None:
    player = WhepPlayer.of_url(url)
    try:
        await player.connect()
    except (NoSuchProducer, SwarmFull):
        # Both mean "come again": the lease spreads, a place may get free.
        return None
    return player


async def _playing(viewer: Viewer) -> bool:
    return viewer.watched.counters > 0 and viewer.watched.sounding > 0


async def _contacts(api: NodeApi) -> bool:
    return bool((await api.node()).get("dht", {}).get("contacts"))


async def _eventually(failure: str, attempt: Callable[[], Awaitable[Value | None]]) -> Value:
    """Repeats `attempt` until it gives something true. Raises `RemoteError(failure)` when that takes too long."""
    try:
        async with asyncio.timeout(limits.demo_wait_seconds_max):
            while not (value := await attempt()):
                await asyncio.sleep(_poll_seconds)
            return value
    except TimeoutError:
        raise RemoteError(f"{failure} after {limits.demo_wait_seconds_max:.0f} s") from None


async def _end(on: Stage) -> None:
    """Viewers first, then the publisher, then the nodes: so that each can still say goodbye."""
    await asyncio.gather(*(viewer.watcher.close() for viewer in on.viewers))
    await asyncio.gather(*(viewer.player.close() for viewer in on.viewers))
    publishers = [program for program in on.programs if program.name == "publisher"]
    for group in (publishers, [program for program in on.programs if program not in publishers]):
        await asyncio.gather(*(program.stop() for program in group))
