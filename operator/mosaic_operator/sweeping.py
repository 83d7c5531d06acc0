"""Starts a Job periodically that deletes abandoned work folders: the operator itself has no access to the store."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from mosaic_crds.lifecycle import Phase
from mosaic_crds.names import LABEL_FINISHED, LABEL_STEP, job_name
from mosaic_crds.times import time_or_none
from mosaic_crds.worker_pod import Step

from mosaic_operator.cluster import Cluster
from mosaic_operator.jobs import JobState
from mosaic_operator.kube import ApiError, unless_gone
from mosaic_operator.manifests import sweep_input, sweep_manifest, sweep_secret
from mosaic_operator.parsing import readable
from mosaic_operator.pods import PodState, lost
from mosaic_operator.requests import RequestState
from mosaic_operator.retention import delete_old
from mosaic_operator.settings import Settings

LOOK_SECONDS = 20
"""Interval at which the pods of a running sweep are read."""
NEEDS_WORK = f"{LABEL_FINISHED} notin ({Phase.SUCCEEDED},{Phase.CANCELLED})"
"""Selects the requests whose work folders may be needed: unfinished and failed ones."""

log = logging.getLogger(__name__)


async def sweep_now_and_then(cluster: Cluster, settings: Settings) -> None:
    """Start a sweep in each interval, forever; one that an earlier replica started counts.

    Unfinished requests are listed each time: with a cache that is not filled yet, a sweep would delete work in use.
    """
    while True:
        now = datetime.now(UTC)
        number = int(now.timestamp()) // settings.sweep_interval
        name = job_name(f"{settings.lease}-{number}", Step.SWEEP)
        next_one = (number + 1) * settings.sweep_interval + 1
        try:
            await start(cluster, settings, name, now)
            await delete_old(cluster, settings, now)
            async with asyncio.timeout(next_one - now.timestamp()):
                await see_through(cluster, settings, name)
        except TimeoutError:
            pass
        except ApiError as error:
            log.warning("the sweep of work folders was not started: %s", error)
        except Exception:
            log.exception("the sweep of work folders failed")
        await asyncio.sleep(max(1, next_one - datetime.now(UTC).timestamp()))


async def start(cluster: Cluster, settings: Settings, name: str, now: datetime) -> None:
    """Start a sweep, unless one of this name exists.

    Raises:
        ApiError: the API server refused or did not respond.
    """
    found: list[str] = []
    for namespace in settings.namespaces or ("",):
        async for page in cluster.requests(namespace, NEEDS_WORK):
            found += living(map(RequestState, page), settings, now)
    given = sweep_input(sorted(found), settings, now)
    try:
        job = await cluster.create_job(sweep_manifest(name, given, settings))
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    else:
        await cluster.create_secret(sweep_secret(given, job))


async def see_through(cluster: Cluster, settings: Settings, name: str) -> None:
    """Wait until a sweep has finished, and give up its pods on nodes that do not respond."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await give_up_lost(cluster, settings, datetime.now(UTC))
            job = await unless_gone(cluster.get_job(settings.sweep_namespace, name))
            if job is None or JobState.of(job).outcome is not None:
                return
        except ApiError as error:
            log.warning("the pods of the sweep cannot be read: %s", error)


async def give_up_lost(cluster: Cluster, settings: Settings, now: datetime) -> None:
    """Give up the pods of sweeps on nodes that do not respond.

    Raises:
        ApiError: the API server refused or did not respond.
    """
    async for page in cluster.pods(settings.sweep_namespace, f"{LABEL_STEP}={Step.SWEEP}"):
        for name in lost((pod for pod in readable(PodState.of, page) if pod.job_uid), now):
            log.warning("giving up pod %s on a node that does not respond", name)
            await unless_gone(cluster.give_up_pod(settings.sweep_namespace, name))


def living(requests: Iterable[RequestState], settings: Settings, now: datetime) -> list[str]:
    """The uids whose work folders are needed, or kept to examine a failure."""
    kept = timedelta(seconds=settings.keep_failed)
    found = []
    for request in requests:
        ended = time_or_none(request.status.get("completionTime"))
        lately_failed = request.phase is Phase.FAILED and ended is not None and now - ended < kept
        if not request.deleting and request.started is not None and (not request.over or lately_failed):
            found.append(request.uid)
    return sorted(found)
