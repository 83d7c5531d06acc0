"""Serves the research system's table `overlays` as before: clients insert a row, and read the path of the picture.

A row with `is_earth_daily` and without `file_path` requests the NDVI between its corners, from EarthDaily's mosaics,
with pixels of `resolution` metres: the newest value of each pixel within the year before `created`. It becomes a
request that all users see. When its mosaic is published, `file_path` and the picture's corners are filled in, once.

An invalid row becomes a failed request with the reason, and does not change. It is tried again when it is corrected, or
when the failed request is deleted. Other rows are not touched.
"""

import logging
import math
import secrets
import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from mosaic_crds.errors import PassingError
from mosaic_crds.files import PNG
from mosaic_crds.lifecycle import TERMINAL, Phase, StatusWriter
from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    exists,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import audit
from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Audit, Database, Request
from mosaic_api.database.models import now
from mosaic_api.overlays.spec import EARTH_RADIUS, FIRST, LAST, OverlaySpec
from mosaic_api.requests import crud
from mosaic_api.settings import Settings

OVERLAYS = Table(
    "overlays",
    MetaData(),
    Column("overlay_id", Integer, primary_key=True),
    Column("created", TIMESTAMP),
    Column("file_path", String(255)),
    Column("ul_lat", Double),
    Column("ul_lng", Double),
    Column("lr_lat", Double),
    Column("lr_lng", Double),
    Column("resolution", Integer),
    Column("is_earth_daily", Boolean),
)
"""The columns that are used here; a migration creates the table if it is missing."""
LONGEST_PATH = 255
HEAR_SECONDS = 30.0
PAUSE_SECONDS = 0.5
"""Between two rounds: the changes of busy minutes share one."""
LONGEST_ROUND_SECONDS = 600.0
_log = logging.getLogger(__name__)


def keep_served(settings: Settings, database: Database, loops: Loops, stop: threading.Event) -> None:
    """Start a loop that serves the table soon after it or a request changes; several processes may do this."""

    def work(beat: Beat) -> None:
        for changes in database.watch(HEAR_SECONDS, stop, beat):
            if not changes or any(change.startswith(("overlays ", "requests ")) for change in changes):
                serve(settings, database)
                stop.wait(PAUSE_SECONDS)

    loops.start("overlays", work, stop, silence=LONGEST_ROUND_SECONDS)


def serve(settings: Settings, database: Database) -> None:
    """Process the table once, each row in its own transaction."""
    unserved = select(OVERLAYS.c.overlay_id).where(_is_requested(), ~_has_request())
    _each(database, _failures(), partial(_remove_outdated_failure, settings=settings))
    _each(database, unserved, partial(_create_request, settings=settings))
    _each(database, _ends(), _record_end)


def _each(database: Database, rows: Select[Any], do: Callable[[Session, int], None]) -> None:
    """Process each row in a transaction of its own; log errors and continue with the other rows."""
    with database.transaction() as session:
        found = session.scalars(rows).all()
    for overlay_id in found:
        try:
            with database.transaction() as session:
                do(session, overlay_id)
        except PassingError:
            raise
        except Exception:
            _log.exception("row %d of overlays cannot be served now; trying again", overlay_id)


def corners_of(item: dict[str, Any]) -> dict[str, float]:
    """The corners of a mosaic's picture in degrees, by column."""
    left, bottom, right, top = item["assets"][PNG.asset]["proj:bbox"]
    (ul_lng, ul_lat), (lr_lng, lr_lat) = _degrees(left, top), _degrees(right, bottom)
    return {"ul_lat": ul_lat, "ul_lng": ul_lng, "lr_lat": lr_lat, "lr_lng": lr_lng}


def _row(session: Session, overlay_id: int) -> "Row[Any] | None":
    """A row; `created` as text, because PostgreSQL allows times that Python does not, and `time` if Python does."""
    created = OVERLAYS.c.created
    columns = [column for column in OVERLAYS.c if column is not created]
    time = case((and_(created >= FIRST, created < LAST), created)).label("time")
    wanted: list[Any] = [*columns, cast(created, String).label("created"), time]
    return session.execute(select(*wanted).where(OVERLAYS.c.overlay_id == overlay_id)).one_or_none()


