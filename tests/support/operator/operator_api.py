"""A fake API server, because a real one cannot fail at a chosen call.

It keeps objects in memory and has the properties on which the operator depends: names are unique, a status can only be
written to the version that was read, and a deleted object is not found.
"""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from mosaic_crds.names import API_VERSION, LABEL_STEP
from mosaic_operator.backoff import Backoff
from mosaic_operator.cache import Cache, Key
from mosaic_operator.cluster import Cluster
from mosaic_operator.metrics import Metrics
from mosaic_operator.reconciler import Reconciler
from mosaic_operator.resync import LIVE_JOBS, NOT_FINISHED
from mosaic_operator.workqueue import WorkQueue

from support.operator.operator_world import (
    PLAN,
    RESULT,
    START,
    apply_merge_patch,
    ended,
    finish,
    job_of,
    pod_of,
    settings,
)

Document = dict[str, Any]
ANSWERS = {"plan": PLAN, "tiles": {"range": 0}, "finalize": RESULT}


@dataclass
class Fault:
    """A call that fails.

    Attributes:
        call: Which call fails: a method and the last part of a path, or the number of successful calls before it.
        status: Status of the response; 0 for a closed connection without a response, None if the caller dies.
        reason: Reason as in Kubernetes.
        done: Whether the call still has its effect.
        times: Number of failures.
    """

    call: str | int
    status: int | None = 0
    reason: str = ""
    done: bool = False
    times: int = 1


