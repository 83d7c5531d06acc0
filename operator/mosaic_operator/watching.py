"""kopf keeps the caches of requests and Jobs, and says when something changed; nothing else is left to it.

There are no finalizers, so that deletion never waits for the operator, and nothing is written on objects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import kopf
from mosaic_crds.names import GROUP, LABEL_REQUEST, LABEL_STEP, PLURAL, VERSION, Step

from mosaic_operator.observed import JobState, RequestState
from mosaic_operator.reconciler import Jobs, Key, OwnedJob, Requests
from mosaic_operator.settings import Settings

Labels = Mapping[str, str]

SILENT_SECONDS = 70
"""A watch in which nothing was heard for so long is opened anew: the connection may be dead."""


Started = Callable[[Requests, Jobs], Callable[[Key], None]]
"""Takes the caches once they are full, and gives what is told of each key that changed."""


async def watch(
    settings: Settings, login: Callable[[], Awaitable[kopf.ConnectionInfo]], started: Started, stop: asyncio.Event
) -> None:
    """Watch requests and Jobs until it is time to stop.

    Args:
        settings: where requests are served.
        login: gives the way to the API server.
        started: called with the caches.
        stop: ends the watch.
    """
    registry = kopf.OperatorRegistry()
    tell: list[Callable[[Key], None]] = []

    @kopf.on.login(registry=registry)
    async def _login(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    @kopf.on.startup(registry=registry)
    async def _startup(settings: kopf.OperatorSettings, **indices: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.watching.inactivity_timeout = SILENT_SECONDS
        settings.watching.label_selectors["jobs.batch"] = LABEL_REQUEST
        tell.append(started(_View(indices["mosaic_requests"]), _View(indices["mosaic_jobs"])))

    @kopf.index(GROUP, VERSION, PLURAL, id="mosaic_requests", registry=registry)
    def mosaic_requests(*, namespace: str | None, name: str, body: kopf.Body, **_: Any) -> dict[Key, RequestState]:
        return {_key(namespace, name): RequestState(_slim(body))}

    @kopf.index("batch", "v1", "jobs", id="mosaic_jobs", labels={LABEL_REQUEST: kopf.PRESENT}, registry=registry)
    def mosaic_jobs(*, namespace: str | None, labels: Labels, body: kopf.Body, **_: Any) -> dict[Key, OwnedJob]:
        return {_key(namespace, labels[LABEL_REQUEST]): _owned(body, labels)}

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    def _request_seen(*, namespace: str | None, name: str, **_: Any) -> None:
        tell[0](_key(namespace, name))

    @kopf.on.event("batch", "v1", "jobs", labels={LABEL_REQUEST: kopf.PRESENT}, registry=registry)
    def _job_seen(*, namespace: str | None, labels: Labels, **_: Any) -> None:
        tell[0](_key(namespace, labels[LABEL_REQUEST]))

    await kopf.operator(
        registry=registry,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        stop_flag=stop,
    )


class _View(Mapping[Key, Sequence[Any]]):
    """A kopf index as a mapping to sequences."""

    def __init__(self, index: kopf.Index[Key, Any]) -> None:
        self._index = index

    def __getitem__(self, key: Key) -> Sequence[Any]:
        return tuple(self._index[key])

    def __iter__(self) -> Any:
        return iter(tuple(self._index))

    def __len__(self) -> int:
        return len(self._index)


def _key(namespace: str | None, name: str) -> Key:
    return namespace or "", name


def _owned(body: kopf.Body, labels: Labels) -> OwnedJob:
    owners = [owner["uid"] for owner in body["metadata"].get("ownerReferences", ()) if owner.get("controller")]
    return OwnedJob(
        owner=owners[0] if owners else "",
        step=Step(labels[LABEL_STEP]),
        leaving="deletionTimestamp" in body["metadata"],
        state=JobState.of(body),
    )


def _slim(body: kopf.Body) -> dict[str, Any]:
    """A copy of a request without what nobody here reads."""
    dropped = {"managedFields", "annotations"}
    metadata = {key: value for key, value in body["metadata"].items() if key not in dropped}
    return {key: body[key] for key in ("apiVersion", "kind", "spec", "status") if key in body} | {"metadata": metadata}
