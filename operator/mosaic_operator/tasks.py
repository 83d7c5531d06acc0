"""Tasks that belong together: where one fails, all end, and the process with them; none dies unnoticed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

GRACE_SECONDS = 5
"""For a task to end by itself."""


class TaskEndedError(Exception):
    """A task ended that should go on for ever."""


Task = Callable[[], Coroutine[Any, Any, None]]


async def together(main: Task, endless: Mapping[str, Task], stop: asyncio.Event) -> None:
    """Run a task with others that never end, until it ends because it is time to stop.

    Args:
        main: ends when stop is set.
        endless: ended with it, by their names.
        stop: whether an end is wanted.

    Raises:
        BaseExceptionGroup: a task failed, or ended before its time.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_endless(name, task)) for name, task in endless.items()]
        await main()
        if not stop.is_set():
            raise TaskEndedError("the watch ended")
        for task in tasks:
            task.cancel()


async def until_stopped(work: Task, stop: asyncio.Event) -> None:
    """Run a task until it ends, or is at a point where it does not look at stop."""
    task = asyncio.create_task(work())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
    finally:
        stopped.cancel()
        task.cancel()
        ends = await asyncio.gather(task, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def _endless(name: str, task: Task) -> None:
    await task()
    raise TaskEndedError(f"{name} ended")
