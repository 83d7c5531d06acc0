"""Limits how many calls of a kind run, for each user and in all; checked before a body is read."""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from mosaic_api.web.problems import TooMany, Unavailable


class Admission:
    """Limits parallel calls, and refuses others immediately.

    Args:
        what: the kind of calls, in the plural.
        most: maximum number.
        most_each: maximum number of one owner.
    """

    def __init__(self, what: str, most: int, most_each: int) -> None:
        self._what, self._most, self._most_each = what, most, most_each
        self._lock = threading.Lock()
        self._in: Counter[Hashable] = Counter()
        self._announced: Counter[Hashable] = Counter()

    @contextmanager
    def slot(self, owner: Hashable) -> Iterator[None]:
        """Hold a slot.

        Raises:
            TooMany: the owner uses the maximum.
            Unavailable: all are in use.
        """
        with self._lock:
            if self._in[owner] >= self._most_each:
                raise TooMany(
                    f"limit of {self._most_each} {self._what} in parallel reached for your account; wait until one is "
                    "done",
                    headers={"Retry-After": "5"},
                )
            if self._in.total() >= self._most:
                raise Unavailable(f"limit of {self._most} {self._what} in parallel reached; try again later")
            self._in[owner] += 1
        try:
            yield
        finally:
            self._give(self._in, owner, 1)

    @contextmanager
    def announced(self, owner: Hashable, size: int) -> Iterator[int]:
        """Announce bytes that an owner is going to store; yields those that are announced before and still to come."""
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
