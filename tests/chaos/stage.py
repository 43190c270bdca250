"""A swarm of real processes on a wire that can fail, one stream, and viewers of each node who account for every frame.

                owner            has the publisher, and no room for viewers
               /     \\
            near     beside
              |
             far        outside  is a member that carries nothing
"""

import asyncio
import contextlib
import os
import re
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from benchmarks.framed import FramedPublisher, FramedViewer
from benchmarks.load import Answer
from benchmarks.nodes import NodeProcess, node
from foundation import limits
from foundation.errors import RemoteError
from foundation.tasks import TaskScope
from tests.chaos.wire import PRIVATE, Plug, Wire

INJECTED = Path(__file__).parent / "injected"
WAIT_SECONDS_MAX = 60.0
_poll_seconds = 0.05
_viewers_max = 256


class WiredViewer(FramedViewer):
    """Its media takes the node's own address: a client's path is not what fails here."""

    def dial(self, answer: Answer) -> None:
        super().dial(replace(answer, address=(PRIVATE, answer.address[1])))


class WiredPublisher(FramedPublisher):
    """As `WiredViewer`."""

    def dial(self, answer: Answer) -> None:
        super().dial(replace(answer, address=(PRIVATE, answer.address[1])))


class Clock:
    """The wall clock of one node, which may be wrong: `injected/sitecustomize.py` reads the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """From now on it is ahead of the right time by so much."""
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


@dataclass(slots=True, eq=False)
class Member:
    """One node, and what can be done to it."""

    name: str
    plug: Plug
    node: NodeProcess
    clock: Clock
    directory: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.node.process.pid

    @property
    def alive(self) -> bool:
        return self.node.process.returncode is None


@dataclass(slots=True)
class Stage:
    """`viewers` are by the name of the node that has them."""

    http: aiohttp.ClientSession
    wire: Wire
    stack: AsyncExitStack
    directory: Path
    producer: UUID
    publisher: FramedPublisher
    scope: TaskScope
    members: dict[str, Member] = field(default_factory=dict)
    viewers: dict[str, list[FramedViewer]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def whep(self, name: str) -> str:
        return f"{self[name].node.url}/whep/{self.producer}"

    async def start(self, name: str, *options: str, variables: dict[str, str] | None = None) -> Member:
        """Starts a node which joins the owner; one that was there before has its port and its directory again."""
        before = self.members.get(name)
        plug = before.plug if before else await self.wire.plug()
        directory = self.directory / name
        clock = before.clock if before else Clock(self.directory / f"{name}.clock")
        log = self.directory / f"{name}.log"
        if "owner" in self.members and name != "owner":
            options = ("--join", self["owner"].plug.authority, *options)
        given = ("--listen", plug.listen, "--advertise", plug.authority, "--data-dir", str(directory), *options)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        try:
            with environment(CHAOS_CLOCK=str(clock.path), **(variables or {})):
                process = await self.stack.enter_async_context(node(*given, stderr=descriptor))
        finally:
            os.close(descriptor)
        member = self.members[name] = Member(name, plug, process, clock, directory, log)
        return member

    async def watch(self, name: str, count: int) -> list[FramedViewer]:
        """So many more viewers who ask this node."""
        joined: list[FramedViewer] = []
        for _ in range(count):
            viewer = WiredViewer(asyncio.get_running_loop())
            self.stack.push_async_callback(viewer.close)
            await viewer.join(self.http, self.whep(name), WAIT_SECONDS_MAX)
            self.scope.spawn(viewer.run(), "reports")
            joined.append(viewer)
        return joined

    async def id_of(self, name: str) -> str:
        async with self.http.get(f"{self[name].node.url}/api/v1/node") as response:
            shown: str = (await response.json())["id"]
            return shown

    def complaints(self) -> list[str]:
        """What no node may ever write, whatever happens to it: the first and the last line of each."""
        found = []
        for path in sorted(self.directory.glob("*.log")):
            entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", path.read_text(errors="replace"), flags=re.MULTILINE)
            for lines in (entry.splitlines() for entry in entries):
                if any(line.startswith("Traceback") for line in lines) or (lines and " ERROR " in lines[0]):
                    found.append(f"{path.stem}: {lines[0]} ... {lines[-1]}")
        return found


@asynccontextmanager
async def staged(viewers: int) -> AsyncIterator[Stage]:
    """The swarm above, with so many viewers at each of `near`, `far` and `beside`."""
    async with AsyncExitStack() as stack:
        stack.enter_context(patient_clients())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmd-chaos-")))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        wire = await stack.enter_async_context(Wire())
        scope = TaskScope("clients", _viewers_max)
        publisher = WiredPublisher(asyncio.get_running_loop())
        stage = Stage(http, wire, stack, directory, uuid4(), publisher, scope)
        await stage.start("owner", "--max-consumers", "2")
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(scope.close)
        answer = await publisher.post(http, f"{stage['owner'].node.url}/whip/{stage.producer}", "sendonly")
        publisher.dial(answer)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await publisher.connected
        scope.spawn(publisher.run(), "frames")
        # A viewer holds one of the owner's two slots until `far` hangs below `near`, where alone there is room then.
        await stage.start("near")
        (holder,) = await stage.watch("owner", 1)
        stage.viewers["near"] = await stage.watch("near", viewers)
        await stage.start("far")
        stage.viewers["far"] = await stage.watch("far", viewers)
        async with http.delete(holder.session) as response:
            assert response.status == 200
        await stage.start("beside")
        stage.viewers["beside"] = await stage.watch("beside", viewers)
        await stage.start("outside")
        await _until_tree(stage)
        yield stage


async def _until_tree(stage: Stage) -> None:
    """Raises `RemoteError` with the tree that there is in place of the one above."""
    shown: dict[str, Any] = {}
    wanted = {stage["near"].node.url: {stage["far"].node.url}, stage["beside"].node.url: set()}
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                url = f"{stage['owner'].node.url}/api/v1/producers/{stage.producer}/tree"
                async with stage.http.get(url) as response:
                    shown = await response.json()
                    children = shown["root"]["children"] if response.status == 200 else []
                if {child["url"]: {each["url"] for each in child["children"]} for child in children} == wanted:
                    return
                await asyncio.sleep(_poll_seconds)
    except TimeoutError:
        raise RemoteError(f"the tree is not as it should be: {shown}") from None


@contextlib.contextmanager
def patient_clients() -> Iterator[None]:
    """Meanwhile the clients of this process bear as long a silence as browsers do, and not as short a one as links."""
    before = limits.link_silence_seconds_max
    limits.link_silence_seconds_max = limits.ice_consent_seconds_max
    try:
        yield
    finally:
        limits.link_silence_seconds_max = before


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Meanwhile started nodes get these, and import `injected/sitecustomize.py`."""
    given = {"PYTHONPATH": str(INJECTED), **variables}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
