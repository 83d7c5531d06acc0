"""What reaches the thread that works requests off: everything comes by one inbox, so that it waits in one place."""

import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any


@dataclass(frozen=True)
class Changed:
    """A row may have changed: the one of an id, or any if None."""

    row: str | None


@dataclass(frozen=True)
class Said:
    """A process has said something; see `child.make_mosaic`."""

    process: object
    word: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A process says nothing more."""

    process: object


Event = Changed | Said | Ended


class Inbox:
    """Where everybody puts what happens, and one thread takes it."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self.stopped = False
        """Whether no more work is wanted."""

    def put(self, event: Event) -> None:
        """Tell what happened."""
        self._queue.put(event)

    def stop(self) -> None:
        """Say that no more work is wanted; handlers of signals may."""
        self.stopped = True
        self._queue.put(None)

    def next(self, until: float) -> Event | None:
        """The next event; None when there is none until a time of the monotonic clock, or when the inbox is stopped."""
        try:
            return self._queue.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return None
