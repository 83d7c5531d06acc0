"""A queue that limits parallel work and is fair to all owners."""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from mosaic_api.web.problems import Problem

LOOK_SECONDS = 0.2
"""How often a waiting call checks whether it is cancelled."""


class Cancelled(Problem):
    """The caller does not wait for the response any more."""

    def __init__(self) -> None:
        super().__init__("the upload was cancelled")


class FairQueue:
    """Limits how much runs in parallel, in all and for each owner.

    The owner with the fewest running calls is next, and among these the one that waited longest since its last call.
    So an owner with a hundred files delays another one by a single file. If `most_each` is less than `most`, a slot
    stays free for others.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, deque[object]] = {}
        self._running: Counter[Hashable] = Counter()
        self._served: dict[Hashable, int] = {}
        self._numbers = itertools.count(1)

    @contextmanager
    def turn(self, owner: Hashable, cancelled: threading.Event) -> Iterator[None]:
        """Wait for a slot, and hold it. An event that is set ends the wait.

        Raises:
            Cancelled: it was set.
        """
        self._wait(owner, cancelled)
        try:
            yield
        finally:
            with self._changed:
                self._running[owner] -= 1
                if not self._running[owner]:
                    del self._running[owner]
                self._changed.notify_all()

    def _wait(self, owner: Hashable, cancelled: threading.Event) -> None:
        ticket = object()
        with self._changed:
            self._waiting.setdefault(owner, deque()).append(ticket)
            try:
                while self._next() is not ticket:
                    if cancelled.is_set():
                        raise Cancelled
                    self._changed.wait(LOOK_SECONDS)
                self._running[owner] += 1
                self._served[owner] = next(self._numbers)
            finally:
                self._waiting[owner].remove(ticket)
                if not self._waiting[owner]:
                    del self._waiting[owner]
                self._changed.notify_all()

    def _next(self) -> object | None:
        if self._running.total() >= self._most:
            return None
        able = [owner for owner in self._waiting if self._running[owner] < self._most_each]
        if not able:
            return None
        return self._waiting[min(able, key=lambda owner: (self._running[owner], self._served.get(owner, 0)))][0]
