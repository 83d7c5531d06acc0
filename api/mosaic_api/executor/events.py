"""Events for the thread that processes requests. They all arrive in one inbox, so that it waits in one place."""

import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any


@dataclass(frozen=True)
class Changed:
    """Rows may have changed: those with the ids, or any if there are none."""

    rows: frozenset[str] = frozenset()

    def concerns(self, row: object) -> bool:
        """Whether the row may have changed."""
        return not self.rows or str(row) in self.rows


@dataclass(frozen=True)
class Message:
    """A message of a process; see `child.make_mosaic`."""

    process: object
    content: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A process has ended."""

    process: object


Event = Changed | Message | Ended


class Inbox:
    """A queue of events from many threads for one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self.stopped = False
        """Whether to take no more work."""

    def put(self, event: Event) -> None:
        """Add an event."""
        self._queue.put(event)

    def stop(self) -> None:
        """Request the end of work; signal handlers may call it."""
        self.stopped = True
        self._queue.put(None)

    def next(self, until: float) -> Event | None:
        """The next event; None after a time of the monotonic clock, or if the inbox is stopped."""
        try:
            return self._queue.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return None
