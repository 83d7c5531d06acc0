"""A queue of names to process: each at most once in the queue, never twice at the same time, with retries."""

import heapq
import threading
from collections.abc import Callable
from time import monotonic

IDLE_SECONDS = 30.0
"""Interval of beats while a worker waits."""


class NameQueue:
    """A queue of names for several threads; a name that is added while it is processed is processed again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, str]] = []
        self._when: dict[str, float] = {}
        self._at_work: set[str] = set()
        self._tries: dict[str, int] = {}
        self._closed = False

    def add(self, name: str, seconds: float = 0.0) -> None:
        """Add a name, to be processed as soon as possible or after some seconds; the earliest time counts."""
        with self._changed:
            self._add(name, monotonic() + seconds)

    def take(self, beat: Callable[[], None] = lambda: None) -> str | None:
        """Wait for the next name that is due; `done` must follow. None when the queue is closed.

        `beat` is called regularly while there is none.
        """
        with self._changed:
            while not self._closed:
                wait = None
                while self._due:
                    when, name = self._due[0]
                    if self._when.get(name) != when or name in self._at_work:
                        heapq.heappop(self._due)  # it is queued for another time, or will be by `done`
                        continue
                    wait = when - monotonic()
                    if wait > 0:
                        break
                    heapq.heappop(self._due)
                    del self._when[name]
                    self._at_work.add(name)
                    return name
                self._changed.wait(IDLE_SECONDS if wait is None else min(wait, IDLE_SECONDS))
                beat()
            return None

    def done(self, name: str, *, failed: bool, longest: float) -> None:
        """End the processing of a name. A failed one is retried after increasing times, up to `longest` seconds."""
        with self._changed:
            self._at_work.discard(name)
            if failed:
                tries = self._tries[name] = self._tries.get(name, -1) + 1
                self._add(name, monotonic() + min(longest, 2.0 ** min(tries, 30) / 2))
            else:
                self._tries.pop(name, None)
            if name in self._when:
                heapq.heappush(self._due, (self._when[name], name))
                self._changed.notify()

    def close(self) -> None:
        """Wake all waiting threads, which get None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, name: str, when: float) -> None:
        if when < self._when.get(name, float("inf")):
            self._when[name] = when
            heapq.heappush(self._due, (when, name))
            self._changed.notify()
