"""When a worker is started, started again or given up. Sans-IO: `now` is monotonic seconds, workers count from 0."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from foundation import process_limits as limits
from swarm.tree.deadlines import Deadlines

_pause_seconds_min = 0.5
"""Before the first new start: viewers of a worker that died once are back after a second."""

_pause_spread = 0.2
"""Workers that died of the same cause do not start in the same instant, when one machine has to run them all."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start this worker now, then say `ready` or `ended`."""

    worker: int


@dataclass(frozen=True, slots=True)
class Kill:
    """This worker was started and says nothing: kill it, then say `ended`."""

    worker: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the whole has to end; `at_start` while some worker has never been ready."""

    worker: int
    reason: str
    at_start: bool


@dataclass(slots=True)
class _Worker:
    ready_at: float | None = None
    was_ready: bool = False
    deaths: int = 0
    """In a row, each soon after the start."""


class Supervision:
    """The first worker starts alone, the others when it is ready, because they join it.

    Until each was ready once, one that ends is an operator's mistake (a port in use) and fails the whole. From then on
    it is started again, after pauses that double while it keeps dying, until that is pointless.
    """

    def __init__(self, workers: int, rng: random.Random) -> None:
        self.failure: Failure | None = None
        self._rng = rng
        self._workers = [_Worker() for _ in range(workers)]
        self._deadlines = Deadlines()

    @property
    def complete(self) -> bool:
        """Whether each worker has been ready once."""
        return all(worker.was_ready for worker in self._workers)

    def begin(self, now: float) -> None:
        """Makes the first start due."""
        self._deadlines.set(("start", 0), now)

    def poll(self, now: float) -> Iterator[Start | Kill]:
        """What is due."""
        while (due := self._deadlines.pop_due(now)) is not None:
            assert isinstance(due, tuple)
            what, worker = due
            if what == "start":
                self._deadlines.set(("kill", worker), now + limits.worker_start_seconds_max)
                yield Start(worker)
            else:
                yield Kill(worker)

    def timeout(self) -> float | None:
        """The time from which `poll` has something."""
        return self._deadlines.next()

    def ready(self, worker: int, now: float) -> None:
        """The worker serves."""
        self._deadlines.clear(("kill", worker))
        state = self._workers[worker]
        first_time = not state.was_ready
        state.ready_at, state.was_ready = now, True
        if worker == 0 and first_time:
            for other in range(1, len(self._workers)):
                self._deadlines.set(("start", other), now)

    def ended(self, worker: int, how: str, now: float) -> float | None:
        """The worker is no more; `how` in words. Gives the pause before its next start, None with a `failure`."""
        self._deadlines.clear(("kill", worker))
        state = self._workers[worker]
        lived = now - state.ready_at if state.ready_at is not None else 0.0
        state.ready_at = None
        if not self.complete:
            self.failure = self.failure or Failure(worker, how, True)
            return None
        state.deaths = 1 if lived >= limits.worker_stable_seconds else state.deaths + 1
        if state.deaths > limits.worker_restarts_max:
            often = f"{how}, {state.deaths} times in a row within {limits.worker_stable_seconds:.0f} s of its start"
            self.failure = self.failure or Failure(worker, often, False)
            return None
        pause = min(_pause_seconds_min * 2.0 ** (state.deaths - 1), limits.worker_pause_seconds_max)
        pause *= self._rng.uniform(1 - _pause_spread, 1 + _pause_spread)
        self._deadlines.set(("start", worker), now + pause)
        return pause
