"""Who may send or fetch a file now: slots for each user and for all, taken before a byte of it is read."""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from mosaic_api.web.problems import TooMany, Unavailable


class Admission:
    """Lets so many in at once; others are refused at once, and told to try again.

    Args:
        what: is let in, in the plural.
        most: at once.
        most_each: at once of one owner.
    """

    def __init__(self, what: str, most: int, most_each: int) -> None:
        self._what, self._most, self._most_each = what, most, most_each
        self._lock = threading.Lock()
        self._in: Counter[Hashable] = Counter()
        self._announced: Counter[Hashable] = Counter()

    @contextmanager
    def slot(self, owner: Hashable) -> Iterator[None]:
        """Have a slot.

        Raises:
            TooMany: the owner has as many as one may have.
            Unavailable: all are taken.
        """
        with self._lock:
            if self._in[owner] >= self._most_each:
                raise TooMany(
                    f"{self._in[owner]} of your {self._what} are under way, and no more are taken at once; wait until "
                    "one is done",
                    headers={"Retry-After": "5"},
                )
            if self._in.total() >= self._most:
                raise Unavailable(f"{self._most} {self._what} are under way, and no more are taken at once; try again")
            self._in[owner] += 1
        try:
            yield
        finally:
            self._give(self._in, owner, 1)

    @contextmanager
    def announced(self, owner: Hashable, size: int) -> Iterator[int]:
        """Announce bytes that an owner is about to fill; how many it announced before, which are still to come."""
        with self._lock:
            before = self._announced[owner]
            self._announced[owner] += size
        try:
            yield before
        finally:
            self._give(self._announced, owner, size)

    def _give(self, counted: Counter[Hashable], owner: Hashable, count: int) -> None:
        with self._lock:
            counted[owner] -= count
            if not counted[owner]:
                del counted[owner]
