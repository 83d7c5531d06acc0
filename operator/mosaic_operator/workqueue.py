"""A work queue of keys: each is queued at most once, never processed twice at a time, and can be added with a delay."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

Key = TypeVar("Key")


class WorkQueue(Generic[Key]):
    """A work queue for one event loop; a key that is added while it is processed is processed once more."""

    def __init__(self, waited: Callable[[float], object] = lambda _: None) -> None:
        """Start empty; `waited` gets the seconds that each key was queued, when its processing starts."""
        self._waited = waited
        self._line: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: dict[Key, float] = {}
        self._at_work: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """The number of queued keys, without those that are processed or added with a delay."""
        return len(self._waiting)

    def add(self, key: Key) -> None:
        """Queue a key now."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._at_work:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = monotonic()
            self._line.put_nowait(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Queue a key after some seconds; the earliest time counts."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(when, self.add, key)

    async def work(self, function: Callable[[Key], Awaitable[None]]) -> None:
        """Process keys forever; an exception of the function ends it."""
        while True:
            key = await self._line.get()
            self._waited(monotonic() - self._waiting.pop(key))
            self._at_work.add(key)
            try:
                await function(key)
            finally:
                self._at_work.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)
