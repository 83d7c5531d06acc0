"""Reads of the store for waiting clients, in threads of their own, so that a slow store delays nothing else."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from mosaic_api.web.admission import Admission
from mosaic_api.web.problems import Unavailable

THREADS, THREADS_EACH = 24, 12
WAITING, WAITING_EACH = 600, 150
"""Reads that run or wait, of all users and of each; a map loads many tiles together."""
SECONDS = 30.0
"""Maximum time to wait for a thread."""

Result = TypeVar("Result")


class StoreReads:
    """Limits parallel reads; others wait for some time, and too many are refused immediately."""

    def __init__(self, *, alone: bool, seconds: float = SECONDS) -> None:
        """A single user (`alone`) may use all threads; `seconds` is the time to wait for one."""
        self._seconds = seconds
        self._each = THREADS if alone else THREADS_EACH
        self._admission = Admission("tiles, values and files", WAITING, WAITING if alone else WAITING_EACH)
        self._threads = CapacityLimiter(THREADS)
        self._of: defaultdict[Hashable, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(self._each))
        self._users: defaultdict[Hashable, int] = defaultdict(int)

    async def run(self, user: Hashable, work: Callable[[], Result]) -> Result:
        """The result of work in a thread.

        Raises:
            TooMany: the user waits for too many reads.
            Unavailable: too many reads wait, or no thread is free in time.
        """
        with self._admission.slot(user):
            self._users[user] += 1
            turn = self._of[user]
            try:
                try:
                    async with asyncio.timeout(self._seconds):
                        await turn.acquire()
                except TimeoutError:
                    raise self._busy() from None
                try:
                    return await self._in_thread(work)
                finally:
                    turn.release()
            finally:
                self._users[user] -= 1
                if not self._users[user]:
                    del self._users[user], self._of[user]

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        borrower = object()
        try:
            async with asyncio.timeout(self._seconds):
                await self._threads.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise self._busy() from None
        try:
            return await anyio.to_thread.run_sync(work, limiter=CapacityLimiter(1))
        finally:
            self._threads.release_on_behalf_of(borrower)

    def _busy(self) -> Unavailable:
        return Unavailable("the store is slow, or there are too many reads; try again later")
