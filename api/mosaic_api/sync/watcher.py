"""The MosaicRequests of the cluster: listed, updated by a watch, and listed again after an error."""

import logging
import random
import threading
from collections.abc import Callable
from http import HTTPStatus

from mosaic_api.background.loops import Beat
from mosaic_api.kube.client import ApiError, Cluster
from mosaic_api.kube.resource import Resource

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 30.0
"""Between retries."""
_log = logging.getLogger(__name__)


class Watcher:
    """A cache of the API server's MosaicRequests, which lags behind a little."""

    def __init__(
        self,
        cluster: Cluster,
        changed: Callable[[str], None],
        listed: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        """Does not connect yet.

        `changed` is called with the name of each changed request, `listed` when all requests are known (at first and
        after each interruption), and `lost` with the reason of an interruption.
        """
        self._cluster = cluster
        self._changed, self._listed, self._lost = changed, listed, lost
        self._resources: dict[str, Resource] | None = None

    @property
    def resources(self) -> dict[str, Resource] | None:
        """The requests by name; None while they are unknown. Read-only."""
        return self._resources

    def run(self, over: threading.Event, beat: Beat) -> None:
        """Watch until `over` is set."""
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
                for event in self._cluster.watch(version):
                    if over.is_set():
                        break
                    beat()
                    wait = FIRST_SECONDS
                    if isinstance(event, str):
                        version = event
                    else:
                        self._apply(event.kind, event.resource)
            except ApiError as error:
                version = ""
                if error.status == HTTPStatus.GONE:
                    continue  # the watch only lagged too far behind
                self._forget(error.explanation)
                over.wait(wait * random.uniform(0.5, 1.0))  # noqa: S311 (so that not all replicas retry together)
                wait = min(2 * wait, LONGEST_SECONDS)

    def _list(self) -> str:
        found, version = self._cluster.list()
        self._resources = {resource.name: resource for resource in found}
        _log.info("%d MosaicRequests are in the cluster", len(found))
        self._listed()
        return version

    def _apply(self, kind: str, resource: Resource) -> None:
        known = dict(self._resources or {})  # a copy, because other threads read it
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
