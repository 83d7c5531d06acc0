"""Requests in a Kubernetes, through a context of the user's kubeconfig."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import read_json_of_any_depth
from mosaic_crds.names import GROUP, PLURAL, VERSION
from mosaic_crds.request import request_manifest
from mosaic_worker.store import open_store
from urllib3.exceptions import HTTPError

from mosaic_api.commands.place import Seen, persistently

PIECE_BYTES = 8 * 2**20
WATCH_SECONDS = 300
_NOT_FOUND, _TOO_OLD = 404, 410


class Cluster:
    """A place that is a namespace of a Kubernetes."""

    def __init__(self, context: str, namespace: str | None) -> None:
        """Nothing is asked yet.

        Raises:
            RequestError: there is no such context.
        """
        try:
            known = _contexts()
            if context not in known:
                raise RequestError(
                    f"the kubeconfig has no context {context}; it has {', '.join(sorted(known)) or 'none'}"
                )
            api = config.new_client_from_config(context=context)
            read_json_of_any_depth()
        except ConfigException as error:
            raise RequestError(f"the kubeconfig cannot be used: {error}") from None
        self._context, self._namespace = context, namespace or known[context].get("namespace", "default")
        self._objects = client.CustomObjectsApi(api)
        self._where = GROUP, VERSION, self._namespace, PLURAL

    def submit(self, name: str, spec: dict[str, Any]) -> Seen:
        """Apply a MosaicRequest."""
        body = request_manifest(name, spec)
        with self._explained():
            return _seen(self._objects.create_namespaced_custom_object(*self._where, body))

    def find(self, name: str) -> Seen:
        """The MosaicRequest of a name."""
        with self._explained():
            return _seen(self._objects.get_namespaced_custom_object(*self._where, name))

    def listed(self) -> list[Seen]:
        """All of the namespace, newest first."""
        with self._explained():
            found = cast("dict[str, Any]", self._objects.list_namespaced_custom_object(*self._where))
        return sorted(map(_seen, found["items"]), key=lambda seen: seen.created, reverse=True)

    def follow(self, seen: Seen) -> Iterator[Seen]:
        """A MosaicRequest whenever it has changed; RequestError when it is removed."""

        def look() -> Iterator[Seen]:
            with self._explained():
                for event in watch.Watch().stream(
                    self._objects.list_namespaced_custom_object,
                    *self._where,
                    field_selector=f"metadata.name={seen.name}",
                    timeout_seconds=WATCH_SECONDS,
                ):
                    if event["type"] == "DELETED":
                        raise RequestError(f"{seen.name} was removed")
                    yield _seen(event["object"])
            self.find(seen.name)  # it may have gone between two watches

        return persistently(look)

    def cancel(self, seen: Seen) -> None:
        """Set execution.cancel."""
        with self._explained():
            body = {"spec": {"execution": {"cancel": True}}}
            self._objects.patch_namespaced_custom_object(*self._where, seen.name, body)

    @contextmanager
    def pieces(self, seen: Seen, file: str, start: int) -> Iterator[Iterator[bytes]]:
        """A file of the published mosaic, from a byte on: read from its store, with the user's own credentials."""
        folder = str(seen.status["result"]["item"]).rpartition("/")[0]
        store = open_store(folder)

        def read() -> Iterator[bytes]:
            place = start
            while piece := store.read(file, place, place + PIECE_BYTES):
                yield piece
                place += len(piece)
            if place == 0:
                raise RequestError(f"{folder}/{file} cannot be read from this machine; ask the api of the cluster")

        yield read()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            told = _told(error)
            if error.status == _NOT_FOUND and "could not find the requested resource" in told:
                told = f"the cluster of {self._context} has no MosaicRequests: install the chart mosaic-operator"
            if error.status is not None and 400 <= error.status < 500 and error.status != _TOO_OLD:
                raise RequestError(told) from None
            raise PassingError(told) from None
        except (HTTPError, OSError) as error:
            raise PassingError(f"the cluster of {self._context} does not answer: {type(error).__name__}") from None


def _contexts() -> dict[str, dict[str, str]]:
    """The contexts of the user's kubeconfig by their names; one of them need not be the current one."""
    merged = KubeConfigMerger(KUBE_CONFIG_DEFAULT_LOCATION).config
    return (
        {} if merged is None else {each["name"]: each["context"].value for each in merged.value.get("contexts") or []}
    )


def _told(error: ApiException) -> str:
    """What the API server says in its answer."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"the API server answers {error.status} {error.reason}"


def _seen(told: Any) -> Seen:
    metadata = told["metadata"]
    return Seen(metadata["uid"], metadata["name"], metadata["creationTimestamp"], told.get("status") or {})
