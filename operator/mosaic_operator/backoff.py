"""How long a failing request is retried: no request may hold a slot forever."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from mosaic_operator.kube import ApiError

TRIES = 6
"""A request is given up after this many failures that a retry does not cure."""
SECONDS = 900
"""A request is also given up after this long without a success."""
LONGEST_WAIT = 60
"""The longest time between retries."""
AWAY = {0, 401, 429, 503, 504}
"""HTTP statuses that say nothing about a request: the API server is unreachable, busy, or does not know us."""
FINAL = {400, 413, 422}
"""HTTP statuses that a retry does not change."""

Key = TypeVar("Key")


class RetryLaterError(Exception):
    """Something else has to happen first; the request is retried soon."""


@dataclass
class _Failures:
    count: int = 0
    final: int = 0
    since: float | None = None


class Backoff(Generic[Key]):
    """Counts consecutive failures."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Set the clock: monotonic, in seconds."""
        self._clock = clock
        self._failures: dict[Key, _Failures] = {}

    def failed(self, key: Key, error: Exception) -> float | None:
        """Count a failure.

        Returns:
            Seconds until the next try; None to give up.
        """
        found = self._failures.setdefault(key, _Failures())
        found.count += 1
        status = error.status if isinstance(error, ApiError) else None
        if status in AWAY:
            found.since = None
        elif found.since is None:
            found.since = self._clock()
        if status in FINAL or (status is None and not isinstance(error, RetryLaterError)):
            found.final += 1
        if found.final >= TRIES or (found.since is not None and self._clock() - found.since >= SECONDS):
            del self._failures[key]
            return None
        return _wait(error, found.count)

    def worked(self, key: Key) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)


def _wait(error: Exception, count: int) -> float:
    """Seconds until the next try; after a conflict a newer version arrives soon."""
    power = 2.0 ** min(count, 10)
    if isinstance(error, RetryLaterError):
        return min(10, 0.25 * power)
    if isinstance(error, ApiError):
        return 0.2 if error.status == 409 and count < 5 else min(LONGEST_WAIT, 0.5 * power)
    return min(LONGEST_WAIT, power)
