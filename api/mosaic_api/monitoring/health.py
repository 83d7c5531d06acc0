"""Whether this process can work: asked in threads of its own, so that the answer does not wait for anything else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from mosaic_api.background.loops import Loops
from mosaic_api.database import Database

SECONDS = 3.0
"""Until the database must have answered; the chart's probes wait 5 s."""

Answer = TypeVar("Answer")


class SharedCheck(Generic[Answer]):
    """A question that one thread asks, for all who want to know at the same time."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "health")
        self._pending: Future[Answer] | None = None
        self._changing = Lock()

    async def answer(self, seconds: float = SECONDS) -> Answer:
        """The answer.

        Raises:
            TimeoutError: there is none in time.
        """
        with self._changing:
            if self._pending is None or self._pending.done():
                self._pending = self._thread.submit(self._ask)
            pending = self._pending
        async with asyncio.timeout(seconds):
            return await asyncio.shield(asyncio.wrap_future(pending))

    def close(self) -> None:
        """Ask no more."""
        self._thread.shutdown(wait=False)


class Health:
    """Whether the database answers, and all background loops work."""

    def __init__(self, watch: Database, loops: Loops) -> None:
        """Asks nothing yet.

        Args:
            watch: the database, by connections that nothing else uses.
            loops: of this process.
        """
        self._watch, self._loops = watch, loops
        self._database = SharedCheck(watch.answers)

    async def troubles(self) -> list[str]:
        """Why this process cannot work, a sentence each; none if it can."""
        try:
            answers = await self._database.answer()
        except TimeoutError:
            answers = False
        return ([] if answers else ["the database does not answer"]) + self._loops.troubles()

    def close(self) -> None:
        """Ask no more."""
        self._database.close()
        self._watch.close()
