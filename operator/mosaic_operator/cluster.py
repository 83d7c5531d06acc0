"""The operator's calls to the API server: each is a verb in the chart's Role."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from mosaic_crds.lifecycle import Event
from mosaic_crds.names import API_VERSION, LABEL_FINISHED, PLURAL
from mosaic_crds.times import timestamp

from mosaic_operator.kube import JSON, METADATA, ApiError, Document, KubeClient, unless_gone
from mosaic_operator.pod_templates import Manifest
from mosaic_operator.requests import RequestState

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
"""Keeps the other conditions of a status."""
MOST_EVENTS = 100
"""Most Events that are read about one object."""
REPORTER = "mosaic-operator"


class Cluster(KubeClient):
    """The calls that the operator makes."""

    async def create_job(self, job: Manifest) -> Document:
        """Create a Job."""
        return await self.call("create", "jobs", _jobs(job["metadata"]["namespace"]), job)

    async def get_job(self, namespace: str, name: str) -> Document:
        """Read a Job."""
        return await self.call("get", "jobs", f"{_jobs(namespace)}/{name}")

    async def patch_job(self, namespace: str, name: str, patch: Document) -> Document:
        """Patch a Job."""
        return await self.call("patch", "jobs", f"{_jobs(namespace)}/{name}", patch, MERGE_PATCH)

    async def delete_job(self, namespace: str, name: str) -> Document:
        """Delete a Job with its pods."""
        return await self.call("delete", "jobs", f"{_jobs(namespace)}/{name}", {"propagationPolicy": "Background"})

    async def create_secret(self, secret: Manifest) -> None:
        """Create a Secret, or keep an existing one of that name; the pod that mounts it checks its content."""
        try:
            await self.call("create", "secrets", _secrets(secret["metadata"]["namespace"]), secret)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def delete_secret(self, namespace: str, name: str) -> Document:
        """Delete a Secret."""
        return await self.call("delete", "secrets", f"{_secrets(namespace)}/{name}")

    def jobs(
        self, namespace: str, selector: str, *, metadata_only: bool = False, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """Jobs by label, in pages; an empty namespace means all. See `pages_of`."""
        path = _jobs(namespace) if namespace else "/apis/batch/v1/jobs"
        return self.pages_of("jobs", path, selector, METADATA if metadata_only else JSON, recent=recent)

    def pods(self, namespace: str, selector: str) -> AsyncIterator[list[Document]]:
        """Pods of a namespace by label, in pages."""
        return self.pages_of("pods", f"/api/v1/namespaces/{namespace}/pods", selector)

    async def give_up_pod(self, namespace: str, name: str) -> Document:
        """Mark a pod of a lost node as failed and delete it: no kubelet is left to do so.

        Otherwise a Job with a failure policy would wait forever for this pod before it replaces it.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        lost = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "NodeLost",
            "message": "the node does not respond",
        }
        status = {"phase": "Failed", "reason": "NodeLost", "conditions": [lost]}
        await self.call("patch", "pods/status", f"{path}/status", {"status": status}, STRATEGIC_MERGE_PATCH)
        return await self.call("delete", "pods", path, {"gracePeriodSeconds": 0})

    async def warnings_about(self, namespace: str, uid: str, *, reason: str = "") -> list[str]:
        """The messages of Warning Events about an object, newest first; of one reason, or of all."""
        path = f"/api/v1/namespaces/{namespace}/events"
        about = f"involvedObject.uid={uid},type=Warning" + (f",reason={reason}" if reason else "")
        found = (await self.call("list", "events", path, fieldSelector=about, limit=str(MOST_EVENTS)))["items"]
        found.sort(key=_when, reverse=True)
        return [str(event.get("message") or event.get("reason") or "") for event in found]

    async def patch_status(self, request: RequestState, patch: Document, *, force: bool = False) -> Document:
        """Patch the status of a request, unless it has changed since it was read; force skips that check."""
        metadata = {"uid": request.uid}
        if not force:
            metadata["resourceVersion"] = request.document["metadata"]["resourceVersion"]
        path = f"{_requests(request.namespace)}/{request.name}/status"
        body = {"metadata": metadata, "status": patch}
        return await self.call("patch", PLURAL + "/status", path, body, MERGE_PATCH)

    async def label_finished(self, request: RequestState) -> Document:
        """Label a finished request with its phase, or remove the label from an unfinished one."""
        label = str(request.phase) if request.over else None
        body = {"metadata": {"uid": request.uid, "labels": {LABEL_FINISHED: label}}}
        return await self.call("patch", PLURAL, f"{_requests(request.namespace)}/{request.name}", body, MERGE_PATCH)

    async def get_request(self, namespace: str, name: str) -> Document | None:
        """Read a MosaicRequest; None if it does not exist."""
        return await unless_gone(self.call("get", PLURAL, f"{_requests(namespace)}/{name}"))

    async def delete_request(self, request: RequestState) -> None:
        """Delete a request, and with it what it owns in the cluster."""
        options = {"preconditions": {"uid": request.uid}, "propagationPolicy": "Background"}
        await self.call("delete", PLURAL, f"{_requests(request.namespace)}/{request.name}", options)

    async def create_event(self, request: RequestState, event: Event) -> None:
        """Create an Event about a request."""
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
        await self.call("create", "events", f"/api/v1/namespaces/{request.namespace}/events", document)

    def requests(
        self, namespace: str, selector: str = "", *, metadata_only: bool = False, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """MosaicRequests by label, in pages; an empty namespace means all. See `pages_of`."""
        return self.pages_of(PLURAL, _requests(namespace), selector, METADATA if metadata_only else JSON, recent=recent)

    async def try_request(self, namespace: str, document: Mapping[str, Any]) -> None:
        """Dry-run the creation of a MosaicRequest."""
        await self.call("create", PLURAL, _requests(namespace), dict(document), dryRun="All")


def _when(event: Document) -> str:
    """When an Event last occurred, as text that sorts by time."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _requests(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}" if namespace else f"/apis/{API_VERSION}/{PLURAL}"
