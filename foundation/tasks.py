"""Tasks that end with their owner: no task of the project runs outside such a scope."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class TaskScope:
    """A bounded set of tasks; closing it cancels and awaits all of them.

    A task that fails is logged and forgotten: one failed session is thrown away, its siblings and the node go on.
    (`asyncio.TaskGroup` would cancel the siblings, which is right for one request and wrong for a server.)
    """

    def __init__(self, name: str, tasks_max: int) -> None:
        self.name = name
        self.tasks_max = tasks_max
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether `spawn` would refuse: ask before creating a coroutine for untrusted input."""
        return self._closed or len(self._tasks) >= self.tasks_max

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any] | None:
        """Runs the coroutine in this scope; `None`, and the coroutine closed unrun, when it is full or closed."""
        if self.full:
            coroutine.close()
            return None
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def finish(self, seconds: float) -> None:
        """Lets what runs come to its end for so long, then closes; the scope takes no more tasks."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.close()

    async def close(self) -> None:
        """Cancels what runs (but the caller's own task) and waits until it has ended; the scope takes no more tasks."""
        self._closed = True
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=failure)
