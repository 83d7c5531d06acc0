"""Runs tasks that belong together: if one fails, all end, and with them the process."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

GRACE_SECONDS = 5
"""Seconds for a task to end by itself."""


class TaskEndedError(Exception):
    """A task ended that should run forever."""


Task = Callable[[], Coroutine[Any, Any, None]]


async def together(main: Task, endless: Mapping[str, Task], stop: asyncio.Event) -> None:
    """Run a task together with endless ones until it is stopped.

    Args:
        main: ends when stop is set.
        endless: tasks that are cancelled then, by name.
        stop: set to end.

    Raises:
        BaseExceptionGroup: a task failed or ended too early.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_endless(name, task)) for name, task in endless.items()]
        await main()
        if not stop.is_set():
            raise TaskEndedError("the watch ended")
        for task in tasks:
            task.cancel()


async def until_stopped(work: Task, stop: asyncio.Event) -> None:
    """Run a task until it ends; after stop is set, cancel it when its grace period has passed."""
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
