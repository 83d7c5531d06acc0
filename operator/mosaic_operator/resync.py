"""Lists requests and Jobs in pages: at the start, and periodically for deletions that the watch missed."""

import asyncio
import logging
from collections.abc import Callable

from mosaic_crds.names import LABEL_FINISHED, LABEL_REQUEST

from mosaic_operator.cache import Cache, Key
from mosaic_operator.cluster import Cluster
from mosaic_operator.kube import PAGE, ApiError
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

NOT_FINISHED = f"!{LABEL_FINISHED}"
"""Selects unfinished requests, and finished ones without the label."""
LIVE_JOBS = f"{LABEL_REQUEST},!{LABEL_FINISHED}"
"""Selects the Jobs of unfinished requests."""
RETRY_SECONDS = 5
LOOK_SECONDS = 600
"""Interval at which the cache is compared with the API server: a restarted watch does not report earlier deletions."""

log = logging.getLogger(__name__)


async def fill(cluster: Cluster, settings: Settings, cache: Cache) -> None:
    """Fill the cache, retrying until it succeeds; label finished requests that have no label.

    The lists may be slightly old. The watch, which starts with its own list, adds newer objects.
    """
    while True:
        try:
            for namespace in settings.namespaces or ("",):
                async for page in cluster.jobs(namespace, LIVE_JOBS, recent=True):
                    for document in page:
                        cache.see_job(None, document)
                async for page in cluster.requests(namespace, NOT_FINISHED, recent=True):
                    for begin in range(0, len(page), PAGE):
                        await _take(cluster, cache, [RequestState(found) for found in page[begin : begin + PAGE]])
            return
        except ApiError as error:
            log.warning("requests and Jobs cannot be listed: %s; again in %d s", error, RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)


async def _take(cluster: Cluster, cache: Cache, requests: list[RequestState]) -> None:
    over = [r for r in requests if r.over and (r.namespace, r.name) not in cache.jobs]
    for request in requests:
        if request not in over:
            cache.put(request)
    for request, end in zip(
        over, await asyncio.gather(*map(cluster.label_finished, over), return_exceptions=True), strict=True
    ):
        if isinstance(end, ApiError) and end.status != 404:
            cache.put(request)  # it is labelled like any other that finishes
        elif isinstance(end, BaseException) and not isinstance(end, ApiError):
            raise end


async def compare_now_and_then(cluster: Cluster, settings: Settings, cache: Cache, tell: Callable[[Key], None]) -> None:
    """Remove deleted objects from the cache, forever."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await compare(cluster, settings, cache, tell)
        except ApiError as error:
            log.warning("the cache could not be compared with the API server: %s", error)


async def compare(cluster: Cluster, settings: Settings, cache: Cache, tell: Callable[[Key], None]) -> None:
    """Remove cached objects that no longer exist.

    Args:
        cluster: the API server.
        settings: which namespaces are served.
        cache: the cache.
        tell: called with the key of each request that lost an object.

    Raises:
        ApiError: the API server refused or did not respond.
    """
    requests = {request.uid: key for key, request in cache.requests.items()}
    jobs = {uid: key for key, of_request in cache.jobs.items() for uid in of_request}
    for namespace in settings.namespaces or ("",):
        async for page in cluster.requests(namespace, NOT_FINISHED, metadata_only=True):
            for document in page:
                requests.pop(document["metadata"]["uid"], None)
        async for page in cluster.jobs(namespace, LIVE_JOBS, metadata_only=True):
            for document in page:
                jobs.pop(document["metadata"]["uid"], None)
    for uid, key in requests.items():
        cache.remove(key, uid)
        tell(key)
    for uid, key in jobs.items():
        cache.remove_job(key, uid)
        tell(key)
