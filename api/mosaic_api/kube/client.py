"""The Kubernetes client of the sync and of the `mosaic` command: calls about the MosaicRequests of one namespace.

In a cluster each call here is a verb in the chart's Role.
"""

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
from mosaic_crds.names import API_VERSION, GROUP, PLURAL

from mosaic_api.kube.resource import Resource

MANAGER = "mosaic-api"
"""The field manager of what is applied."""
TIMEOUT_SECONDS = 15
WATCH_SECONDS = 240
"""The API server ends a watch after this time; then another one begins."""
SILENT_SECONDS = 90
"""A watch without an event for this time is opened again: bookmarks come each minute, so it may be dead."""
PAGE = 100
"""Requests of a list that are read at a time; one may be larger than a megabyte."""
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
_JSON = ShallowDecoder()
_METHODS = {"list": "GET", "watch": "GET", "get": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}


class ApiError(PassingError):
    """The API server refused, or did not respond.

    Attributes:
        status: the HTTP status; 0 if there was no response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def explanation(self) -> str:
        """What is wrong with the cluster, for people."""
        if self.status == HTTPStatus.NOT_FOUND:
            return "the cluster has no MosaicRequests in this namespace: the definition or the namespace is missing"
        if self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return f"the cluster does not permit this: {self}"
        return str(self)


class Definition(NamedTuple):
    """The CustomResourceDefinition of MosaicRequests: its uid, and whether it is being deleted."""

    uid: str
    leaving: bool


class Change(NamedTuple):
    """An event of a watch: ADDED, MODIFIED or DELETED, and the request as it was then."""

    kind: str
    resource: Resource


def configuration(context: str | None = None) -> Configuration:
    """How to reach the API server: by a context of the user's kubeconfig, or as the service account of this pod.

    Without a context, and outside a pod, it is the current context of the kubeconfig.

    Raises:
        RequestError: there is neither.
    """
    found = Configuration()
    try:
        if context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=found)
        else:
            config.load_kube_config(context=context, client_configuration=found)
    except ConfigException as error:
        raise RequestError(f"the kubeconfig cannot be used: {error}") from error
    found.retries = False  # the caller retries
    return found


class Cluster:
    """Calls to the API server about the MosaicRequests of a namespace; every one raises ApiError.

    Several threads may use it together.
    """

    def __init__(self, found: Configuration, namespace: str) -> None:
        self._client = ApiClient(found)
        self._namespace = namespace
        self._path = _path(API_VERSION, namespace)

    def list(self, name: str | None = None) -> tuple[list[Resource], str]:
        """All requests, or the one of a name, and the version from which a watch continues."""
        found: list[Resource] = []
        query = {"limit": str(PAGE)} | _only(name)
        while True:
            page = self._call("list", self._path, None, JSON, **query)
            found += [_slim(document) for document in page["items"]]
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return found, str(page["metadata"]["resourceVersion"])

    def find(self, name: str) -> Resource | None:
        """The request of a name, as it is now and not as a watch last reported it."""
        return next(iter(self.list(name)[0]), None)

    def watch(self, version: str, name: str | None = None) -> Iterator[Change | str]:
        """Changes since a version until the server ends the watch; after each, as text, the version it has reached.

        The version is the one that `list` returned, or the last that the watch reached. With a name, only that request
        is watched.
        """
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"} | _only(name)
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        answer = self._open("watch", self._path, query=query, timeout=SILENT_SECONDS)
        with closing(answer):
            for line in _lines(answer):
                kind, document = line["type"], line["object"]
                if kind == "ERROR":
                    raise ApiError(int(document.get("code", 0)), str(document.get("message", "the watch failed")))
                if kind != "BOOKMARK":
                    yield Change(kind, _slim(document))
                yield str(document["metadata"]["resourceVersion"])

    def create(self, document: Mapping[str, Any]) -> Resource:
        """Create a request, whose name must be free."""
        return _slim(self._call("create", self._path, document))

    def apply(self, document: Mapping[str, Any]) -> Resource:
        """Create a request, or return the one that exists."""
        path = f"{_path(document['apiVersion'], self._namespace)}/{document['metadata']['name']}"
        return _slim(self._call("patch", path, document, APPLY, fieldManager=MANAGER))

    def cancel(self, name: str, uid: str) -> None:
        """Cancel this very request."""
        patch = {"metadata": {"uid": uid}, "spec": {"execution": {"cancel": True}}}
        self._call("patch", f"{self._path}/{name}", patch, MERGE_PATCH, fieldManager=MANAGER)

    def delete(self, name: str, uid: str) -> None:
        """Delete this very request; one that does not exist is deleted already."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self._call("delete", f"{self._path}/{name}", options)
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    def definition(self) -> Definition | None:
        """The definition of MosaicRequests; None where there is none."""
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
        with closing(self._open(verb, path, body, content, query)) as answer:
            try:
                return dict(_JSON.decode(answer.data.decode()))
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                raise ApiError(0, f"the response of the API server is cut off: {error}") from error

    def _open(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content: str = JSON,
        query: Mapping[str, str] = MappingProxyType({}),
        timeout: float = TIMEOUT_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        """Begin a call; the caller closes the response."""
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
            answer: urllib3.BaseHTTPResponse = called.response
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, f"the API server does not respond: {error}") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            with closing(answer):
                raise ApiError(answer.status, _message(answer))
        return answer


def _message(answer: urllib3.BaseHTTPResponse) -> str:
    """The message of a refusal."""
    try:
        text = answer.data
    except urllib3.exceptions.HTTPError:
        text = b""
    try:
        return str(_JSON.decode(text.decode())["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200].decode(errors="replace") or f"HTTP status {answer.status}"


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON documents of a stream, one per line."""
    rest = b""
    try:
        for chunk in answer.stream(amt=None):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (_JSON.decode(line.decode()) for line in whole if line)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ApiError(0, f"the watch was interrupted: {error}") from error


def _only(name: str | None) -> dict[str, str]:
    """The parameters that select the request of a name, or all."""
    return {} if name is None else {"fieldSelector": f"metadata.name={name}"}


def _path(api_version: str, namespace: str) -> str:
    """The path of the MosaicRequests of a namespace."""
    return f"/apis/{api_version}/namespaces/{namespace}/{PLURAL}"


def _slim(document: Mapping[str, Any]) -> Resource:
    """A request without the metadata that nobody here reads."""
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    return Resource({**document, "metadata": metadata})
