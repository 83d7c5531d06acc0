"""The research system's table: what its clients insert is served, and what they read is as they knew it."""

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
    """The table, as a client of the research system sees it, and what became of its rows."""

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
        """What whoever works on the mosaic tells at its end."""
        with self.database.transaction() as session:
            request = session.scalars(select(Request).where(Request.overlay_id == overlay_id)).one()
            crud.set_status(request, status)
            request.item = item

    def publish(self, overlay_id: int, png: str = PNG) -> None:
        self.end(overlay_id, {"phase": "Succeeded", "result": {"png": png}}, ITEM)

    def told(self, overlay_id: int) -> list[tuple[str, str]]:
        wanted = select(Audit.action, Audit.details["message"].astext).where(Audit.subject == f"overlay/{overlay_id}")
        with self.database.transaction() as session:
            return [(action, message or "") for action, message in session.execute(wanted.order_by(Audit.id))]


@pytest.fixture
def legacy(settings: Settings, database: Database) -> Legacy:
    return Legacy(settings, database)


def test_a_row_that_asks_becomes_a_mosaic_that_everybody_sees(legacy: Legacy):
    asked = legacy.insert()
    legacy.serve()
    request = legacy.request(asked)
    assert (request.name, request.origin, request.shared) == (f"overlay-{asked}", "overlays", True)
    assert (request.owner_id, request.phase) == (None, "Pending")
    manifest = load_request(
        {"apiVersion": API_VERSION, "kind": "MosaicRequest", "metadata": {"name": request.name}, "spec": request.spec}
    ).spec
    assert manifest.area.bbox == [-123.6, 48.3, -123.2, 48.6]
    assert (manifest.product.index, manifest.composite.method) == ("NDVI", "latest")
    assert (manifest.grid.crs, manifest.grid.resolution) == ("utm", 10)
    assert manifest.source.earth_daily.collection == "ai-ready-mosaics"
    assert manifest.source.earth_daily.datetime == "2023-08-02T12:30:00Z/2024-08-01T12:30:00Z"


