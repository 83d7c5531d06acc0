"""How often one caller may call, and fail to log in."""

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
"""Callers that are remembered at once."""


class RateLimiter:
    """Lets each caller through so many times a minute, as many of them at once.

    For each caller one number is kept, the time at which nothing of what was taken will count any more (the generic
    cell rate algorithm); a caller whose time has come is as good as unknown, and is forgotten when there are many.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._span = 60 / per_minute, 60.0
        self._clock = clock
        self._free: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def take(self, caller: Hashable) -> float:
        """Let a caller through, and give 0; or do not, and give the seconds after which that would work."""
        with self._lock:
            now = self._clock()
            free = max(self._free.get(caller, now), now) + self._interval
            if free - now > self._span * (1 + 1e-9):
                return free - now - self._span
            self._free.pop(caller, None)  # the one who came last stands last
            self._free[caller] = free
            if len(self._free) > MOST_KEYS:
                self._forget(now)
            return 0.0

    def _forget(self, now: float) -> None:
        self._free = {caller: free for caller, free in self._free.items() if free > now}
        while len(self._free) > MOST_KEYS:
            del self._free[next(iter(self._free))]


class SharedRateLimiter:
    """As Bucket, counted by all replicas together: in the database, where its clock is, and with a write for each."""

    def __init__(self, per_minute: int, database: Database) -> None:
        self._interval, self._span = timedelta(minutes=1) / per_minute, timedelta(minutes=1)
        self._database = database

    def take(self, caller: str) -> float:
        """As Bucket's.

        Raises:
            PassingError: the database does not answer.
        """
        self._forget()
        free = func.greatest(Failure.free, func.now()) + self._interval
        first = insert(Failure).values(address=caller, free=func.now() + self._interval)
        counted = first.on_conflict_do_update(
            index_elements=[Failure.address], set_={"free": free}, where=free <= func.now() + self._span
        )
        with self._database.transaction() as session:
            if session.scalar(counted.returning(Failure.free)) is not None:
                return 0.0
            wait = session.scalar(
                select(extract("epoch", free - func.now() - self._span)).where(Failure.address == caller)
            )
            return max(float(wait or 0), 1e-3)

    def _forget(self) -> None:
        """Those whose time has come; in a transaction of its own, so that nobody waits for anybody in a circle."""
        over = select(Failure.address).where(Failure.free < func.now()).with_for_update(skip_locked=True)
        with self._database.transaction() as session:
            session.execute(delete(Failure).where(Failure.address.in_(over)))


class CallLimits:
    """The limits of an installation.

    Failures are counted by all replicas together. Calls are counted by each for itself, so that n of them let a user
    make n times as many: a shared count would be a write for each call, and the limit is against programs run wild.
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
        """Count a token or a login that was not valid.

        All addresses of an IPv6 /64 count as one: a single host has as many.
        Valid ones are never refused for it: tokens are too long to guess, and others may come from the same address.

        Raises:
            TooMany: there were too many from the address.
            PassingError: the database does not answer.
        """
        _expect_none(
            self._failures.take(network_of(address)), "too many tokens or logins from your address were not valid"
        )


def network_of(address: str) -> str:
    """What an address is counted as: itself, or of IPv6 its /64, which belongs to one network; as text."""
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
