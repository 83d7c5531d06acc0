"""MosaicRequests in a Kubernetes cluster, through a context of the user's kubeconfig."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.request import request_manifest
from mosaic_worker.store import open_store

from mosaic_api.commands.backends.base import RequestInfo, retried, unknown
from mosaic_api.kube.client import ApiError, Change, Cluster, configuration
from mosaic_api.kube.resource import Resource

PIECE_BYTES = 8 * 2**20


class ClusterBackend:
    """The requests of a namespace."""

    def __init__(self, context: str, namespace: str | None) -> None:
        """Read the kubeconfig; no call is made yet.

        Raises:
            RequestError: it has no such context, or is not valid.
        """
        known = _contexts()
        if context not in known:
            raise RequestError(f"the kubeconfig has no context {context}; it has {', '.join(sorted(known)) or 'none'}")
        self._context = context
        self._cluster = Cluster(configuration(context), namespace or known[context].get("namespace", "default"))

    def submit(self, name: str, spec: dict[str, Any]) -> RequestInfo:
        """Create a MosaicRequest."""
        with self._explained():
            return _info(self._cluster.create(request_manifest(name, spec)))

    def find(self, name: str) -> RequestInfo:
        """Return the MosaicRequest with a name."""
        with self._explained():
            found = self._cluster.find(name)
        if found is None:
            raise unknown(name)
        return _info(found)

    def list_requests(self) -> list[RequestInfo]:
        """Return all MosaicRequests of the namespace, newest first."""
        with self._explained():
            found, _ = self._cluster.list()
        return sorted(map(_info, found), key=lambda request: request.created, reverse=True)

    def watch(self, request: RequestInfo) -> Iterator[RequestInfo]:
        """Return a MosaicRequest each time it changes; RequestError if it is deleted."""
        deleted = RequestError(f"{request.name} was deleted")

        def watch_once() -> Iterator[RequestInfo]:
            with self._explained():
                found, version = self._cluster.list(request.name)
                if not found:
                    raise deleted
                yield _info(found[0])
                for change in self._cluster.watch(version, request.name):
                    if isinstance(change, Change):
                        if change.kind == "DELETED":
                            raise deleted
                        yield _info(change.resource)

        return retried(watch_once)

    def cancel(self, request: RequestInfo) -> None:
        """Set execution.cancel."""
        with self._explained():
            self._cluster.cancel(request.name, request.id)

    @contextmanager
    def read_file(self, request: RequestInfo, file: str, start: int) -> Iterator[Iterator[bytes]]:
        """Return a file of the mosaic in pieces, read from its store with the user's own credentials."""
        folder = str(request.status["result"]["item"]).rpartition("/")[0]
        store = open_store(folder)

        def read() -> Iterator[bytes]:
            position = start
            while piece := store.read(file, position, position + PIECE_BYTES):
                yield piece
                position += len(piece)
            if position == 0:
                raise RequestError(f"cannot read {folder}/{file} from this machine; use --server instead of --context")

        yield read()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            if error.status == 0:
                raise PassingError(f"the cluster of {self._context} does not respond: {error}") from None
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status != HTTPStatus.GONE:
                raise RequestError(error.explanation) from None
            raise


def _contexts() -> dict[str, dict[str, str]]:
    """The contexts of the user's kubeconfig by name; the current context may be missing.

    Raises:
        RequestError: the kubeconfig is not valid.
    """
    try:
        merged = KubeConfigMerger(KUBE_CONFIG_DEFAULT_LOCATION).config
    except ConfigException as error:
        raise RequestError(f"the kubeconfig cannot be used: {error}") from None
    contexts = (merged.value.get("contexts") or []) if merged is not None else []
    return {each["name"]: each["context"].value for each in contexts}


def _info(found: Resource) -> RequestInfo:
    return RequestInfo(found.uid, found.name, found.document["metadata"]["creationTimestamp"], found.status)
