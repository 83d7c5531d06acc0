"""/areas: the area of a request from a vector file, which is not stored."""

import threading
from functools import partial
from typing import Any

import anyio
from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile

from mosaic_api.auth.identity import Principal
from mosaic_api.context import Context, ContextDep
from mosaic_api.datasets.reader.formats import VECTORS_TAKEN
from mosaic_api.datasets.reader.job import Outcome
from mosaic_api.datasets.storage import Content, Sender
from mosaic_api.datasets.uploads import announced, cancelled_with, received_file
from mosaic_api.dependencies import CurrentPrincipal
from mosaic_api.web.openapi import file_in_form
from mosaic_api.web.problems import Invalid
from mosaic_api.web.schemas import ApiModel

router = APIRouter(prefix="/areas", tags=["planning"])

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": file_in_form(VECTORS_TAKEN),
                    "required": ["file"],
                    "additionalProperties": False,
                }
            }
        },
    }
}


class FileArea(ApiModel):
    """The polygons of a file as one area."""

    geometry: dict[str, Any]
    """A GeoJSON Polygon or MultiPolygon in degrees, for `spec.area.geometry`."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    features: int
    """The number of features with polygons."""
    left_out: int
    """Features without polygons, such as points and lines."""


@router.post("", openapi_extra=BODY)
async def read_area(request: Request, principal: CurrentPrincipal, context: ContextDep) -> FileArea:
    """Read the polygons of a vector file, in any CRS, as the area of a request."""
    principal.require("editor")
    size = announced(request, context.settings.max_upload_bytes)
    cancelled = threading.Event()
    with context.uploads.slot(principal.user_id), context.scratch.reserved(size) as written:
        async with received_file(request, context.settings.max_upload_bytes, size) as file:
            written()
            read = partial(area_of, context, principal, file, cancelled)
            with cancelled_with(request, cancelled):
                found = await anyio.to_thread.run_sync(read, limiter=context.working)
    return FileArea(
        geometry=found.footprint,
        bounds=found.box,
        features=found.details["features"],
        left_out=found.details["leftOut"],
    )


def area_of(context: Context, principal: Principal, file: UploadFile, cancelled: threading.Event) -> Outcome:
    """The area of an uploaded file.

    Raises:
        Invalid: it is not a vector file with polygons.
        Cancelled: the caller does not wait any more.
        NoRoom: the disk is full.
    """
    with context.storage.on_disk(Content(file.file, file.filename or "file")) as original:
        if original.format.kind != "vector":
            raise Invalid(f"file: a {original.format.name} has no polygons; use {VECTORS_TAKEN}", "file")
        return context.storage.read_area(original, Sender(principal.user_id, None, cancelled))
