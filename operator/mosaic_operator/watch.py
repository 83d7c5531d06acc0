"""kopf says what changed of requests and Jobs; nothing else is left to it.

There are no finalizers, so that deletion never waits for the operator, and kopf writes nothing on objects. It keeps no
index either: its gate costs time that grows with the square of the number of objects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf
from mosaic_crds.names import GROUP, PLURAL, VERSION

from mosaic_operator.cache import Cache, Key
from mosaic_operator.kube import PAGE
from mosaic_operator.resync import LIVE_JOBS, NOT_FINISHED
from mosaic_operator.settings import Settings

SILENT_SECONDS = 70
"""A watch in which nothing was heard for so long is opened anew: the connection may be dead."""
IDLE_SECONDS = 0.2
"""After so long kopf forgets the last event of an object, which holds the whole of it."""


async def watch(
    settings: Settings,
    login: Callable[[], Awaitable[kopf.ConnectionInfo]],
    cache: Cache,
    tell: Callable[[Key], None],
    stop: asyncio.Event,
) -> None:
    """Watch requests that are not over and their Jobs until it is time to stop.

    Args:
        settings: where requests are served.
        login: gives the way to the API server.
        cache: takes in what is seen.
        tell: told the key of each request that something changed of.
        stop: ends the watch; set when kopf is asked for an end.
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

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    def _request_seen(*, event: kopf.RawEvent, **_: Any) -> None:
        _tell(cache.see_request(event["type"], event["object"]))

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    def _job_seen(*, event: kopf.RawEvent, **_: Any) -> None:
        _tell(cache.see_job(event["type"], event["object"]))

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
    stop.set()  # kopf takes the signals that ask for an end; its failures are errors


class _NothingKept(kopf.DiffBaseStorage):
    """kopf compares no versions: an annotation that looks like one of its own, written by anybody, is not read."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        pass