class ApiServer:
    """Requests, Jobs, pods, Secrets and Events in memory."""

    def __init__(self) -> None:
        self.requests: dict[Key, Document] = {}
        self.jobs: dict[Key, Document] = {}
        self.pods: dict[str, Document] = {}
        self.secrets: dict[Key, Document] = {}
        self.events: list[tuple[str, str]] = []
        self.created: list[str] = []
        self.calls: list[str] = []
        self.faults: list[Fault] = []
        self.patched: Document = {}
        self.died = asyncio.Event()
        self._numbers = count(1)
        self.expires = 0
        """The number of pages whose tokens have expired when they are used."""
        self._rests: dict[str, list[Document]] = {}

    def apply(self, request: Document) -> None:
        """Create a request, or change its spec."""
        metadata = request["metadata"]
        key = metadata["namespace"], metadata["name"]
        self.requests[key] = copy.deepcopy(request)
        self.touch(key)

    def touch(self, key: Key) -> None:
        """Increase the version of a request, as any change does."""
        self.requests[key]["metadata"]["resourceVersion"] = str(next(self._numbers))

    def work(self) -> None:
        """Let every active Job succeed, with the result of its step in its pod."""
        for job in self.jobs.values():
            if "conditions" not in job["status"]:
                finish(job)
                pod = pod_of(job, **ended(0, ANSWERS[job["metadata"]["labels"][LABEL_STEP]]))
                self.pods[pod["metadata"]["name"]] = pod

    @web.middleware
    async def with_faults(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        """Answer a call, or let it fail."""
        self.calls.append(f"{request.method} {request.path.rpartition('/')[2]}")
        for fault in self.faults:
            if fault.times and fault.call in {self.calls[-1], len(self.calls) - 1}:
                fault.times -= 1
                if fault.done:
                    await handler(request)
                if fault.status:
                    return _refused(fault.status, fault.reason)
                if fault.status is None:
                    self.died.set()
                assert request.transport is not None
                request.transport.close()
                return web.Response()
        return await handler(request)

    # -- calls

    async def create_job(self, request: web.Request) -> web.Response:
        manifest = await request.json()
        key = request.match_info["namespace"], manifest["metadata"]["name"]
        if key in self.jobs:
            return _refused(409, "AlreadyExists")
        self.created.append(key[1])
        self.jobs[key] = job_of(manifest, len(self.created))
        return web.json_response(self.jobs[key])

    async def change_job(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        if key not in self.jobs:
            return _refused(404, "NotFound")
        if request.method == "DELETE":
            return web.json_response(self.jobs.pop(key))
        if request.method == "PATCH":
            self.jobs[key] = apply_merge_patch(self.jobs[key], await request.json())
        return web.json_response(self.jobs[key])

    async def create_secret(self, request: web.Request) -> web.Response:
        manifest = await request.json()
        key = request.match_info["namespace"], manifest["metadata"]["name"]
        if key in self.secrets:
            return _refused(409, "AlreadyExists")
        self.secrets[key] = manifest
        return web.json_response(manifest)

    async def delete_secret(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        if key not in self.secrets:
            return _refused(404, "NotFound")
        return web.json_response(self.secrets.pop(key))

    async def list_pods(self, request: web.Request) -> web.Response:
        label, _, value = request.query["labelSelector"].partition("=")
        return web.json_response(
            {"items": [pod for pod in self.pods.values() if pod["metadata"]["labels"].get(label) == value]}
        )

    async def change_pod(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.pods:
            return _refused(404, "NotFound")
        if request.method == "DELETE":
            return web.json_response(self.pods.pop(name))
        self.patched = await request.json()
        self.pods[name] = apply_merge_patch(self.pods[name], self.patched)
        return web.json_response(self.pods[name])

    async def list_requests(self, request: web.Request) -> web.Response:
        """A page of a list, with the objects at the time of the first page."""
        token, limit = request.query.get("continue", ""), int(request.query.get("limit", 10**9))
        selector = request.query.get("labelSelector", "")
        if token and self.expires:
            self.expires -= 1
            later = str(next(self._numbers))
            self._rests[later] = self._rests.pop(token)
            return web.json_response({"reason": "Expired", "metadata": {"continue": later}}, status=410)
        found = self._rests.pop(token) if token else [r for r in self.requests.values() if _selected(r, selector)]
        rest = str(next(self._numbers)) if found[limit:] else ""
        if rest:
            self._rests[rest] = copy.deepcopy(found[limit:])
        return web.json_response({"items": found[:limit], "metadata": {"continue": rest}})

    async def change_request(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        there = self.requests.get(key)
        if there is None:
            return _refused(404, "NotFound")
        if request.method == "GET":
            return web.json_response(there)
        given = await request.json()
        if (given.get("preconditions") or given["metadata"])["uid"] != there["metadata"]["uid"]:
            return _refused(409, "Conflict")
        if request.method == "DELETE":
            return web.json_response(self.requests.pop(key))
        assert "status" not in given, "the API server ignores a status here"
        self.requests[key] = apply_merge_patch(there, given)
        self.touch(key)
        return web.json_response(self.requests[key])

    async def list_jobs(self, request: web.Request) -> web.Response:
        selector = request.query.get("labelSelector", "")
        return web.json_response({"items": [job for job in self.jobs.values() if _selected(job, selector)]})

    async def patch_status(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        patch = await request.json()
        there = self.requests.get(key)
        if there is None:
            return _refused(404, "NotFound")
        for name in ("uid", "resourceVersion"):
            if patch["metadata"].get(name, there["metadata"][name]) != there["metadata"][name]:
                return _refused(409, "Conflict")
        there["status"] = apply_merge_patch(there.get("status", {}), patch["status"])
        self.touch(key)
        return web.json_response(there)

    async def list_events(self, request: web.Request) -> web.Response:
        return web.json_response({"items": []})

    async def create_event(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.events.append((event["reason"], event["message"]))
        return web.json_response(event)


def _selected(document: Document, selector: str) -> bool:
    """Whether the operator's label selector selects an object."""
    labels = document["metadata"].get("labels") or {}
    for part in filter(None, re.split(r",(?![^(]*\))", selector)):
        name, _, values = part.partition(" notin ")
        if values and labels.get(name) in values.strip("()").split(","):
            return False
        if not values and (part.removeprefix("!") in labels) == part.startswith("!"):
            return False
    return True


def _refused(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason, "message": f"refused: {reason or status}"}, status=status)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[ApiServer, Cluster]]:
    """The fake API server, and a client of the operator for it."""
    api = ApiServer()
    app = web.Application(middlewares=[api.with_faults])
    jobs, core = "/apis/batch/v1/namespaces/{namespace}/jobs", "/api/v1/namespaces/{namespace}"
    requests = f"/apis/{API_VERSION}/namespaces/{{namespace}}/mosaicrequests"
    app.add_routes(
        [
            web.post(jobs, api.create_job),
            web.route("*", jobs + "/{name}", api.change_job),
            web.post(core + "/secrets", api.create_secret),
            web.delete(core + "/secrets/{name}", api.delete_secret),
            web.get(core + "/pods", api.list_pods),
            web.patch(core + "/pods/{name}/status", api.change_pod),
            web.delete(core + "/pods/{name}", api.change_pod),
            web.get(core + "/events", api.list_events),
            web.post(core + "/events", api.create_event),
            web.get(requests, api.list_requests),
            web.get(f"/apis/{API_VERSION}/mosaicrequests", api.list_requests),
            web.route("*", requests + "/{name}", api.change_request),
            web.get(jobs, api.list_jobs),
            web.get("/apis/batch/v1/jobs", api.list_jobs),
            web.patch(requests + "/{name}/status", api.patch_status),
        ]
    )
    async with (
        TestServer(app, host="127.0.0.1") as server,
        Cluster(Configuration(host=str(server.make_url("")).rstrip("/"))) as cluster,
    ):
        yield api, cluster


class _Line(WorkQueue[Key]):
    """A queue that records the delays of its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def add_later(self, key: Key, seconds: float) -> None:
        self.delays.append(seconds)


class Operator:
    """One process of an operator, whose caches read the API server when a test says so.

    Attributes:
        cluster: Its client of the API server.
        waits: Seconds until each next reconciliation that it requested.
    """

    def __init__(self, api: ApiServer, cluster: Cluster) -> None:
        self._api = api
        self.cluster = cluster
        self.cache = Cache()
        self.metrics = Metrics()
        self._reconciler = Reconciler(cluster, settings(), self.metrics, self.cache, lambda: START)
        self._reconciler.queue = line = _Line()
        self.waits = line.delays
        self.update_cache()

    def update_cache(self) -> None:
        """Update the cache, as a watch without finished requests does."""
        for key, request in list(self.cache.requests.items()):
            if key not in self._api.requests or not _selected(self._api.requests[key], NOT_FINISHED):
                self.cache.see_request("DELETED", self._api.requests.get(key) or request.document)
        for request in self._api.requests.values():
            if _selected(request, NOT_FINISHED):
                self.cache.see_request("MODIFIED", copy.deepcopy(request))
        self.cache.jobs.clear()
        self.cache.pods.clear()
        for job in self._api.jobs.values():
            if _selected(job, LIVE_JOBS):
                self.cache.see_job("ADDED", copy.deepcopy(job))
        for pod in self._api.pods.values():
            self.cache.see_pod("ADDED", copy.deepcopy(pod))

    def let_cosmetics_through(self) -> None:
        """Let the time pass that delays writes of mere progress."""
        self._reconciler._cosmetic_from = 0.0

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Replace the clock that measures how long a request keeps failing."""
        self._reconciler.backoff = Backoff(clock)

    async def reconcile(self, key: Key = ("team", "ndsi"), *, update_cache: bool = True) -> None:
        """Reconcile a request once; stop early if a fault makes the operator die."""
        if update_cache:
            self.update_cache()
        self._api.died.clear()
        work = asyncio.create_task(self._reconciler.reconcile(key))
        death = asyncio.create_task(self._api.died.wait())
        await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, death):
            task.cancel()
        await asyncio.gather(work, death, return_exceptions=True)
