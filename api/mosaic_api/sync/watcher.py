"""What requests there are in the cluster: listed, then kept up to date by a watch, and listed again when it fails."""

import logging
import random
import threading
from collections.abc import Callable
from http import HTTPStatus

from mosaic_api.background.loops import Beat
from mosaic_api.sync.kube import ApiError, Cluster
from mosaic_api.sync.observed import Resource

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 30.0
"""Between tries."""
_log = logging.getLogger(__name__)


class Watcher:
    """A copy of what the API server knows, which lags behind it a little."""

    def __init__(
        self,
        cluster: Cluster,
        changed: Callable[[str], None],
        listed: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        """Nothing is known yet.

        Args:
            cluster: the API server.
            changed: told the name of each request that changed.
            listed: called when all is known, the first time and after each time that it was not.
            lost: told why the requests cannot be known.
        """
        self._cluster = cluster
        self._changed, self._listed, self._lost = changed, listed, lost
        self._resources: dict[str, Resource] | None = None

    @property
    def resources(self) -> dict[str, Resource] | None:
        """The requests by their names; None while they cannot be known. Not to be changed."""
        return self._resources

    def run(self, over: threading.Event, beat: Beat) -> None:
        """Watch until it is over."""
        try:
            self._watch(over, beat)
        finally:
            self._resources = None

    def _watch(self, over: threading.Event, beat: Beat) -> None:
        version = ""
        wait = FIRST_SECONDS
        while not over.is_set():
            beat()
            try:
                if not version:
                    version = self._list()
                for told in self._cluster.watch(version):
                    if over.is_set():
                        break
                    beat()
                    wait = FIRST_SECONDS
                    if isinstance(told, str):
                        version = told
                    else:
                        self._take(told.kind, told.resource)
            except ApiError as error:
                version = ""
                if error.status == HTTPStatus.GONE:
                    continue  # it only lagged too far behind
                self._forget(_sentence(error))
                over.wait(wait * random.uniform(0.5, 1.0))  # noqa: S311 (so that not all come back at once)
                wait = min(2 * wait, LONGEST_SECONDS)

    def _list(self) -> str:
        found, version = self._cluster.list()
        self._resources = {resource.name: resource for resource in found}
        _log.info("%d MosaicRequests are in the cluster", len(found))
        self._listed()
        return version

    def _take(self, kind: str, resource: Resource) -> None:
        known = dict(self._resources or {})  # a copy, for others read it meanwhile
        if kind == "DELETED":
            known.pop(resource.name, None)
        else:
            known[resource.name] = resource
        self._resources = known
        self._changed(resource.name)

    def _forget(self, why: str) -> None:
        _log.warning("%s; trying again", why)
        self._resources = None
        self._lost(why)


def _sentence(error: ApiError) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        return "the cluster does not know MosaicRequests: their definition, or the namespace, is not there"
    if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"the cluster does not let this program list MosaicRequests: {error}"
    return str(error)
