"""Watches requests, Jobs and pods with kopf, which does nothing else.

There are no finalizers, so a deletion never waits for the operator, and kopf writes nothing to objects. kopf's index is
not used: its cost grows with the square of the number of objects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf
from mosaic_crds.names import GROUP, LABEL_REQUEST, PLURAL, VERSION

from mosaic_operator.cache import Cache, Key
from mosaic_operator.kube import PAGE
from mosaic_operator.resync import LIVE_JOBS, NOT_FINISHED
from mosaic_operator.settings import Settings

SILENT_SECONDS = 70
"""A watch without events for this long is restarted: the connection may be dead."""
IDLE_SECONDS = 0.2
"""kopf forgets the last event of an object, which has the whole object, after this long."""


async def watch(
    settings: Settings,
    login: Callable[[], Awaitable[kopf.ConnectionInfo]],
    cache: Cache,
    tell: Callable[[Key], None],
    stop: asyncio.Event,
) -> None:
    """Watch unfinished requests, their Jobs and pods until stop is set.

    Args:
        settings: the served namespaces.
        login: returns the connection to the API server.
        cache: updated with each event.
        tell: called with the key of each changed request.
        stop: ends the watch; set when kopf ends.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def _login(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    @kopf.on.startup(registry=registry)
    async def _startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.persistence.diffbase_storage = _NothingKept()
        settings.queueing.idle_timeout = IDLE_SECONDS
        settings.watching.inactivity_timeout = SILENT_SECONDS
        settings.watching.chunk_size = PAGE
        settings.watching.label_selectors[f"{PLURAL}.{GROUP}"] = NOT_FINISHED
        settings.watching.label_selectors["jobs.batch"] = LIVE_JOBS
        settings.watching.label_selectors["pods"] = LABEL_REQUEST

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    def _request_seen(*, event: kopf.RawEvent, **_: Any) -> None:
        _tell(cache.see_request(event["type"], event["object"]))

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    def _job_seen(*, event: kopf.RawEvent, **_: Any) -> None:
        _tell(cache.see_job(event["type"], event["object"]))

    @kopf.on.event("", "v1", "pods", registry=registry)
    def _pod_seen(*, event: kopf.RawEvent, **_: Any) -> None:
        _tell(cache.see_pod(event["type"], event["object"]))

    def _tell(key: Key | None) -> None:
        if key is not None:
            tell(key)

    await kopf.operator(
        registry=registry,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        stop_flag=stop,
    )
    stop.set()  # kopf handles the signals; its failures raise


class _NothingKept(kopf.DiffBaseStorage):
    """Disables kopf's comparison of versions: annotations that others wrote in kopf's name are not read."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        pass
