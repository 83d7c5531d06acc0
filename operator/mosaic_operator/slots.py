"""Which requests have a slot to run. Admissions are computed after changes, not at every reconciliation."""

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic, process_time

from mosaic_crds.lifecycle import Phase

from mosaic_operator.admission import Owner, admissions, owner_of
from mosaic_operator.backoff import RetryLaterError
from mosaic_operator.cache import Cache, Key
from mosaic_operator.observed import Admission
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

WAITING = {None, Phase.PENDING, Phase.SUSPENDED}
SHARE = 20
"""New requests wait this many times the duration of the last computation, so it takes at most 5 % of the time."""
QUICK_SECONDS = 0.005
"""After a computation faster than this the next one runs immediately."""


class Slots:
    """The slots of requests, by uid."""

    def __init__(self, cache: Cache, settings: Settings, now: Callable[[], datetime]) -> None:
        """Set the cache of requests, which others keep current, and a clock with a time zone."""
        self._cache, self._settings, self._now = cache, settings, now
        self._served: dict[Owner, datetime] = {}
        self._admissions: Mapping[str, Admission] = {}
        self._next = 0.0
        self._begun: dict[str, Key] = {}
        self._barred: set[str] = set()

    def admission(self, request: RequestState) -> Admission:
        """The admission of a request; an admitted one has a slot from now on.

        Raises:
            RetryLaterError: the request is new, and its admission is not computed yet.
        """
        if self._cache.moved and monotonic() >= self._next:
            self._compute()
        found = self._admissions.get(request.uid)
        if found is None:
            if self._cache.moved and not (request.over or request.deleting or request.execution.suspend):
                raise RetryLaterError("its admission is not computed yet")
            return Admission(admitted=False)
        if found.admitted and request.uid not in self._begun:
            self._begun[request.uid] = request.namespace, request.name
            self._served[owner_of(request, self._settings)] = self._now()
        return found

    def leave(self, uid: str) -> list[Key]:
        """Free the slot of a request.

        Returns:
            The requests that can run now.
        """
        if self._begun.pop(uid, None) is None:
            return []
        self._compute()
        return [
            key
            for key, request in self._cache.requests.items()
            if request.phase in WAITING and request.uid in self._admissions and self._admissions[request.uid].admitted
        ]

    def of(self, key: Key) -> list[str]:
        """The uids of the requests of a name that have a slot."""
        return [uid for uid, of in self._begun.items() if of == key]

    def bar(self, uid: str, *, barred: bool) -> None:
        """Exclude a request from slots, or admit it again."""
        (self._barred.add if barred else self._barred.discard)(uid)
        self._cache.moved = True

    def _compute(self) -> None:
        self._cache.moved = False
        begun = process_time()
        requests = [request for request in self._cache.requests.values() if request.uid not in self._barred]
        self._admissions = admissions(requests, self._begun, self._settings, self._served)
        took = process_time() - begun
        self._next = monotonic() + (SHARE * took if took > QUICK_SECONDS else 0)
