import asyncio
import logging

import pytest

from foundation.tasks import TaskScope


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_closing_cancels_and_awaits_every_task() -> None:
    scope = TaskScope("test", tasks_max=3)
    tasks = [scope.spawn(forever(), str(i)) for i in range(3)]
    await scope.close()
    assert all(task is not None and task.cancelled() for task in tasks)
    assert len(scope) == 0


async def test_a_full_scope_takes_no_more() -> None:
    scope = TaskScope("test", tasks_max=1)
    scope.spawn(forever(), "first")
    assert scope.full
    assert scope.spawn(forever(), "second") is None
    await scope.close()


async def test_a_closed_scope_takes_no_more() -> None:
    scope = TaskScope("test", tasks_max=1)
    await scope.close()
    assert scope.spawn(forever(), "late") is None


async def test_a_failed_task_is_logged_and_its_siblings_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    scope = TaskScope("test", tasks_max=2)
    sibling = scope.spawn(forever(), "sibling")
    failed = scope.spawn(fail(), "failing")
    assert sibling is not None
    assert failed is not None
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([failed])
    assert "test/failing" in caplog.text
    assert not sibling.done()
    await scope.close()


async def test_a_task_may_close_its_own_scope() -> None:
    scope = TaskScope("test", tasks_max=2)
    other = scope.spawn(forever(), "other")
    closer = scope.spawn(scope.close(), "closer")
    assert other is not None
    assert closer is not None
    await closer
    assert other.cancelled()


async def test_finishing_lets_tasks_end_and_cancels_what_does_not() -> None:
    ended = []

    async def one_turn() -> None:
        await asyncio.sleep(0)
        ended.append(True)

    scope = TaskScope("test", tasks_max=2)
    scope.spawn(one_turn(), "short")
    endless = scope.spawn(forever(), "endless")
    await scope.finish(0.01)
    assert ended == [True]
    assert endless is not None
    assert endless.cancelled()
    assert scope.full
