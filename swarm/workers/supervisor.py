"""`swarmd run --workers N`: N nodes of one machine, each an ordinary member of the swarm in a process of its own."""

import asyncio
import logging
import random
import re
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from foundation import process_limits as limits
from foundation.errors import ConfigError
from foundation.tasks import TaskScope
from swarm.config import Config
from swarm.invitation import invitation
from swarm.load.capacity import with_saved
from swarm.process.hangup import on_hangup
from swarm.process.stopping import first_of, stop_or_drain_requested
from swarm.workers.options import check_workers, run_arguments, worker_config
from swarm.workers.process import ERROR_PREFIX, WorkerProcess
from swarm.workers.supervision import Failure, Kill, Start, Supervision

logger = logging.getLogger(__name__)

_url = re.compile(r"(http://[\w.\[\]:]+:\d+)")

Report = Callable[[str], object]


async def run_workers(config: Config, workers: int, log_level: str, report: Report) -> int:
    """Runs until SIGINT, or SIGTERM and a drain of all workers (0), or until one of them cannot be kept alive (1).
    `report` gets what is for stdout.

    Raises `ConfigError` for options that do not fit together, and when a worker cannot be started in the first place.
    """
    check_workers(config, workers)
    config = with_saved(config)
    supervisor = _Supervisor(config, workers, log_level, report)
    async with stop_or_drain_requested() as stopping:
        stopping.drains(supervisor.drain)
        try:
            with on_hangup(supervisor.hang_up) if config.policy is not None else nullcontext():
                failure = await supervisor.run(stopping.at_once)
        finally:
            await supervisor.end(stopping.at_once)
    if failure is None:
        return 0
    text = f"worker {failure.worker + 1}: {failure.reason}"
    if failure.at_start:
        raise ConfigError(text)
    _complain(f"{ERROR_PREFIX}{text}; all workers were ended")
    return 1


@dataclass(frozen=True, slots=True)
class _Ready:
    worker: int
    url: str


@dataclass(frozen=True, slots=True)
class _Ended:
    worker: int
    how: str


class _Stopped:
    """We were told to end."""


