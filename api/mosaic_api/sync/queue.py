"""Names that want attention: each at most once in the line, never twice at a time, again after a while where asked."""

import heapq
import threading
from collections.abc import Callable
from time import monotonic

IDLE_SECONDS = 30.0
"""Between two beats of whoever waits for a name."""


class NameQueue:
    """A line of names for several threads; a name that is asked for while at work comes once more after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, str]] = []
        self._when: dict[str, float] = {}
        self._at_work: set[str] = set()
        self._tries: dict[str, int] = {}
        self._closed = False

    def add(self, name: str, seconds: float = 0.0) -> None:
        """Ask for a name as soon as possible, or after a while; the earliest time counts."""
        with self._changed:
            self._add(name, monotonic() + seconds)

    def take(self, beat: Callable[[], None] = lambda: None) -> str | None:
        """The next name, once it is due; it is at work until it is given back. None when the line is closed.

        Args:
            beat: called from time to time while there is none.
        """
        with self._changed:
            while not self._closed:
                wait = None
                while self._due:
                    when, name = self._due[0]
                    if self._when.get(name) != when or name in self._at_work:
                        heapq.heappop(self._due)  # it is in the line for another time, or will be when given back
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

    def give_back(self, name: str, *, failed: bool, longest: float) -> None:
        """Say that work on a name has ended; one that failed comes again, after a longer while each time.

        Args:
            name: which one was taken.
            failed: whether it has to be tried again.
            longest: seconds between tries.
        """
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
        """Let all who wait end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, name: str, when: float) -> None:
        if when < self._when.get(name, float("inf")):
            self._when[name] = when
            heapq.heappush(self._due, (when, name))
            self._changed.notify()
