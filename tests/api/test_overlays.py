"""The research system's table: its clients insert rows and read results in the columns that they know."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.background.loops import Loops
from mosaic_api.database import Audit, Database, Request
from mosaic_api.executor.executor import Executor
from mosaic_api.overlays import service as overlays
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_crds.names import API_VERSION
from mosaic_crds.validation import load_request
from mosaic_worker.geometry.projection import crs_of
from rasterio.warp import transform
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from support.api.executors import until

GOOD = {
    "created": datetime(2024, 8, 1, 12, 30),
    "creator": "Old Client",
    "data_description": "NDVI of Victoria",
    "data_name": "victoria",
    "file_path": None,
    "ul_lat": 48.6, "ul_lng": -123.6, "lr_lat": 48.3, "lr_lng": -123.2,
    "resolution": 10,
    "is_earth_daily": True, "vector": False, "is_point_entry": False,
}  # fmt: skip
LEFT, BOTTOM, RIGHT, TOP = -13759010.0, 6155000.0, -13714200.0, 6205300.0
ITEM = {"assets": {"picture": {"href": "./mosaic.png", "proj:bbox": [LEFT, BOTTOM, RIGHT, TOP]}}}
PNG = "abfss://maps@arbutus.dfs.core.windows.net/mosaics/mosaics/default/overlay-1/u/mosaic.png"


class Legacy:
    """The table as clients of the research system see it, with its requests and audit records."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database

    def insert(self, **changes: Any) -> int:
        values = GOOD | changes
        names = ", ".join(values)
        with self.database.transaction() as session:
            marks = ", ".join(f":{name}" for name in values)
            statement = text(f"INSERT INTO overlays ({names}) VALUES ({marks}) RETURNING overlay_id")
            return int(session.scalar(statement, values))

    def update(self, overlay_id: int, **changes: Any) -> None:
        with self.database.transaction() as session:
            changed = ", ".join(f"{name} = :{name}" for name in changes)
            session.execute(text(f"UPDATE overlays SET {changed} WHERE overlay_id = :id"), changes | {"id": overlay_id})

    def row(self, overlay_id: int) -> dict[str, Any]:
        with self.database.transaction() as session:
            found = session.execute(text("SELECT * FROM overlays WHERE overlay_id = :id"), {"id": overlay_id})
            return dict(found.mappings().one())

    def serve(self) -> None:
        overlays.serve(self.settings, self.database)

    def requests(self, overlay_id: int | None = None) -> list[Request]:
        wanted = [Request.removed.is_(None)] + ([] if overlay_id is None else [Request.overlay_id == overlay_id])
        with self.database.transaction() as session:
            return list(session.scalars(select(Request).where(*wanted)))

    def request(self, overlay_id: int) -> Request:
        (found,) = self.requests(overlay_id)
        return found

    def end(self, overlay_id: int, status: dict[str, Any], item: dict[str, Any] | None = None) -> None:
        """Write the final status of a request, as an executor or the cluster does."""
        with self.database.transaction() as session:
            request = session.scalars(select(Request).where(Request.overlay_id == overlay_id)).one()
            crud.set_status(request, status)
            request.item = item

    def publish(self, overlay_id: int, png: str = PNG) -> None:
        self.end(overlay_id, {"phase": "Succeeded", "result": {"png": png}}, ITEM)

    def audited(self, overlay_id: int) -> list[tuple[str, str]]:
        wanted = select(Audit.action, Audit.details["message"].astext).where(Audit.subject == f"overlay/{overlay_id}")
        with self.database.transaction() as session:
            return [(action, message or "") for action, message in session.execute(wanted.order_by(Audit.id))]


@pytest.fixture
def legacy(settings: Settings, database: Database) -> Legacy:
    return Legacy(settings, database)


def test_a_row_becomes_a_shared_request(legacy: Legacy):
    overlay = legacy.insert()
    legacy.serve()
    request = legacy.request(overlay)
    assert (request.name, request.origin, request.shared) == (f"overlay-{overlay}", "overlays", True)
    assert (request.owner_id, request.phase) == (None, "Pending")
    manifest = load_request(
        {"apiVersion": API_VERSION, "kind": "MosaicRequest", "metadata": {"name": request.name}, "spec": request.spec}
    ).spec
    assert manifest.area.bbox == [-123.6, 48.3, -123.2, 48.6]
    assert (manifest.product.index, manifest.composite.method) == ("NDVI", "latest")
    assert (manifest.grid.crs, manifest.grid.resolution) == ("utm", 10)
    assert manifest.source.earth_daily.collection == "ai-ready-mosaics"
    assert manifest.source.earth_daily.datetime == "2023-08-02T12:30:00Z/2024-08-01T12:30:00Z"