def test_it_is_taken_in_once_by_however_many(legacy: Legacy):
    ids = [legacy.insert(data_name=f"n{number}") for number in range(10)]
    threads = [threading.Thread(target=legacy.serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    legacy.serve()
    assert sorted(request.overlay_id for request in legacy.requests()) == ids


@pytest.mark.parametrize("changes", [{"is_earth_daily": False}, {"is_earth_daily": None}, {"file_path": "a.tif"}])
def test_other_rows_are_left_alone(legacy: Legacy, changes: dict[str, Any]):
    other = legacy.insert(**changes)
    before = legacy.row(other)
    legacy.serve()
    assert legacy.requests() == []
    assert legacy.row(other) == before


def test_a_published_mosaic_is_filled_in_with_the_pictures_true_corners_once(legacy: Legacy):
    asked = legacy.insert()
    before = legacy.row(asked)
    legacy.serve()
    assert legacy.row(asked) == before
    legacy.publish(asked)
    legacy.serve()
    filled = legacy.row(asked)
    assert filled["file_path"] == PNG
    (west, east), (north, south) = transform(crs_of("EPSG:3857"), crs_of("EPSG:4326"), [LEFT, RIGHT], [TOP, BOTTOM])
    assert (filled["ul_lng"], filled["ul_lat"]) == pytest.approx((west, north), abs=1e-9)
    assert (filled["lr_lng"], filled["lr_lat"]) == pytest.approx((east, south), abs=1e-9)
    untouched = before.keys() - {"file_path", "ul_lat", "ul_lng", "lr_lat", "lr_lng"}
    assert {name: filled[name] for name in untouched} == {name: before[name] for name in untouched}
    legacy.update(asked, file_path="moved by a client")
    legacy.serve()
    assert legacy.row(asked)["file_path"] == "moved by a client"
    assert legacy.told(asked) == [("serve", "")]


def test_it_is_not_filled_in_before_the_item_is_known(legacy: Legacy):
    asked = legacy.insert()
    legacy.serve()
    legacy.end(asked, {"phase": "Succeeded", "result": {"png": PNG}})
    legacy.serve()
    assert legacy.row(asked)["file_path"] is None
    legacy.publish(asked)
    legacy.serve()
    assert legacy.row(asked)["file_path"] == PNG


def test_corners_beyond_the_antimeridian_are_degrees_again(legacy: Legacy):
    half = 20037508.342789244
    item = {"assets": {"picture": {"proj:bbox": [half - 1000.0, 0.0, half + 1000.0, 1000.0]}}}
    corners = overlays.corners_of(item)
    assert corners["ul_lng"] == pytest.approx(179.991, abs=1e-3)
    assert corners["lr_lng"] == pytest.approx(-179.991, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
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
def test_a_bad_row_is_told_and_lost_by_nobody(legacy: Legacy, changes: dict[str, Any], sentence: str):
    asked = legacy.insert(**changes)
    before = {name: str(value) for name, value in legacy.row(asked).items()}
    for _ in range(3):
        legacy.serve()
    request = legacy.request(asked)
    assert request.phase == "Failed"
    assert sentence in request.status["message"]
    assert f"row {asked} of overlays" in request.status["message"]
    assert legacy.told(asked) == [("fail", request.status["message"])]
    assert {name: str(value) for name, value in legacy.row(asked).items()} == before


@pytest.mark.parametrize(
    "created", ["0001-01-01", "4714-11-24 BC", "200000-01-01", "0044-03-15 BC", "infinity", "-infinity"]
)
def test_a_time_that_cannot_be_is_told_and_other_rows_are_served(legacy: Legacy, created: str):
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
def test_a_row_that_is_deleted_or_broken_meanwhile_stops_no_other(
    legacy: Legacy, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    asked = [legacy.insert(resolution=0 if step == "_remove_outdated_failure" else 10) for _ in range(3)]
    if step != "_create_request":
        legacy.serve()
    if step == "_record_end":
        for each in asked:
            legacy.publish(each)
    done, do = [], getattr(overlays, step)

    def meanwhile(session: Session, overlay_id: int, **more: Any) -> None:
        if not done:
            with legacy.database.transaction() as other:
                other.execute(text("DELETE FROM overlays WHERE overlay_id = :id"), {"id": overlay_id})
        do(session, overlay_id, **more)
        done.append(overlay_id)
        if len(done) == 2:
            raise ValueError("something odd")

    monkeypatch.setattr(overlays, step, meanwhile)
    legacy.serve()
    assert sorted(done) == asked
    assert f"row {done[1]} of overlays cannot be served now" in caplog.text


def test_a_row_over_the_antimeridian_is_served(legacy: Legacy):
    asked = legacy.insert(ul_lng=179.9, lr_lng=-179.9, ul_lat=1, lr_lat=0.5)
    legacy.serve()
    assert legacy.request(asked).spec["area"] == {"bbox": [179.9, 0.5, -179.9, 1.0]}


@pytest.mark.parametrize("created", [None, datetime(2024, 8, 1)])
def test_a_bad_row_is_tried_again_when_it_is_corrected(legacy: Legacy, created: datetime | None):
    asked = legacy.insert(created=created, resolution=0, ul_lat=None)
    legacy.serve()
    legacy.update(asked, resolution=10)
    legacy.serve()
    assert "ul_lat is missing" in legacy.request(asked).status["message"]
    legacy.update(asked, ul_lat=48.6)
    legacy.serve()
    assert legacy.request(asked).phase == "Pending"
    legacy.publish(asked)
    legacy.serve()
    assert legacy.row(asked)["file_path"] == PNG


def test_a_failure_is_told_once_and_tried_again_when_it_is_removed(legacy: Legacy, settings: Settings):
    asked = legacy.insert(created=None)
    legacy.serve()
    legacy.end(asked, {"phase": "Failed", "message": "EarthDaily has no scene there"})
    for _ in range(3):
        legacy.serve()
    first = legacy.request(asked)
    assert first.phase == "Failed"
    assert legacy.told(asked) == [("fail", "EarthDaily has no scene there")]
    with legacy.database.transaction() as session:
        crud.remove(session, principal_of(named_user(session, "eve", "admin")), first.id)
    legacy.serve()
    assert legacy.requests(asked) == []  # until nothing is left of the first
    with legacy.database.transaction() as session:
        session.delete(session.get_one(Request, first.id))
    legacy.serve()
    assert legacy.request(asked).phase == "Pending"


def test_a_path_that_is_too_long_is_told_and_the_row_stays(legacy: Legacy):
    asked = legacy.insert()
    before = legacy.row(asked)
    legacy.serve()
    legacy.publish(asked, "file:///" + "x" * 250)
    legacy.serve()
    ((action, message),) = legacy.told(asked)
    assert (action, "has 255 characters" in message) == ("fail", True)
    assert legacy.row(asked) == before


def test_a_name_that_somebody_else_has_is_not_taken_away(legacy: Legacy):
    asked = legacy.insert(file_path="not yet")
    with legacy.database.transaction() as session:
        name = f"overlay-{asked}"
        session.add(Request(id=uuid.uuid4(), namespace="default", name=name, spec={}, status={}))
    legacy.update(asked, file_path=None)
    legacy.serve()
    assert legacy.request(asked).name.startswith(f"overlay-{asked}-")


@pytest.fixture
def serving(legacy: Legacy) -> Iterator[Callable[[], None]]:
    """Starts a process that serves the table."""
    stop, processes = threading.Event(), []

    def start() -> None:
        loops = Loops()
        processes.append(loops)
        overlays.keep_served(legacy.settings, legacy.database, loops, stop)

    yield start
    stop.set()
    legacy.insert(is_earth_daily=False)  # so that it is heard
    until(lambda: not any(loops.all() for loops in processes))


def test_it_is_heard_at_once(legacy: Legacy, serving: Callable[[], None]):
    serving()
    serving()
    begun = time.monotonic()
    for _ in range(3):
        asked = legacy.insert()
        while not legacy.requests(asked):
            assert time.monotonic() - begun < 20
        legacy.publish(asked)
        while legacy.row(asked)["file_path"] is None:
            assert time.monotonic() - begun < 20, "not only when all is looked at again"


def test_the_executor_serves_it_where_there_is_no_cluster(legacy: Legacy):
    executor = Executor(legacy.settings, legacy.database)
    work = threading.Thread(target=executor.run)
    work.start()
    try:
        asked = legacy.insert()
        deadline = time.monotonic() + 60
        while not legacy.told(asked):
            assert time.monotonic() < deadline, legacy.requests()
            time.sleep(0.1)
    finally:
        executor.stop()
        work.join(30)
    ((action, message),) = legacy.told(asked)
    assert (action, message) == ("fail", legacy.request(asked).status["message"])
    assert "EDS_CLIENT_ID" in message or "allowed" in message  # no account is set up here
    assert legacy.row(asked)["file_path"] is None
