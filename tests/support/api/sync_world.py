"""An installation with its namespace in a real API server, and the actions of users and the operator."""

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.background.loops import Loops
from mosaic_api.database import Database, Request
from mosaic_api.kube.client import Cluster
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_api.sync import run_sync
from mosaic_api.sync.metrics import SyncMetrics
from mosaic_crds.names import result_key
from mosaic_worker.store import Store, open_store
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from support.api.kube_server import KubeServer, until

SPEC = {
    "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
    "source": {"stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}},
    "product": {"index": "NDVI"},
}
RUNNING = {"phase": "Running", "message": "1 of 2 ranges done", "startTime": "2026-01-01T10:00:00Z"}
RESULT = {
    "item": "file:///store/mosaic.json",
    "bounds": [-123.6, 48.3, -123.2, 48.6],
    "statistics": {"validPercent": 99.5, "outOfRange": 0},
    "pixels": 100,
}
DONE = RUNNING | {"phase": "Succeeded", "completionTime": "2026-01-01T10:05:00Z", "result": RESULT}
ITEM = {
    "type": "Feature",
    "bbox": [-123.6, 48.3, -123.2, 48.6],
    "properties": {"mosaic:out_of_range": 0},
    "assets": {
        "mosaic": {
            "href": "./mosaic.tif",
            "proj:shape": [10, 10],
            "bands": [{"statistics": {"minimum": 0.1, "maximum": 0.9, "mean": 0.5, "valid_percent": 99.5}}],
        }
    },
}


class World:
    """An installation with a namespace, a database and a store, and the actions of users and the operator."""

    def __init__(self, kube: KubeServer, database: Database, settings: Settings) -> None:
        self.kube, self.database, self.settings = kube, database, settings
        self.namespace = settings.namespace
        self.store: Store = open_store(settings.store)
        self._stops: list[tuple[threading.Event, threading.Thread, Database]] = []

    # -- replicas

    def start(self) -> None:
        """Start one more process of the API."""
        stop, own = threading.Event(), Database(self.settings.database)
        cluster = Cluster(self.kube.configuration, self.namespace)
        thread = threading.Thread(
            target=run_sync,
            args=(self.settings, own, self.store, cluster, stop, SyncMetrics(CollectorRegistry()), Loops()),
        )
        thread.start()
        self._stops.append((stop, thread, own))

    def stop(self) -> None:
        """Stop all processes of the API."""
        for stop, _, _ in self._stops:
            stop.set()
        for _, thread, own in self._stops:
            thread.join(60)
            assert not thread.is_alive()
            own.close()
        self._stops.clear()

    # -- rows

    def submit(self, name: str, **changes: Any) -> uuid.UUID:
        with self.database.transaction() as session:
            ann = principal_of(named_user(session, "ann"))
            return crud.create(session, self.settings, ann, name, SPEC | changes).id

    def mark(self, request_id: uuid.UUID, what: str) -> None:
        with self.database.transaction() as session:
            ann = principal_of(named_user(session, "ann"))
            {"cancel": crud.cancel, "remove": crud.remove}[what](session, ann, request_id)

    def row(self, request_id: uuid.UUID) -> Request | None:
        with self.database.transaction() as session:
            return session.get(Request, request_id)

    def rows(self, name: str | None = None) -> list[Request]:
        wanted = [Request.namespace == self.namespace, *([] if name is None else [Request.name == name])]
        with self.database.transaction() as session:
            return list(session.scalars(select(Request).where(*wanted).order_by(Request.created)))

    def wait_for(self, request_id: uuid.UUID, what: Callable[[Request], Any], seconds: float = 30) -> Request:
        """Wait until a row meets a condition; return it."""

        def matching() -> Request | None:
            row = self.row(request_id)
            assert row is not None, "the row is gone"
            return row if what(row) else None

        try:
            return until(matching, "the row is as it should be", seconds)
        except AssertionError as error:
            row = self.row(request_id)
            raise AssertionError(f"{error}; it is {row and (row.phase, row.status, row.uid, row.gone)}") from None

    def wait_for_row_of(self, name: str) -> Request:
        return until(lambda: next(iter(self.rows(name)), None), f"{name} has a row")

    def gone(self, request_id: uuid.UUID) -> None:
        until(lambda: self.row(request_id) is None, "the row is gone")

    # -- the cluster

    def requested(self, name: str) -> Any:
        return until(lambda: self.kube.request(self.namespace, name), f"{name} is in the cluster")

    def set_status(self, name: str, status: dict[str, Any]) -> None:
        self.kube.set_status(self.namespace, name, status)

    def publish(self, name: str, uid: str) -> None:
        """Write the files of a result, the Item last."""
        self.store.create(result_key(self.namespace, name, uid, "mosaic.tif"), [b"tif"])
        self.store.create(result_key(self.namespace, name, uid, "mosaic.json"), [json.dumps(ITEM).encode()])

    def files(self) -> list[str]:
        return sorted(stored.key for stored in self.store.list("mosaics/"))