def test_concurrent_processes_create_one_request_for_each_row(legacy: Legacy):
    ids = [legacy.insert(data_name=f"n{number}") for number in range(10)]
    threads = [threading.Thread(target=legacy.serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    legacy.serve()
    assert sorted(request.overlay_id for request in legacy.requests()) == ids


@pytest.mark.parametrize("changes", [{"is_earth_daily": False}, {"is_earth_daily": None}, {"file_path": "a.tif"}])
def test_ignores_other_rows(legacy: Legacy, changes: dict[str, Any]):
    other = legacy.insert(**changes)
    before = legacy.row(other)
    legacy.serve()
    assert legacy.requests() == []
    assert legacy.row(other) == before


def test_fills_in_the_path_and_corners_of_a_published_picture_once(legacy: Legacy):
    overlay = legacy.insert()
    before = legacy.row(overlay)
    legacy.serve()
    assert legacy.row(overlay) == before
    legacy.publish(overlay)
    legacy.serve()
    filled = legacy.row(overlay)
    assert filled["file_path"] == PNG
    (west, east), (north, south) = transform(crs_of("EPSG:3857"), crs_of("EPSG:4326"), [LEFT, RIGHT], [TOP, BOTTOM])
    assert (filled["ul_lng"], filled["ul_lat"]) == pytest.approx((west, north), abs=1e-9)
    assert (filled["lr_lng"], filled["lr_lat"]) == pytest.approx((east, south), abs=1e-9)
    untouched = before.keys() - {"file_path", "ul_lat", "ul_lng", "lr_lat", "lr_lng"}
    assert {name: filled[name] for name in untouched} == {name: before[name] for name in untouched}
    legacy.update(overlay, file_path="moved by a client")
    legacy.serve()
    assert legacy.row(overlay)["file_path"] == "moved by a client"
    assert legacy.audited(overlay) == [("serve", "")]


def test_fills_in_nothing_before_the_item_is_known(legacy: Legacy):
    overlay = legacy.insert()
    legacy.serve()
    legacy.end(overlay, {"phase": "Succeeded", "result": {"png": PNG}})
    legacy.serve()
    assert legacy.row(overlay)["file_path"] is None
    legacy.publish(overlay)
    legacy.serve()
    assert legacy.row(overlay)["file_path"] == PNG


def test_normalizes_corners_beyond_the_antimeridian(legacy: Legacy):
    half = 20037508.342789244
    item = {"assets": {"picture": {"proj:bbox": [half - 1000.0, 0.0, half + 1000.0, 1000.0]}}}
    corners = overlays.corners_of(item)
    assert corners["ul_lng"] == pytest.approx(179.991, abs=1e-3)
    assert corners["lr_lng"] == pytest.approx(-179.991, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ul_lat": 48.3, "lr_lat": 48.6}, "ul_lat 48.3"),
        ({"ul_lng": -123.2, "lr_lng": -123.6}, "ul_lng -123.2"),
        ({"lr_lng": -123.6}, "is not west"),
        ({"ul_lat": None}, "ul_lat is missing"),
        ({"lr_lng": None}, "lr_lng is missing"),
        ({"ul_lat": 148.6}, "ul_lat is 148.6"),
        ({"ul_lng": float("nan")}, "ul_lng is nan"),
        ({"lr_lat": float("-inf")}, "lr_lat is -inf"),
        ({"resolution": None}, "resolution is None"),
        ({"resolution": 0}, "resolution is 0"),
        ({"resolution": -10}, "resolution is -10"),
        ({"resolution": 2_000_000_000}, "resolution is 2000000000 m"),
        ({"ul_lat": 80, "ul_lng": -179, "lr_lng": 0, "lr_lat": -80}, "pixels; 2,500,000,000 are allowed"),
    ],
)
def test_reports_an_invalid_row_once_and_keeps_it(legacy: Legacy, changes: dict[str, Any], reason: str):
    overlay = legacy.insert(**changes)
    before = {name: str(value) for name, value in legacy.row(overlay).items()}
    for _ in range(3):
        legacy.serve()
    request = legacy.request(overlay)
    assert request.phase == "Failed"
    assert reason in request.status["message"]
    assert f"row {overlay} of overlays" in request.status["message"]
    assert legacy.audited(overlay) == [("fail", request.status["message"])]
    assert {name: str(value) for name, value in legacy.row(overlay).items()} == before


@pytest.mark.parametrize(
    "created", ["0001-01-01", "4714-11-24 BC", "200000-01-01", "0044-03-15 BC", "infinity", "-infinity"]
)
def test_reports_an_invalid_time_and_serves_other_rows(legacy: Legacy, created: str):
    odd = legacy.insert(created=created)
    good = legacy.insert()
    for _ in range(2):
        legacy.serve()
    assert legacy.request(good).phase == "Pending"
    request = legacy.request(odd)
    assert request.phase == "Failed"
    assert "created is" in request.status["message"]
    assert f"row {odd} of overlays" in request.status["message"]
    legacy.update(odd, created="2024-08-01")
    legacy.serve()
    legacy.serve()
    assert [request.phase for request in legacy.requests(odd)] == ["Pending"]


@pytest.mark.parametrize("step", ["_create_request", "_remove_outdated_failure", "_record_end"])
def test_a_deleted_or_failing_row_does_not_stop_others(
    legacy: Legacy, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    overlay = [legacy.insert(resolution=0 if step == "_remove_outdated_failure" else 10) for _ in range(3)]
    if step != "_create_request":
        legacy.serve()
    if step == "_record_end":
        for each in overlay:
            legacy.publish(each)
    done, do = [], getattr(overlays, step)

    def delete_and_do(session: Session, overlay_id: int, **more: Any) -> None:
        if not done:
            with legacy.database.transaction() as other:
                other.execute(text("DELETE FROM overlays WHERE overlay_id = :id"), {"id": overlay_id})
        do(session, overlay_id, **more)
        done.append(overlay_id)
        if len(done) == 2:
            raise ValueError("something odd")

    monkeypatch.setattr(overlays, step, delete_and_do)
    legacy.serve()
    assert sorted(done) == overlay
    assert f"row {done[1]} of overlays cannot be served now" in caplog.text


def test_serves_a_row_across_the_antimeridian(legacy: Legacy):
    overlay = legacy.insert(ul_lng=179.9, lr_lng=-179.9, ul_lat=1, lr_lat=0.5)
    legacy.serve()
    assert legacy.request(overlay).spec["area"] == {"bbox": [179.9, 0.5, -179.9, 1.0]}


@pytest.mark.parametrize("created", [None, datetime(2024, 8, 1)])
def test_retries_an_invalid_row_when_it_is_corrected(legacy: Legacy, created: datetime | None):
    overlay = legacy.insert(created=created, resolution=0, ul_lat=None)
    legacy.serve()
    legacy.update(overlay, resolution=10)
    legacy.serve()
    assert "ul_lat is missing" in legacy.request(overlay).status["message"]
    legacy.update(overlay, ul_lat=48.6)
    legacy.serve()
    assert legacy.request(overlay).phase == "Pending"
    legacy.publish(overlay)
    legacy.serve()
    assert legacy.row(overlay)["file_path"] == PNG


def test_reports_a_failure_once_and_retries_it_after_its_removal(legacy: Legacy, settings: Settings):
    overlay = legacy.insert(created=None)
    legacy.serve()
    legacy.end(overlay, {"phase": "Failed", "message": "EarthDaily has no scene there"})
    for _ in range(3):
        legacy.serve()
    first = legacy.request(overlay)
    assert first.phase == "Failed"
    assert legacy.audited(overlay) == [("fail", "EarthDaily has no scene there")]
    with legacy.database.transaction() as session:
        crud.remove(session, principal_of(named_user(session, "eve", "admin")), first.id)
    legacy.serve()
    assert legacy.requests(overlay) == []  # until the first request is deleted completely
    with legacy.database.transaction() as session:
        session.delete(session.get_one(Request, first.id))
    legacy.serve()
    assert legacy.request(overlay).phase == "Pending"


def test_reports_a_path_that_is_too_long_and_keeps_the_row(legacy: Legacy):
    overlay = legacy.insert()
    before = legacy.row(overlay)
    legacy.serve()
    legacy.publish(overlay, "file:///" + "x" * 250)
    legacy.serve()
    ((action, message),) = legacy.audited(overlay)
    assert (action, "has 255 characters" in message) == ("fail", True)
    assert legacy.row(overlay) == before


def test_does_not_reuse_the_name_of_another_request(legacy: Legacy):
    overlay = legacy.insert(file_path="not yet")
    with legacy.database.transaction() as session:
        name = f"overlay-{overlay}"
        session.add(Request(id=uuid.uuid4(), namespace="default", name=name, spec={}, status={}))
    legacy.update(overlay, file_path=None)
    legacy.serve()
    assert legacy.request(overlay).name.startswith(f"overlay-{overlay}-")


@pytest.fixture
def serving(legacy: Legacy) -> Iterator[Callable[[], None]]:
    """Start a process that serves the table."""
    stop, processes = threading.Event(), []

    def start() -> None:
        loops = Loops()
        processes.append(loops)
        overlays.keep_served(legacy.settings, legacy.database, loops, stop)

    yield start
    stop.set()
    legacy.insert(is_earth_daily=False)  # this notification ends the loops' wait
    until(lambda: not any(loops.all() for loops in processes))


def test_serves_changes_immediately(legacy: Legacy, serving: Callable[[], None]):
    serving()
    serving()
    started = time.monotonic()
    for _ in range(3):
        overlay = legacy.insert()
        while not legacy.requests(overlay):
            assert time.monotonic() - started < 20
        legacy.publish(overlay)
        while legacy.row(overlay)["file_path"] is None:
            assert time.monotonic() - started < 20, "not only at the next full pass"


def test_the_executor_serves_the_table_without_a_cluster(legacy: Legacy):
    executor = Executor(legacy.settings, legacy.database)
    work = threading.Thread(target=executor.run)
    work.start()
    try:
        overlay = legacy.insert()
        deadline = time.monotonic() + 60
        while not legacy.audited(overlay):
            assert time.monotonic() < deadline, legacy.requests()
            time.sleep(0.1)
    finally:
        executor.stop()
        work.join(30)
    ((action, message),) = legacy.audited(overlay)
    assert (action, message) == ("fail", legacy.request(overlay).status["message"])
    assert "EDS_CLIENT_ID" in message or "allowed" in message  # no account is configured here
    assert legacy.row(overlay)["file_path"] is None
