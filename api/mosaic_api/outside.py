"""What waits for servers elsewhere while somebody waits for an answer: bounded in time and number, and remembered."""

import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar, cast

from mosaic_api.problems import TooMany, Unavailable

SECONDS = 25.0
"""After which nobody waits any longer."""
AT_ONCE = 8
REMEMBERED_SECONDS = 60.0
REMEMBERED = 200
A_MINUTE = 30
"""Questions of one user in a minute; what is remembered does not count."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Answer:
    future: "Future[object]"
    until: float


class Outside:
    """Asks in threads that nothing waits for at the end of the process."""

    def __init__(self, seconds: float = SECONDS, at_once: int = AT_ONCE) -> None:
        self._seconds = seconds
        self._free = threading.Semaphore(at_once)
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asked: OrderedDict[uuid.UUID, deque[float]] = OrderedDict()
        self._changing = threading.Lock()

    def ask(self, user: uuid.UUID, question: str, work: Callable[[], Result]) -> Result:
        """What the work gives, or gave for the same question less than a minute ago.

        Raises:
            TooMany: the user has asked too often.
            Unavailable: too much is asked at once, or the answer does not come in time.
            Exception: what the work raises.
        """
        future = cast("Future[Result]", self._future(user, question, work))
        try:
            return future.result(self._seconds)
        except TimeoutError:
            raise Unavailable(f"no answer came within {self._seconds:g} seconds; try again later") from None

    def _future(self, user: uuid.UUID, question: str, work: Callable[[], object]) -> "Future[object]":
        moment = time.monotonic()
        with self._changing:
            known = self._answers.get(question)
            if known is not None and known.until > moment:
                return known.future
            asked = self._asked_of(user, moment)
            if not self._free.acquire(blocking=False):
                raise Unavailable("too much is being looked up at this moment; try again soon")
            asked.append(moment)
            future: Future[object] = Future()
            self._answers[question] = _Answer(future, moment + REMEMBERED_SECONDS)
            self._answers.move_to_end(question)
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        threading.Thread(target=self._work, args=(question, future, work), name="outside", daemon=True).start()
        return future

    def _work(self, question: str, future: "Future[object]", work: Callable[[], object]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            with self._changing:
                self._answers.pop(question, None)  # it may go better the next time
            future.set_exception(error)
        finally:
            self._free.release()

    def _asked_of(self, user: uuid.UUID, moment: float) -> deque[float]:
        """When the user has asked within the last minute.

        Raises:
            TooMany: too often.
        """
        asked = self._asked.setdefault(user, deque())
        self._asked.move_to_end(user)
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        while asked and asked[0] < moment - 60:
            asked.popleft()
        if len(asked) >= A_MINUTE:
            raise TooMany(f"more than {A_MINUTE} look-ups in a minute are not done for one user; wait a little")
        return asked
