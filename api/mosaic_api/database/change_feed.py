"""What the database tells of changed rows, handed to whoever in this process waits for it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Database

QUIET_SECONDS = 15.0
"""After which those who wait look for themselves."""
MOST_WAITING = 1000
"""News that one listener may be behind with; then it looks at all instead."""


class ChangeFeed:
    """One connection that listens, for any number of listeners."""

    def __init__(self, database: Database, loops: Loops) -> None:
        self._database, self._loops = database, loops
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Listen in a thread of its own; call it in the event loop that the listeners run in."""
        self._loop = asyncio.get_running_loop()
        self._loops.start("news", self._listen, self._ended)

    def stop(self) -> None:
        """Listen no longer, and let those who wait end."""
        self._ended.set()
        for queue in self._listeners:
            _offer(queue, None)

    async def changes(self) -> AsyncIterator[str | None]:
        """The changed rows from now on, as `<table> <id>`; None when something may have been missed."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        try:
            yield None
            while not self._ended.is_set():
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def of(self, table: str, row: object) -> AsyncIterator[None]:
        """Gives something at once, whenever a row of a table may have changed, and from time to time."""
        looked = 0.0
        async with aclosing(self.changes()) as changes:  # type: ignore[type-var]
            async for change in changes:
                late = time.monotonic() - looked > QUIET_SECONDS  # there may be news of other rows without a pause
                if change is None or change == f"{table} {row}" or late:
                    looked = time.monotonic()
                    yield None

    def _listen(self, beat: Beat) -> None:
        for change in self._database.changes(QUIET_SECONDS):
            if self._ended.is_set():
                return
            beat()
            self._tell(change)

    def _tell(self, change: str | None) -> None:
        def offer() -> None:
            for queue in self._listeners:
                _offer(queue, change)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(offer)


def _offer(queue: "asyncio.Queue[str | None]", change: str | None) -> None:
    """Put news where a listener takes it; one that is far behind finds that it may have missed something."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        change = None
    queue.put_nowait(change)
