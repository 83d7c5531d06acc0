"""Work folders that nobody owns any more are deleted by a Job from time to time: the operator itself has no store."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from mosaic_crds.names import Phase, Step, job_name

from mosaic_operator.kube import ApiError, Cluster
from mosaic_operator.manifests import sweep_manifest
from mosaic_operator.observed import RequestState, moment
from mosaic_operator.settings import Settings

log = logging.getLogger(__name__)


async def sweep_now_and_then(cluster: Cluster, settings: Settings) -> None:
    """Start a sweep in each interval, for ever; one that a replica before started in it counts.

    Who lives is asked of the API server each time: a cache that is not full yet would let living work be swept.
    """
    while True:
        now = datetime.now(UTC)
        number = int(now.timestamp()) // settings.sweep_interval
        name = job_name(f"{settings.lease}-{number}", Step.SWEEP)
        try:
            documents = [await cluster.list_requests(namespace) for namespace in settings.namespaces or ("",)]
            requests = [RequestState(document) for found in documents for document in found]
            await cluster.create_job(sweep_manifest(name, living(requests, settings, now), settings))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                log.warning("the sweep of work folders could not be started: %s", error)
        until_next = (number + 1) * settings.sweep_interval - now.timestamp()
        await asyncio.sleep(until_next + 1)


def living(requests: Iterable[RequestState], settings: Settings, now: datetime) -> list[str]:
    """The uids whose work folders are needed, or kept for a look at what failed."""
    kept = timedelta(seconds=settings.keep_failed)
    found = []
    for request in requests:
        ended = moment(request.status.get("completionTime"))
        lately_failed = request.phase is Phase.FAILED and ended is not None and now - ended < kept
        if not request.deleting and request.started is not None and (not request.over or lately_failed):
            found.append(request.uid)
    return sorted(found)
