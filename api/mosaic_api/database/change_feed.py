"""Distributes the database's notifications of changed rows in this process."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Database

QUIET_SECONDS = 15.0
"""Seconds without a notification after which listeners check their rows."""
MOST_WAITING = 1000
"""Notifications that may wait for one listener; with more, it checks its rows instead."""


class ChangeFeed:
    """One database connection that listens for any number of listeners."""

    def __init__(self, database: Database, loops: Loops) -> None:
        self._database, self._loops = database, loops
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Listen in a thread. Call it in the event loop of the listeners."""
        self._loop = asyncio.get_running_loop()
        self._loops.start("news", self._listen, self._ended)

    def stop(self) -> None:
        """Stop listening, and end all streams."""
        self._ended.set()
        for queue in self._listeners:
            _offer(queue, None)

    async def changes(self) -> AsyncIterator[str | None]:
        """Changed rows from now on, as `<table> <id>`; None if notifications may be missing."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        try:
            yield None
            while not self._ended.is_set():
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def of(self, table: str, row: object) -> AsyncIterator[None]:
        """Yield at the start, whenever a row of a table may have changed, and from time to time."""
        looked = 0.0
        async with aclosing(self.changes()) as changes:  # type: ignore[type-var]
            async for change in changes:
                late = time.monotonic() - looked > QUIET_SECONDS  # other rows may change all the time
                if change is None or change == f"{table} {row}" or late:
                    looked = time.monotonic()
                    yield None

    def _listen(self, beat: Beat) -> None:
        for changes in self._database.watch(QUIET_SECONDS, self._ended, beat):
            for change in changes:
                self._distribute(change)
            if not changes:
                self._distribute(None)

    def _distribute(self, change: str | None) -> None:
        def offer() -> None:
            for queue in self._listeners:
                _offer(queue, change)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(offer)


def _offer(queue: "asyncio.Queue[str | None]", change: str | None) -> None:
    """Queue a notification. If the listener is too slow, replace its queue by None."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        change = None
    queue.put_nowait(change)
