"""Whether this process works, checked in a thread of its own, so that nothing delays the answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from mosaic_api.background.loops import Loops
from mosaic_api.database import Database

SECONDS = 3.0
"""Time for the database to answer; the chart's probes wait 5 s."""

Answer = TypeVar("Answer")


class SharedCheck(Generic[Answer]):
    """A check that one thread runs for all who ask at the same time."""

    def __init__(self, check: Callable[[], Answer]) -> None:
        self._check = check
        self._thread = ThreadPoolExecutor(1, "health")
        self._pending: Future[Answer] | None = None
        self._changing = Lock()

    async def answer(self, seconds: float = SECONDS) -> Answer:
        """The result of the check.

        Raises:
            TimeoutError: it takes longer.
        """
        with self._changing:
            if self._pending is None or self._pending.done():
                self._pending = self._thread.submit(self._check)
            pending = self._pending
        async with asyncio.timeout(seconds):
            return await asyncio.shield(asyncio.wrap_future(pending))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False)


class Health:
    """Whether the database answers, and all background loops work."""

    def __init__(self, watch: Database, loops: Loops) -> None:
        """Does not connect yet. `watch` has connections that nothing else uses."""
        self._watch, self._loops = watch, loops
        self._database = SharedCheck(watch.answers)

    async def troubles(self) -> list[str]:
        """Why this process does not work, one sentence each; empty if it does."""
        try:
            answers = await self._database.answer()
        except TimeoutError:
            answers = False
        return ([] if answers else ["the database does not answer"]) + self._loops.troubles()

    def close(self) -> None:
        """End the thread and the connections."""
        self._database.close()
        self._watch.close()
