"""The API server, as far as the operator uses it: each call here is a verb in the chart's Role."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientResponse
from kubernetes.aio.client import ApiClient, Configuration
from mosaic_crds.names import API_VERSION, LABEL_FINISHED, PLURAL

from mosaic_operator.decision import Event, timestamp
from mosaic_operator.manifests import Manifest
from mosaic_operator.observed import RequestState

Document = dict[str, Any]
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A list of objects without their specs and statuses."""
PAGE = 25
"""Objects of a list that are read at once; one may take more than a megabyte."""
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
"""Leaves the other conditions of a status as they are."""
TIMEOUT_SECONDS = 30
LIST_SECONDS = 180
"""For a page of a list: an API server that reads it from an old etcd looks at every object to find those selected."""
MOST_BYTES = 8 * 2**20
"""Of a list that is read at once."""
MOST_EVENTS = 100
"""Events about one object that are read."""
REPORTER = "mosaic-operator"


class ApiError(Exception):
    """The API server refused, or did not answer.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        reason: in Kubernetes' word.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class TooLargeError(Exception):
    """An answer is larger than the caller wants to read."""


class Cluster:
    """Calls to the API server.

    Attributes:
        calls: how many there were, by verb and resource.
        answered: when the API server last answered, on the clock `time.monotonic`.
        leads_until: when another replica may be at work, on that clock; nothing is changed from then on.
    """

    def __init__(self, found: Configuration) -> None:
        self.client = ApiClient(found)
        self.calls: Counter[tuple[str, str]] = Counter()
        self.answered = monotonic()
        self.leads_until = inf

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.client.close()

    async def create_job(self, job: Manifest) -> Document:
        """Submit a Job."""
        return await self._call("create", "jobs", _jobs(job["metadata"]["namespace"]), job)

    async def get_job(self, namespace: str, name: str) -> Document:
        """Read a Job."""
        return await self._call("get", "jobs", f"{_jobs(namespace)}/{name}")

    async def patch_job(self, namespace: str, name: str, patch: Document) -> Document:
        """Change a Job."""
        return await self._call("patch", "jobs", f"{_jobs(namespace)}/{name}", patch, MERGE_PATCH)

    async def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job with its pods."""
        await self._call("delete", "jobs", f"{_jobs(namespace)}/{name}", {"propagationPolicy": "Background"})

    async def create_secret(self, secret: Manifest) -> None:
        """Create a Secret; one of that name is left as it is, and the pod that mounts it checks what it holds."""
        try:
            await self._call("create", "secrets", _secrets(secret["metadata"]["namespace"]), secret)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret."""
        await self._call("delete", "secrets", f"{_secrets(namespace)}/{name}")

    def jobs(
        self, namespace: str, selector: str, *, metadata_only: bool = False, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """The Jobs of a namespace that have a label, in pages; of all with an empty name; see `_pages`."""
        path = _jobs(namespace) if namespace else "/apis/batch/v1/jobs"
        return self._pages("jobs", path, selector, METADATA if metadata_only else JSON, recent=recent)

    def pods(self, namespace: str, selector: str) -> AsyncIterator[list[Document]]:
        """The pods of a namespace that have a label, in pages."""
        return self._pages("pods", f"/api/v1/namespaces/{namespace}/pods", selector)

    async def give_up_pod(self, namespace: str, name: str) -> None:
        """Count a pod as failed for its node's sake and forget it: no kubelet is left that would.

        Without an end, a Job with a failure policy would wait for ever for the pod that it has to replace.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        lost = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "NodeLost",
            "message": "its node does not answer",
        }
        status = {"phase": "Failed", "reason": "NodeLost", "conditions": [lost]}
        await self._call("patch", "pods/status", f"{path}/status", {"status": status}, STRATEGIC_MERGE_PATCH)
        await self._call("delete", "pods", path, {"gracePeriodSeconds": 0})

    async def warnings_about(self, namespace: str, uid: str, *, reason: str = "") -> list[str]:
        """What Kubernetes warned of this very object, newest first; for one reason, or all."""
        path = f"/api/v1/namespaces/{namespace}/events"
        about = f"involvedObject.uid={uid},type=Warning" + (f",reason={reason}" if reason else "")
        found = (await self._call("list", "events", path, fieldSelector=about, limit=str(MOST_EVENTS)))["items"]
        found.sort(key=_when, reverse=True)
        return [str(event.get("message") or event.get("reason") or "") for event in found]

    async def patch_status(self, request: RequestState, patch: Document, *, force: bool = False) -> Document:
        """Change the status of this very request, if it has not changed meanwhile or force is set."""
        metadata = {"uid": request.uid}
        if not force:
            metadata["resourceVersion"] = request.document["metadata"]["resourceVersion"]
        path = f"{_requests(request.namespace)}/{request.name}/status"
        body = {"metadata": metadata, "status": patch}
        return await self._call("patch", PLURAL + "/status", path, body, MERGE_PATCH)

    async def label_finished(self, request: RequestState) -> Document:
        """Label this very request with the phase in which it ended, or take the label off one that has not ended."""
        label = str(request.phase) if request.over else None
        body = {"metadata": {"uid": request.uid, "labels": {LABEL_FINISHED: label}}}
        return await self._call("patch", PLURAL, f"{_requests(request.namespace)}/{request.name}", body, MERGE_PATCH)

    async def get_request(self, namespace: str, name: str) -> Document | None:
        """A MosaicRequest as it is now; None where there is none."""
        try:
            return await self._call("get", PLURAL, f"{_requests(namespace)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def delete_request(self, request: RequestState) -> None:
        """Delete this very request, and with it what it owns in the cluster."""
        options = {"preconditions": {"uid": request.uid}, "propagationPolicy": "Background"}
        await self._call("delete", PLURAL, f"{_requests(request.namespace)}/{request.name}", options)

    async def create_event(self, request: RequestState, event: Event) -> None:
        """Show an Event under a request."""
        now = timestamp(event.when)
        document = {
            "metadata": {"generateName": f"{request.name}.", "namespace": request.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": request.document["kind"],
                "namespace": request.namespace,
                "name": request.name,
                "uid": request.uid,
                "resourceVersion": request.document["metadata"]["resourceVersion"],
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1024],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": REPORTER},
            "reportingComponent": REPORTER,
        }
        await self._call("create", "events", f"/api/v1/namespaces/{request.namespace}/events", document)

    def requests(
        self, namespace: str, selector: str = "", *, metadata_only: bool = False, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """The MosaicRequests of a namespace that have a label, in pages; of all with an empty name; see `_pages`."""
        return self._pages(PLURAL, _requests(namespace), selector, METADATA if metadata_only else JSON, recent=recent)

    async def try_request(self, namespace: str, document: Mapping[str, Any]) -> None:
        """Ask whether a MosaicRequest would be accepted, without creating it."""
        await self._call("create", PLURAL, _requests(namespace), dict(document), dryRun="All")

    async def _pages(
        self, resource: str, path: str, selector: str, accept: str = JSON, *, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """A list, page by page, as it was when it began.

        Args:
            resource: for the count of calls.
            path: of the list.
            selector: of labels; empty for none.
            accept: the form of the answer.
            recent: whether it may be some moments old. The API server has that in memory, but not in pages, so that a
                large one is read the other way. For the present state one with an old etcd decodes all objects, which
                takes it more than a millisecond for each.

        Raises:
            ApiError: as of `_call`; 410 when the list took so long that its beginning is forgotten.
        """
        selected: dict[str, Any] = {"labelSelector": selector} if selector else {}
        if recent:
            with suppress(TooLargeError):
                found = await self._call(
                    "list",
                    resource,
                    path,
                    None,
                    JSON,
                    accept=accept,
                    largest=MOST_BYTES,
                    resourceVersion="0",
                    **selected,
                )
                yield list(found["items"])
                return
        query = {"limit": str(PAGE)} | selected
        while True:
            found = await self._call("list", resource, path, None, JSON, accept=accept, **query)
            yield list(found["items"])
            query["continue"] = (found.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return

    async def _call(
        self,
        verb: str,
        resource: str,
        path: str,
        body: Document | None = None,
        content: str = JSON,
        *,
        accept: str = JSON,
        largest: int = -1,
        **query: str,
    ) -> Document:
        """Do one call.

        Raises:
            ApiError: the API server refused or did not answer, or another replica may be at work.
        """
        method = {"create": "POST", "get": "GET", "list": "GET", "patch": "PATCH", "delete": "DELETE"}[verb]
        if verb not in {"get", "list"} and monotonic() >= self.leads_until:
            raise ApiError(0, "LeaseLost", "the Lease was not renewed in time: another replica may be at work")
        self.calls[verb, resource] += 1
        try:
            prepared = await self.client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": accept, "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            seconds = LIST_SECONDS if verb == "list" else TIMEOUT_SECONDS
            answer = await self.client.call_api(*prepared, _request_timeout=seconds)
            text = await (answer.read() if largest < 0 else _read(answer.response, largest))
        except (ClientError, OSError, TimeoutError) as error:
            raise ApiError(0, "NoAnswer", f"the API server does not answer: {error or type(error).__name__}") from error
        if answer.status < 500:
            self.answered = monotonic()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            found = {"reason": "NotJson", "message": text[:200].decode(errors="replace")}
        if answer.status >= 400:
            raise ApiError(answer.status, found.get("reason", ""), found.get("message", ""))
        return found


async def _read(answer: ClientResponse, largest: int) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > largest:
            answer.close()
            raise TooLargeError
    return bytes(found)


def _when(event: Document) -> str:
    """When an Event was last seen; as text it sorts as the times do."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _requests(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}" if namespace else f"/apis/{API_VERSION}/{PLURAL}"
