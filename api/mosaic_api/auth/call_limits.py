"""Limits the calls and the failed logins of one caller."""

import ipaddress
import math
import threading
import time
from collections.abc import Callable, Hashable
from datetime import timedelta

from sqlalchemy import delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert

from mosaic_api.auth.identity import Principal
from mosaic_api.database import Database, Failure
from mosaic_api.settings import Settings
from mosaic_api.web.problems import TooMany

MOST_KEYS = 10_000
"""Callers that are remembered."""


class RateLimiter:
    """Limits the calls of each caller per minute; a burst may use a whole minute's calls.

    For each caller, it stores when all calls are available again (the generic cell rate algorithm). A caller whose time
    has passed counts like an unknown one, and is removed when there are too many.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._span = 60 / per_minute, 60.0
        self._clock = clock
        self._free: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def take(self, caller: Hashable) -> float:
        """Count a call and return 0; or refuse it, and return the seconds until a call is possible."""
        with self._lock:
            now = self._clock()
            free = max(self._free.get(caller, now), now) + self._interval
            if free - now > self._span * (1 + 1e-9):
                return free - now - self._span
            self._free.pop(caller, None)  # keeps the order of the last calls
            self._free[caller] = free
            if len(self._free) > MOST_KEYS:
                self._forget(now)
            return 0.0

    def _forget(self, now: float) -> None:
        self._free = {caller: free for caller, free in self._free.items() if free > now}
        while len(self._free) > MOST_KEYS:
            del self._free[next(iter(self._free))]


class SharedRateLimiter:
    """Like RateLimiter, but all replicas count together, in the database and with its clock."""

    def __init__(self, per_minute: int, database: Database) -> None:
        self._interval, self._span = timedelta(minutes=1) / per_minute, timedelta(minutes=1)
        self._database = database

    def take(self, caller: str) -> float:
        """Like `RateLimiter.take`."""
        self._forget()
        free = func.greatest(Failure.free, func.now()) + self._interval
        first = insert(Failure).values(address=caller, free=func.now() + self._interval)
        counted = first.on_conflict_do_update(
            index_elements=[Failure.address], set_={"free": free}, where=free <= func.now() + self._span
        )
        with self._database.transaction() as session:
            if session.scalar(counted.returning(Failure.free)) is not None:
                return 0.0
            clock = func.clock_timestamp()  # this transaction may have waited for others since now()
            wait = session.scalar(select(extract("epoch", free - clock - self._span)).where(Failure.address == caller))
            return max(float(wait or 0), 1e-3)

    def _forget(self) -> None:
        """Delete those whose time has passed, in a transaction of its own: otherwise two could deadlock."""
        over = select(Failure.address).where(Failure.free < func.now()).with_for_update(skip_locked=True)
        with self._database.transaction() as session:
            session.execute(delete(Failure).where(Failure.address.in_(over)))


class CallLimits:
    """The limits of an installation.

    All replicas count failures together. Each counts calls for itself, so that n replicas allow n times as many: a
    shared count would need a write for each call, and the limit only stops programs that run wild.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._calls = None if settings.single_user else RateLimiter(settings.max_calls)
        self._failures = SharedRateLimiter(settings.max_failures, database)

    def call(self, principal: Principal) -> None:
        """Count a call.

        Raises:
            TooMany: the user has made too many.
        """
        if self._calls is not None:
            _expect_none(self._calls.take(principal.user_id), "you call too often")

    def failure(self, address: str) -> None:
        """Count an invalid token or login.

        The addresses of an IPv6 /64 count as one, because a single host has all of them. Valid tokens are never
        refused: they are too long to guess, and other users may share the address.

        Raises:
            TooMany: there were too many from the address.
        """
        _expect_none(
            self._failures.take(network_of(address)), "too many tokens or logins from your address were not valid"
        )


def network_of(address: str) -> str:
    """The network that an address counts for: itself, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _expect_none(wait: float, reason: str) -> None:
    if wait > 0:
        seconds = math.ceil(wait)
        raise TooMany(f"{reason}; try again in {seconds} s", headers={"Retry-After": str(seconds)})
