"""What was found out a moment ago, and need not be found out again for each of many requests that follow at once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class TtlCache(Generic[Found]):
    """Things by their key, each for some seconds; of many the oldest are forgotten."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._kept: OrderedDict[Hashable, tuple[float, Found]] = OrderedDict()
        self._keeping = threading.Lock()

    def get(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What is remembered of a key, or what is found now.

        Raises:
            Exception: what `find` raises, of which nothing is remembered.
        """
        with self._keeping:
            until, found = self._kept.get(key, (0.0, None))
        if found is not None and until > time.monotonic():
            return found
        found = find()
        with self._keeping:
            self._kept[key] = (time.monotonic() + self._seconds, found)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found
