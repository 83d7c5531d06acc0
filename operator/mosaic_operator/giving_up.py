"""Ends requests that cannot be reconciled. If even that status cannot be written, the request at least has no slot."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from mosaic_crds.lifecycle import Event, Phase

from mosaic_operator.backoff import RetryLaterError
from mosaic_operator.cache import Cache, Key
from mosaic_operator.cluster import Cluster
from mosaic_operator.decide import given_up
from mosaic_operator.decision import merge_patch
from mosaic_operator.kube import ApiError
from mosaic_operator.metrics import Metrics
from mosaic_operator.requests import RequestState
from mosaic_operator.slots import Slots

LONGEST_REASON = 600
"""Most characters of the API server's message."""
RETRY_SECONDS = 600
"""Interval at which writing such a status is retried."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Barred:
    key: Key
    until: float
    error: Exception


class GivingUp:
    """Ends requests, and remembers those whose status could not be written."""

    def __init__(
        self, cluster: Cluster, cache: Cache, slots: Slots, metrics: Metrics, now: Callable[[], datetime]
    ) -> None:
        """Start without such requests."""
        self._cluster, self._cache, self._slots = cluster, cache, slots
        self._metrics, self._now = metrics, now
        self._barred: dict[str, _Barred] = {}

    def forget_others(self, key: Key, uid: str) -> None:
        """Forget all requests of a name except one."""
        for other in [uid_ for uid_, barred in self._barred.items() if barred.key == key and uid_ != uid]:
            self._free(other)

    async def retry(self, request: RequestState) -> float | None:
        """Retry to write the status of a request, if it is time.

        Returns:
            Seconds until the next try; None if nothing is left to write.
        """
        barred = self._barred.get(request.uid)
        if barred is None:
            return None
        left = barred.until - monotonic()
        return left if left > 0 else await self.end(barred.key, barred.error)

    async def end(self, key: Key, error: Exception) -> float | None:
        """Delete the Jobs of a request, and set its phase to Failed.

        Returns:
            Seconds until the next try; None if it is done.
        """
        request = self._cache.requests.get(key)
        log.error("giving up: %s", error, exc_info=error, extra={"request": "/".join(key)})
        if request is None:
            return None
        if request.over:
            self._cache.remove(key, request.uid)
            return None
        for job in self._cache.jobs_of(request).values():
            if job.outcome is None:
                with suppress(ApiError):
                    await self._cluster.delete_job(request.namespace, job.name)
        if await self._write(key, request, _sentence(error)):
            self._free(request.uid)
            return None
        self._barred[request.uid] = _Barred(key, monotonic() + RETRY_SECONDS, error)
        self._slots.bar(request.uid, barred=True)
        return RETRY_SECONDS

    async def _write(self, key: Key, request: RequestState, message: str) -> bool:
        for status in given_up(request, self._now(), message):
            try:
                answer = await self._cluster.patch_status(request, merge_patch(request.status, status), force=True)
            except ApiError as refused:
                log.error("the final status cannot be written: %s", refused, extra={"request": "/".join(key)})
                if refused.status == 404:
                    self._cache.remove(key, request.uid)
                    return True
            else:
                self._cache.put(RequestState(answer))
                self._metrics.count(request.status, status)
                with suppress(ApiError):
                    await self._cluster.create_event(request, Event("Warning", Phase.FAILED, message, self._now()))
                return True
        return False

    def _free(self, uid: str) -> None:
        if self._barred.pop(uid, None) is not None:
            self._slots.bar(uid, barred=False)


def _sentence(error: Exception) -> str:
    expected = isinstance(error, ApiError | RetryLaterError)
    why = str(error)[:LONGEST_REASON] if expected else f"an unexpected {type(error).__name__}"
    return f"the operator cannot process the request: {why}; see its log, then submit the request again"
