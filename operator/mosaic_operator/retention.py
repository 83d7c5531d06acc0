"""Deletes requests that finished long ago, if the chart says so. Their mosaics stay in the store."""

import asyncio
import logging
from datetime import datetime, timedelta

from mosaic_crds.names import LABEL_FINISHED
from mosaic_crds.times import time_or_none

from mosaic_operator.cluster import Cluster
from mosaic_operator.kube import ApiError
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

log = logging.getLogger(__name__)


async def delete_old(cluster: Cluster, settings: Settings, now: datetime) -> None:
    """Delete the requests that finished longer ago than the chart allows, page by page.

    Raises:
        ApiError: the API server refused or did not respond.
    """
    if settings.request_ttl is None:
        return
    before = now - timedelta(seconds=settings.request_ttl)
    for namespace in settings.namespaces or ("",):
        async for page in cluster.requests(namespace, LABEL_FINISHED):
            old = [request for request in map(RequestState, page) if ended_before(request, before)]
            ends = await asyncio.gather(*map(cluster.delete_request, old), return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException) and not (isinstance(end, ApiError) and end.status in {404, 409}):
                    raise end
            if old:
                log.info("deleted %d requests that had finished before %s", len(old), before.isoformat())


def ended_before(request: RequestState, before: datetime) -> bool:
    """Whether a request finished before a time."""
    ended = time_or_none(request.status.get("completionTime"))
    return request.over and ended is not None and ended < before
