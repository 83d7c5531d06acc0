"""Calls of servers elsewhere while somebody waits for an answer: bounded in time, bytes and number, and stopped early.

Each runs in a thread of its own, under a budget that ends it: when its time is over, or when everybody who waits for
it has left. None waits for a free thread: who asks too much is refused at once.
"""

import asyncio
import threading
import time
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Self, TypeVar, cast

from fastapi import Request
from mosaic_worker.sources.access.budget import Budget

from mosaic_api.web.problems import TooMany, Unavailable

MOST_BYTES = 256 * 2**20
"""Of all answers to one call; what is held of them at once has smaller limits."""
REMEMBERED_SECONDS = 60.0
REMEMBERED = 200
RETRY_SECONDS = 5

Result = TypeVar("Result")


@dataclass(frozen=True)
class CallBudget:
    """How many calls of a kind there may be.

    Attributes:
        seconds: that one may last.
        at_once: of all users together.
        of_one: of one user at once.
        a_minute: that one user may begin in a minute; what is remembered does not count.
    """

    seconds: float = 25.0
    at_once: int = 8
    of_one: int = 3
    a_minute: int = 30

    def of(self, alone: bool) -> Self:
        """The same where one user is alone, who may have all."""
        return replace(self, of_one=self.at_once) if alone else self


class _Call(Generic[Result]):
    """A call under way, or its outcome."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.future: Future[Result] = Future()
        self.until = time.monotonic() + REMEMBERED_SECONDS
        self.waiting = 0

    async def outcome(self, request: Request | None) -> Result:
        """What comes of it.

        Raises:
            Unavailable: nothing does in time, or who asks has left.
            Exception: what the work raises.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        self.future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        told: list[asyncio.Task[object]] = [asyncio.create_task(done.wait())]
        if request is not None:
            told.append(asyncio.create_task(_left(request)))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.budget.left):
                    await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in told:
                task.cancel()
        if self.future.done():
            return self.future.result()
        if not self.budget.left:
            self.budget.end()
        raise Unavailable(f"no answer came within {self.budget.seconds:g} seconds; try again later")


class OutboundCalls:
    """Calls of one kind; to be used in one event loop."""

    def __init__(self, allowed: CallBudget) -> None:
        self._allowed = allowed
        self._active: Counter[uuid.UUID] = Counter()
        self._known: OrderedDict[str, _Call[object]] = OrderedDict()
        self._begun: OrderedDict[uuid.UUID, deque[float]] = OrderedDict()
        self._changing = threading.Lock()

    async def ask(
        self,
        request: Request | None,
        user: uuid.UUID,
        work: Callable[[Budget], Result],
        question: str | None = None,
    ) -> Result:
        """What the work gives, or gave for the same question less than a minute ago.

        Args:
            request: that is answered by it; when its client leaves, and nobody else waits, the work is stopped.
            user: who asks.
            work: called in a thread; it must heed the budget.
            question: by which the answer is remembered, for all users; not at all if None.

        Raises:
            TooMany: the user has asked too often, or too much at once.
            Unavailable: too much is asked at once, or the answer does not come in time.
            Exception: what the work raises.
        """
        call = self._remembered(question) or self._begin(user, work, question)
        call.waiting += 1
        try:
            return cast("Result", await call.outcome(request))
        finally:
            call.waiting -= 1
            if not call.waiting and not call.future.done():
                self._forget(question, call)
                call.budget.end()

    def _remembered(self, question: str | None) -> _Call[object] | None:
        with self._changing:
            call = self._known.get(question) if question is not None else None
            return call if call is not None and call.until > time.monotonic() else None

    def _begin(self, user: uuid.UUID, work: Callable[[Budget], object], question: str | None) -> _Call[object]:
        allowed, retry = self._allowed, {"Retry-After": str(RETRY_SECONDS)}
        with self._changing:
            begun = self._begun_by(user)
            if self._active[user] >= allowed.of_one:
                raise TooMany(f"{allowed.of_one} of your calls wait for other servers; wait for one", headers=retry)
            if self._active.total() >= allowed.at_once:
                raise Unavailable("too much is being looked up at this moment; try again soon")
            begun.append(time.monotonic())
            self._active[user] += 1
            call: _Call[object] = _Call(Budget(allowed.seconds, MOST_BYTES))
            if question is not None:
                self._known[question] = call
                self._known.move_to_end(question)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        target = (user, work, question, call)
        threading.Thread(target=self._work, args=target, name="outside", daemon=True).start()
        return call

    def _work(
        self, user: uuid.UUID, work: Callable[[Budget], object], question: str | None, call: _Call[object]
    ) -> None:
        try:
            result = work(call.budget)
        except BaseException as error:
            self._forget(question, call)  # it may go better the next time
            outcome = partial(call.future.set_exception, error)
        else:
            outcome = partial(call.future.set_result, result)
        call.budget.end()  # closes what is left open
        with self._changing:
            self._active[user] -= 1
            if not self._active[user]:
                del self._active[user]
        outcome()

    def _forget(self, question: str | None, call: _Call[object]) -> None:
        with self._changing:
            if question is not None and self._known.get(question) is call:
                del self._known[question]

    def _begun_by(self, user: uuid.UUID) -> deque[float]:
        """When the user has begun calls within the last minute.

        Raises:
            TooMany: too often.
        """
        moment, most = time.monotonic(), self._allowed.a_minute
        begun = self._begun.setdefault(user, deque())
        self._begun.move_to_end(user)
        while len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)
        while begun and begun[0] < moment - 60:
            begun.popleft()
        if len(begun) >= most:
            raise TooMany(
                f"more than {most} look-ups in a minute are not done for one user; wait a little",
                headers={"Retry-After": str(round(begun[0] + 60 - moment) + 1)},
            )
        return begun


async def _left(request: Request) -> None:
    """Returns when the client of a request has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