class _Supervisor:
    def __init__(self, config: Config, workers: int, log_level: str, report: Report) -> None:
        self._config = config
        self._workers = workers
        self._log_level = log_level
        self._report = report
        self._core = Supervision(workers, random.SystemRandom())
        self._scope = TaskScope("workers", 1 + 2 * limits.workers_max)
        # Two for each worker and one to stop: a worker starts again only when its end was taken out.
        self._events: asyncio.Queue[_Ready | _Ended | _Stopped] = asyncio.Queue(1 + 2 * limits.workers_max)
        self._processes: dict[int, WorkerProcess] = {}
        self._urls: dict[int, str] = {}
        self._invited = False
        self._leaving = asyncio.Event()

    def drain(self) -> bool:
        """All workers are to hand over what they do; false when they do already, or are given no time for it."""
        if self._leaving.is_set() or not self._config.drain_seconds:
            return False
        self._leaving.set()
        return True

    async def run(self, stopping: asyncio.Event) -> Failure | None:
        """Until the event, a drain or a failure. Processes are left running: `end` ends them."""
        loop = asyncio.get_running_loop()
        self._scope.spawn(self._wait(stopping), "stop")
        self._core.begin(loop.time())
        while self._core.failure is None:
            for action in self._core.poll(loop.time()):
                await self._act(action)
            try:
                async with asyncio.timeout_at(self._core.timeout()):
                    event = await self._events.get()
            except TimeoutError:
                continue
            if isinstance(event, _Stopped):
                return None
            self._take(event, loop.time())
        return self._core.failure

    def hang_up(self) -> None:
        """Passes SIGHUP on to all that serve: others would die of it, and read their files anyhow."""
        for worker in self._urls.keys() & self._processes.keys():
            self._processes[worker].send(signal.SIGHUP)

    async def end(self, at_once: asyncio.Event) -> None:
        """Asks all to end, and insists after a while; a drain has its time before that, unless the event cuts it."""
        steps = [(signal.SIGINT, limits.worker_stop_seconds_max), (signal.SIGKILL, limits.worker_stop_seconds_max)]
        if self._leaving.is_set() and not at_once.is_set():
            steps.insert(0, (signal.SIGTERM, self._config.drain_seconds + limits.worker_stop_seconds_max))
        for number, seconds in steps:
            for process in self._processes.values():
                process.send(number if process.serving or number == signal.SIGKILL else signal.SIGTERM)
            cut = [] if number != signal.SIGTERM else [at_once.wait()]
            if await first_of(self._all_ended(), *cut, seconds=seconds) and not (cut and at_once.is_set()):
                break
            logger.warning("some workers do not end: they are told again")
        # What they said last is still passed on; the stopped loop above takes no more events, which the queue holds.
        await self._scope.finish(1.0)

    async def _all_ended(self) -> None:
        await asyncio.gather(*(process.ended() for process in self._processes.values()))

    async def _wait(self, stopping: asyncio.Event) -> None:
        await first_of(stopping.wait(), self._leaving.wait())
        await self._events.put(_Stopped())

    async def _act(self, action: Start | Kill) -> None:
        if isinstance(action, Kill):
            logger.warning("worker %d does not say that it serves: it is killed", action.worker + 1)
            self._processes[action.worker].send(signal.SIGKILL)
            return
        known = {worker: url.partition("://")[2] for worker, url in self._urls.items()}
        config = worker_config(self._config, action.worker, known)
        try:
            process = await WorkerProcess.start([*run_arguments(config), f"--log-level={self._log_level}"])
        except OSError as exc:
            await self._events.put(_Ended(action.worker, f"cannot be started: {exc.strerror}"))
            return
        self._processes[action.worker] = process
        self._scope.spawn(self._attend(action.worker, process), f"worker {action.worker + 1}")

    async def _attend(self, worker: int, process: WorkerProcess) -> None:
        """Reads everything it says, until it has ended."""
        complaints: list[str] = []
        reading = TaskScope(f"worker {worker + 1}", 1)
        reading.spawn(self._pass_on(worker, process, complaints), "stderr")
        async for line in process.output():
            if not process.serving and (match := _url.search(line)):
                process.serving = True
                await self._events.put(_Ready(worker, match.group(1)))
        how = await process.ended()
        await reading.finish(limits.worker_stop_seconds_max)
        await self._events.put(_Ended(worker, complaints[-1] if complaints else how))

    async def _pass_on(self, worker: int, process: WorkerProcess, complaints: list[str]) -> None:
        """Its stderr, with a prefix; the line that says why it ends is kept, because we say so ourselves."""
        async for line in process.errors():
            if line.startswith(ERROR_PREFIX):
                complaints[:] = [line.removeprefix(ERROR_PREFIX)]
            else:
                _complain(f"worker {worker + 1}: {line}")

    def _take(self, event: _Ready | _Ended, now: float) -> None:
        name = event.worker + 1
        if isinstance(event, _Ready):
            self._urls[event.worker] = event.url
            self._core.ready(event.worker, now)
            logger.info("worker %d serves at %s", name, event.url)
            self._invite()
            return
        self._processes.pop(event.worker, None)
        pause = self._core.ended(event.worker, event.how, now)
        if pause is not None:
            logger.warning("worker %d: %s; it is started again in %.1f s", name, event.how, pause)

    def _invite(self) -> None:
        """Says where they serve, once, as soon as all of them do."""
        if self._invited or not self._core.complete:
            return
        self._invited = True
        for line in invitation(self._config, self._urls[0]):
            self._report(line)
        self._report("workers  " + " ".join(self._urls[worker] for worker in range(self._workers)))


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
