"""Calls to other servers for a waiting client, limited in time, bytes and number.

Each runs in a thread of its own with a budget, which ends it when its time is over, or when all clients that wait for
it have disconnected. Nothing waits for a free thread: too many calls are refused immediately.
"""

import asyncio
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Self, TypeVar, cast

from fastapi import Request
from mosaic_worker.sources.access.budget import Budget

from mosaic_api.web.admission import Admission
from mosaic_api.web.problems import TooMany, Unavailable

MOST_BYTES = 256 * 2**20
"""Of all responses to one call; what is in memory has smaller limits."""
REMEMBERED_SECONDS = 60.0
REMEMBERED = 200

Result = TypeVar("Result")


@dataclass(frozen=True)
class CallBudget:
    """Limits for calls of a kind.

    Attributes:
        seconds: of one call.
        at_once: parallel calls of all users.
        of_one: parallel calls of one user.
        a_minute: calls of one user per minute; cached results do not count.
    """

    seconds: float = 25.0
    at_once: int = 8
    of_one: int = 3
    a_minute: int = 30

    def of(self, alone: bool) -> Self:
        """The same limits; a single user may use all calls."""
        return replace(self, of_one=self.at_once) if alone else self


class _Call(Generic[Result]):
    """A running call, or its result."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.future: Future[Result] = Future()
        self.until = time.monotonic() + REMEMBERED_SECONDS
        self.waiting = 0

    async def outcome(self, request: Request | None) -> Result:
        """The result.

        Raises:
            Unavailable: it takes too long, or the client has disconnected.
            Exception: of the work.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        self.future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        awaited: list[asyncio.Task[object]] = [asyncio.create_task(done.wait())]
        if request is not None:
            awaited.append(asyncio.create_task(disconnected(request)))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.budget.left):
                    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in awaited:
                task.cancel()
        if self.future.done():
            return self.future.result()
        if not self.budget.left:
            self.budget.end()
        raise Unavailable(f"no answer within {self.budget.seconds:g} seconds; try again later")


class OutboundCalls:
    """Calls of one kind, in one event loop."""

    def __init__(self, allowed: CallBudget) -> None:
        self._allowed = allowed
        self._admission = Admission("calls to other servers", allowed.at_once, allowed.of_one)
        self._known: OrderedDict[str, _Call[object]] = OrderedDict()
        self._begun: OrderedDict[uuid.UUID, deque[float]] = OrderedDict()
        self._changing = threading.Lock()

    async def run(
        self,
        request: Request | None,
        user: uuid.UUID,
        work: Callable[[Budget], Result],
        key: str | None = None,
    ) -> Result:
        """The result of the work, or of the same work less than a minute ago.

        Args:
            request: of the client; if it disconnects, and no other waits, the work ends.
            user: for the limits.
            work: called in a thread; must obey the budget.
            key: under which the result is cached for all users; None for no cache.

        Raises:
            TooMany: the user makes too many calls.
            Unavailable: there are too many calls, or the result takes too long.
            Exception: of the work.
        """
        call = self._cached(key) or self._begin(user, work, key)
        call.waiting += 1
        try:
            return cast("Result", await call.outcome(request))
        finally:
            call.waiting -= 1
            if not call.waiting and not call.future.done():
                self._forget(key, call)
                call.budget.end()

    def _cached(self, key: str | None) -> _Call[object] | None:
        with self._changing:
            call = self._known.get(key) if key is not None else None
            return call if call is not None and call.until > time.monotonic() else None

    def _begin(self, user: uuid.UUID, work: Callable[[Budget], object], key: str | None) -> _Call[object]:
        slot = ExitStack()
        with self._changing:
            begun = self._begun_by(user)
            slot.enter_context(self._admission.slot(user))
            begun.append(time.monotonic())
            call: _Call[object] = _Call(Budget(self._allowed.seconds, MOST_BYTES))
            if key is not None:
                self._known[key] = call
                self._known.move_to_end(key)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        target = (slot, work, key, call)
        threading.Thread(target=self._work, args=target, name="outside", daemon=True).start()
        return call

    def _work(self, slot: ExitStack, work: Callable[[Budget], object], key: str | None, call: _Call[object]) -> None:
        with slot:
            try:
                result = work(call.budget)
            except BaseException as error:
                self._forget(key, call)  # the next attempt may succeed
                outcome = partial(call.future.set_exception, error)
            else:
                outcome = partial(call.future.set_result, result)
            call.budget.end()  # closes open connections
        outcome()

    def _forget(self, key: str | None, call: _Call[object]) -> None:
        with self._changing:
            if key is not None and self._known.get(key) is call:
                del self._known[key]

    def _begun_by(self, user: uuid.UUID) -> deque[float]:
        """The times of the user's calls within the last minute; refuses another one if there are too many."""
        moment, most = time.monotonic(), self._allowed.a_minute
        begun = self._begun.setdefault(user, deque())
        self._begun.move_to_end(user)
        while len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)
        while begun and begun[0] < moment - 60:
            begun.popleft()
        if len(begun) >= most:
            raise TooMany(
                f"limit of {most} look-ups per minute reached for your account; wait a little",
                headers={"Retry-After": str(round(begun[0] + 60 - moment) + 1)},
            )
        return begun


async def disconnected(request: Request) -> None:
    """Return when the client, which has sent the whole body, has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