def _create_request(session: Session, overlay_id: int, *, settings: Settings) -> None:
    """Create the request of a row, unless another process has done so or the row is deleted."""
    row = _row(session, overlay_id)
    if row is None:
        return
    noticed = now()
    wanted = OverlaySpec.by(row, noticed, settings.max_pixels)
    name = f"overlay-{row.overlay_id}"
    if session.scalar(select(exists().where(Request.name == name, Request.removed.is_(None), Request.gone.is_(None)))):
        name += f"-{secrets.token_hex(3)}"  # another request has the name
    request = Request(
        id=uuid.uuid4(),
        namespace=settings.namespace,
        name=name,
        origin="overlays",
        shared=True,
        created=noticed,
        spec=wanted.spec,
        status={"phase": Phase.PENDING},
        overlay_id=row.overlay_id,
    )
    if wanted.wrong:
        writer = StatusWriter(request.status, noticed)
        writer.reject(wanted.wrong)
        crud.set_status(request, writer.status)
    try:
        with session.begin_nested():
            session.add(request)
    except IntegrityError:
        return
    audit(session, None, "create", f"request/{request.id}", name=request.name, overlay=row.overlay_id)


def _failures() -> Select[Any]:
    """Requested rows whose requests have failed."""
    return (
        select(OVERLAYS.c.overlay_id)
        .join(Request, Request.overlay_id == OVERLAYS.c.overlay_id)
        .where(Request.phase == Phase.FAILED, Request.removed.is_(None), _is_requested())
    )


def _remove_outdated_failure(session: Session, overlay_id: int, *, settings: Settings) -> None:
    """Delete a failed request whose row has changed since, so that the row gets a new one."""
    request = session.scalar(
        select(Request)
        .where(Request.overlay_id == overlay_id, Request.phase == Phase.FAILED, Request.removed.is_(None))
        .with_for_update(of=Request, skip_locked=True)
    )
    row = _row(session, overlay_id)
    if request is None or row is None:
        return
    wanted = OverlaySpec.by(row, request.created, settings.max_pixels)
    if wanted.spec == request.spec and wanted.wrong in {"", request.status.get("message")}:
        return
    audit(session, None, "remove", f"request/{request.id}", name=request.name, overlay=request.overlay_id)
    request.removed, request.overlay_id = now(), None


def _ends() -> Select[Any]:
    """The rows whose requests have ended, before that is recorded."""
    subject = literal("overlay/") + cast(Request.overlay_id, String)
    recorded = exists().where(Audit.subject == subject, Audit.details["mosaic"].astext == cast(Request.id, String))
    ended = or_(Request.phase != Phase.SUCCEEDED, Request.item.is_not(None))
    return (
        select(Request.overlay_id)
        .join(OVERLAYS, Request.overlay_id == OVERLAYS.c.overlay_id)
        .where(_is_requested(), Request.phase.in_(TERMINAL), ended, ~recorded)
    )


def _record_end(session: Session, overlay_id: int) -> None:
    """Fill in a row whose mosaic is published, or record why that fails; once."""
    locked = _ends().with_only_columns(Request).where(Request.overlay_id == overlay_id)
    request = session.scalar(locked.with_for_update(of=Request, skip_locked=True))
    if request is None:
        return
    what = {"mosaic": str(request.id), "name": request.name}
    trouble = _fill_in(session, request)
    if trouble:
        _log.warning("row %d of overlays is not served: %s", request.overlay_id, trouble)
        audit(session, None, "fail", f"overlay/{request.overlay_id}", message=trouble, **what)
    else:
        audit(session, None, "serve", f"overlay/{request.overlay_id}", **what)


def _fill_in(session: Session, request: Request) -> str:
    """Write the path and corners of the picture into a row; return the reason if that is not possible."""
    if request.phase != Phase.SUCCEEDED or request.item is None:
        return str(request.status.get("message") or request.phase)
    path = request.status.get("result", {}).get("png")
    if path is None or PNG.asset not in request.item["assets"]:
        return "the mosaic has no picture"
    if len(path) > LONGEST_PATH:
        return f"the column file_path has {LONGEST_PATH} characters, too few for the picture's path {path}"
    session.execute(
        update(OVERLAYS)
        .where(OVERLAYS.c.overlay_id == request.overlay_id, OVERLAYS.c.file_path.is_(None))
        .values(file_path=path, **corners_of(request.item))
    )
    return ""


def _is_requested() -> Any:
    return and_(OVERLAYS.c.is_earth_daily, OVERLAYS.c.file_path.is_(None))


def _has_request() -> Any:
    return exists().where(Request.overlay_id == OVERLAYS.c.overlay_id)


def _degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point in EPSG:3857, whose x may exceed the antimeridian."""
    longitude = math.degrees(x / EARTH_RADIUS)
    if not -180 <= longitude <= 180:
        longitude = (longitude + 180) % 360 - 180
    return longitude, math.degrees(math.atan(math.sinh(y / EARTH_RADIUS)))
