"""Caches values."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class TtlCache(Generic[Found]):
    """Values by key, for some seconds; if there are too many, the least recently used are removed."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._kept: OrderedDict[Hashable, tuple[float, Found]] = OrderedDict()
        self._keeping = threading.Lock()

    def get(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """The cached value of a key, or a new one. None and exceptions of `find` are not cached."""
        with self._keeping:
            until, found = self._kept.get(key, (0.0, None))
            if found is not None and until > time.monotonic():
                self._kept.move_to_end(key)
                return found
        new = find()
        if new is not None:
            with self._keeping:
                self._kept[key] = (time.monotonic() + self._seconds, new)
                self._kept.move_to_end(key)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return new
