"""The API server, as far as the operator uses it: each call here is a verb in the chart's Role."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

import kopf
from aiohttp import ClientError
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from mosaic_crds.names import API_VERSION, PLURAL

from mosaic_operator.draft import Event, timestamp
from mosaic_operator.manifests import Manifest
from mosaic_operator.observed import RequestState

Document = dict[str, Any]
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
"""Leaves the other conditions of a status as they are."""
TIMEOUT_SECONDS = 30
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


async def configuration() -> Configuration:
    """How the API server is reached: as the pod's service account, else by the user's kubeconfig."""
    found = Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=found)
    else:
        await config.load_kube_config(client_configuration=found)
    return found


async def connection_of(found: Configuration) -> kopf.ConnectionInfo:
    """The same for kopf, whose own way asks the cluster's DNS for the API server."""
    token = await found.get_api_key_with_prefix("BearerToken")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        scheme="Bearer" if token else None,
        token=token.split()[-1] if token else None,
    )


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

    async def list_pods(self, namespace: str, selector: str) -> list[Document]:
        """The pods of a namespace that have a label."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        return list((await self._call("list", "pods", path, labelSelector=selector))["items"])

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
        found = (await self._call("list", "events", path, fieldSelector=about))["items"]
        found.sort(key=lambda event: event.get("lastTimestamp") or event["metadata"]["creationTimestamp"], reverse=True)
        return [event.get("message", event.get("reason", "")) for event in found]

    async def patch_status(self, request: RequestState, patch: Document) -> Document:
        """Change the status of this very request, if it has not changed meanwhile."""
        metadata = {"uid": request.uid, "resourceVersion": request.document["metadata"]["resourceVersion"]}
        path = f"/apis/{API_VERSION}/namespaces/{request.namespace}/{PLURAL}/{request.name}/status"
        body = {"metadata": metadata, "status": patch}
        return await self._call("patch", PLURAL + "/status", path, body, MERGE_PATCH)

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

    async def list_requests(self, namespace: str) -> list[Document]:
        """The MosaicRequests of a namespace; of all with an empty name."""
        return list((await self._call("list", PLURAL, _requests(namespace)))["items"])

    async def try_request(self, namespace: str, document: Mapping[str, Any]) -> None:
        """Ask whether a MosaicRequest would be accepted, without creating it."""
        await self._call("create", PLURAL, _requests(namespace), dict(document), dryRun="All")

    async def _call(
        self, verb: str, resource: str, path: str, body: Document | None = None, content: str = JSON, **query: str
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
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self.client.call_api(*prepared, _request_timeout=TIMEOUT_SECONDS)
            text = await answer.read()
        except (ClientError, OSError, TimeoutError) as error:
            raise ApiError(0, "NoAnswer", f"the API server does not answer: {error or type(error).__name__}") from error
        if answer.status < 500:
            self.answered = monotonic()
        try:
            found = json.loads(text)
        except ValueError:
            found = {"reason": "NotJson", "message": text[:200].decode(errors="replace")}
        if answer.status >= 400:
            raise ApiError(answer.status, found.get("reason", ""), found.get("message", ""))
        return dict(found)


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _requests(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}" if namespace else f"/apis/{API_VERSION}/{PLURAL}"
