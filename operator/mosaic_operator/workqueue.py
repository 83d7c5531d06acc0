"""Keys that want work: each at most once in the line, never twice at a time, again after a while where asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class WorkQueue(Generic[Key]):
    """A queue of keys for workers in one event loop; a key that is asked for while at work comes once more after it."""

    def __init__(self) -> None:
        self._line: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._at_work: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        """Ask for a key to be worked on as soon as possible."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._at_work:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._line.put_nowait(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Ask for a key after a while; the earliest time counts."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(when, self.add, key)

    async def work(self, function: Callable[[Key], Awaitable[None]]) -> None:
        """Work off keys for ever; an error of the function ends it."""
        while True:
            key = await self._line.get()
            self._waiting.discard(key)
            self._at_work.add(key)
            try:
                await function(key)
            finally:
                self._at_work.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)
