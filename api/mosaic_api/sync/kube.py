"""The sync's calls to the API server; each is a verb in the chart's Role."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import ShallowDecoder
from mosaic_crds.names import ANNOTATION_ROW, API_VERSION, GROUP, LABEL_OWNER, PLURAL
from mosaic_crds.request import request_manifest

from mosaic_api.sync.observed import Resource, Row

MANAGER = "mosaic-api"
"""The field manager of what it applies."""
TIMEOUT_SECONDS = 15
WATCH_SECONDS = 240
"""After this time the API server ends a watch, and the next one begins."""
SILENT_SECONDS = 90
"""A watch without anything for so long is opened again: bookmarks come each minute, so it may be dead."""
PAGE = 100
"""Requests in one response; one may have more than a megabyte."""
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
_JSON = ShallowDecoder()
_METHODS = {"list": "GET", "watch": "GET", "get": "GET", "patch": "PATCH", "delete": "DELETE"}


class ApiError(PassingError):
    """The API server refused a call, or did not answer.

    Attributes:
        status: of HTTP; 0 without a response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Definition(NamedTuple):
    """The CustomResourceDefinition of MosaicRequests, and whether it is being deleted."""

    uid: str
    leaving: bool


class Change(NamedTuple):
    """An event of a watch: ADDED, MODIFIED or DELETED, and the request at that time."""

    kind: str
    resource: Resource


def configuration() -> Configuration:
    """The connection to the API server: the pod's service account, or else the user's kubeconfig.

    Raises:
        RequestError: there is neither.
    """
    found = Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=found)
        else:
            config.load_kube_config(client_configuration=found)
    except ConfigException as error:
        raise RequestError(f"no access to a Kubernetes cluster: {error}") from error
    found.retries = False  # callers try again
    return found


class Cluster:
    """Calls to the API server about the MosaicRequests of a namespace; all raise ApiError. Threads may share it."""

    def __init__(self, found: Configuration, namespace: str) -> None:
        self._client = ApiClient(found)
        self._path = _path(API_VERSION, namespace)
        self._namespace = namespace

    def list(self) -> tuple[list[Resource], str]:
        """All requests, and the version from which to watch."""
        found: list[Resource] = []
        query = {"limit": str(PAGE)}
        while True:
            page = self._call("list", self._path, None, JSON, **query)
            found += [_slim(document) for document in page["items"]]
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return found, str(page["metadata"]["resourceVersion"])

    def find(self, name: str) -> Resource | None:
        """The current request with a name, not the one of the last watch event."""
        found = self._call("list", self._path, fieldSelector=f"metadata.name={name}")["items"]
        return _slim(found[0]) if found else None

    def watch(self, version: str) -> Iterator[Change | str]:
        """Changes since a version until the server ends the watch; after each, the version that is reached, as text."""
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        response = self._open("watch", self._path, query=query, timeout=SILENT_SECONDS)
        with closing(response):
            for line in _lines(response):
                kind, document = line["type"], line["object"]
                if kind == "ERROR":
                    raise ApiError(int(document.get("code", 0)), str(document.get("message", "the watch failed")))
                if kind != "BOOKMARK":
                    yield Change(kind, _slim(document))
                yield str(document["metadata"]["resourceVersion"])

    def apply(self, row: Row) -> Resource:
        """Apply the MosaicRequest of a row; it may be applied already."""
        document = request_manifest(
            row.name,
            row.spec,
            api_version=row.api_version,
            namespace=self._namespace,
            annotations={ANNOTATION_ROW: str(row.id)},
            labels={LABEL_OWNER: str(row.owner)} if row.owner is not None else {},
        )
        path = f"{_path(row.api_version, self._namespace)}/{row.name}"
        return _slim(self._call("patch", path, document, APPLY, fieldManager=MANAGER))

    def cancel(self, name: str, uid: str) -> None:
        """Cancel this request, not another one of its name."""
        patch = {"metadata": {"uid": uid}, "spec": {"execution": {"cancel": True}}}
        self._call("patch", f"{self._path}/{name}", patch, MERGE_PATCH, fieldManager=MANAGER)

    def delete(self, name: str, uid: str) -> None:
        """Delete this request, not another one of its name; it may be deleted already."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self._call("delete", f"{self._path}/{name}", options)
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    def definition(self) -> Definition | None:
        """The definition of MosaicRequests; None if there is none."""
        try:
            found = self._call("get", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}")
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return Definition(str(found["metadata"]["uid"]), "deletionTimestamp" in found["metadata"])

    def _call(
        self, verb: str, path: str, body: Mapping[str, Any] | None = None, content: str = JSON, **query: str
    ) -> dict[str, Any]:
        with closing(self._open(verb, path, body, content, query)) as response:
            try:
                return dict(_JSON.decode(response.data.decode()))
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                raise ApiError(0, f"the API server's response is incomplete: {error}") from error

    def _open(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content: str = JSON,
        query: Mapping[str, str] = MappingProxyType({}),
        timeout: float = TIMEOUT_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        """Open a response, which the caller closes."""
        try:
            prepared = self._client.param_serialize(
                _METHODS[verb],
                path,
                query_params=list(query.items()),
                header_params={"Accept": JSON, "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            called = self._client.call_api(*prepared, _request_timeout=(TIMEOUT_SECONDS, timeout))
            response: urllib3.BaseHTTPResponse = called.response
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, f"the API server does not answer: {error}") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            with closing(response):
                raise ApiError(response.status, _message(response))
        return response


def _message(response: urllib3.BaseHTTPResponse) -> str:
    """The API server's message in a refusal."""
    try:
        text = response.data
    except urllib3.exceptions.HTTPError:
        text = b""
    try:
        return str(_JSON.decode(text.decode())["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200].decode(errors="replace") or f"HTTP status {response.status}"


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON documents of a stream, one in each line."""
    rest = b""
    try:
        for chunk in response.stream(amt=None):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (_JSON.decode(line.decode()) for line in whole if line)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ApiError(0, f"the watch was interrupted: {error}") from error


def _path(api_version: str, namespace: str) -> str:
    """The path of the MosaicRequests of a namespace."""
    return f"/apis/{api_version}/namespaces/{namespace}/{PLURAL}"


def _slim(document: Mapping[str, Any]) -> Resource:
    """A request without fields that are not needed here."""
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    return Resource({**document, "metadata": metadata})
