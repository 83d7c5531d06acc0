"""/datasets: upload, find, show, share and delete datasets."""

import hashlib
import uuid
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from mosaic_crds.spec import Colormap
from pydantic import BaseModel

from mosaic_api.auth.identity import Principal
from mosaic_api.central import outbox
from mosaic_api.context import Context, ContextDep
from mosaic_api.database import Dataset
from mosaic_api.datasets import crud, rendering, schemas
from mosaic_api.datasets.boxes import HALF, TURN, Box, box_around
from mosaic_api.datasets.input_schemas import LARGEST, DatasetCreate, DatasetPatch
from mosaic_api.datasets.reader.formats import FORMATS, GEOJSON, IMAGES_TAKEN, VECTORS_TAKEN
from mosaic_api.datasets.service import DatasetService
from mosaic_api.datasets.storage import Content
from mosaic_api.datasets.uploads import announced, cancelled_with, received
from mosaic_api.dependencies import CurrentPrincipal
from mosaic_api.results.schemas import BandValue, PointValues
from mosaic_api.results.tiles import MOST_ZOOM, TileAddress
from mosaic_api.web.body_limit import MOST_BODY_BYTES
from mosaic_api.web.files import Read, Sent, known, send
from mosaic_api.web.openapi import files_of
from mosaic_api.web.problems import Invalid, NotFound
from mosaic_api.web.schemas import NO_NUL

router = APIRouter(prefix="/datasets", tags=["datasets"])

FOR_NOW = "private, no-cache"
A_WHILE = "private, max-age=300"
"""For tiles: an image may be shared no longer, or moved."""
PNG = "image/png"
NUMBER = r"[-+]?\d{1,4}(?:\.\d{0,15})?"
BBOX = rf"^{NUMBER},{NUMBER},{NUMBER},{NUMBER}$"
Value = Annotated[float, Query(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


def dataset_service(context: ContextDep) -> DatasetService:
    """What makes datasets here."""
    return DatasetService(context.settings, context.database, context.storage)


DatasetServiceDep = Annotated[DatasetService, Depends(dataset_service)]


def file_in_form(taken: str) -> dict[str, Any]:
    """How the file of a form is described, by the formats that are taken."""
    return {"file": {"type": "string", "contentMediaType": "application/octet-stream", "description": taken}}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """How a body is described that is a form with a file, or JSON without one."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    form = schema | {"properties": schema["properties"] | file_in_form(f"{IMAGES_TAKEN}, {VECTORS_TAKEN}")}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, "application/json": {"schema": schema}},
        }
    }


def box_of(text: str | None) -> Box | None:
    """The box that `bbox` tells; longitudes may lie beyond 180 degrees, as those of a map's view do.

    Raises:
        Invalid: it is no box.
    """
    if text is None:
        return None
    west, south, east, north = map(float, text.split(","))
    if not -90 <= south <= north <= 90:
        raise Invalid(
            "bbox: west,south,east,north is meant, with south not above north, and within ±90 degrees", "bbox"
        )
    if west > east:
        if min(west, east) < -HALF or max(west, east) > HALF:
            raise Invalid("bbox: west > east crosses the antimeridian, and both are within ±180 degrees then", "bbox")
        east += TURN
    return box_around(west, south, east, north)


@router.post("", status_code=HTTPStatus.CREATED, openapi_extra=body_of(DatasetCreate))
async def create_dataset(
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    context: ContextDep,
    service: DatasetServiceDep,
    idempotency_key: Annotated[
        uuid.UUID | None, Header(description="made by who sends it: with the same one, nothing is made twice")
    ] = None,
) -> schemas.Dataset:
    """Create a dataset: an image, a vector file or a point. The content of a file determines its format."""
    principal.require("editor")
    size = announced(request, context.settings.max_upload_bytes)
    with (
        context.uploads.slot(principal.user_id),
        context.uploads.announced(principal.user_id, size) as before,
        context.scratch.reserved(size) as written,
    ):
        await anyio.to_thread.run_sync(expect_quota, context, principal, before + size - MOST_BODY_BYTES)
        async with received(request, context.settings.max_upload_bytes, size) as upload:
            written()
            content = Content(upload.file.file, upload.file.filename or "file") if upload.file else None
            keep = partial(service.keep, principal, upload.asked, content, key=idempotency_key)
            with cancelled_with(request, service.cancelled):
                dataset, made = await anyio.to_thread.run_sync(keep, limiter=context.working)
    response.headers["Location"] = f"datasets/{dataset.id}"
    if not made:
        response.status_code = HTTPStatus.OK
    response.headers["ETag"] = f'"{crud.version(dataset)}"'
    return schemas.Dataset.of(dataset, principal)


def expect_quota(context: Context, principal: Principal, more: int) -> None:
    """Refuse an upload before its body is read that the user has no room for.

    Raises:
        TooLarge: the user has none.
    """
    with context.database.transaction() as session:
        crud.expect_room(session, context.settings, principal.user_id, more)


@router.get("")
def list_datasets(
    request: Request,
    principal: CurrentPrincipal,
    context: ContextDep,
    bbox: Annotated[
        str | None, Query(pattern=BBOX, examples=["-124,48,-122,50"], description="west,south,east,north in degrees")
    ] = None,
    text: Annotated[
        str, Query(max_length=100, pattern=NO_NUL, description="that the name, description or creator holds")
    ] = "",
    kind: Literal["image", "vector", "point"] | None = None,
    scope: Annotated[crud.Scope, Query(description="your own, those shared here, or all that you may see")] = "all",
    before: Annotated[uuid.UUID | None, Query(description="the last one of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.DatasetList:
    """List the datasets that you may see, newest first."""
    with context.database.transaction() as session:
        page = crud.listed(session, principal, crud.Filter(box_of(bbox), text, kind or "", scope, before, limit))
    following = request.url.include_query_params(before=page.datasets[-1].id) if page.more else None
    return schemas.DatasetList(
        datasets=[schemas.Dataset.of(dataset, principal) for dataset in page.datasets],
        total=page.total,
        next=f"{following.path}?{following.query}" if following else None,
    )


def found(dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> Dataset:
    """The dataset that a route is about.

    Raises:
        NotFound: there is none, or it may not be seen.
    """
    with context.database.transaction() as session:
        return crud.find(session, principal, dataset_id)


FoundDataset = Annotated[Dataset, Depends(found)]


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1000, description="the ETag of what you saw: 412 if it was changed meanwhile"),
]


@router.get("/{dataset_id}")
def get_dataset(dataset: FoundDataset, principal: CurrentPrincipal, response: Response) -> schemas.Dataset:
    """Get a dataset."""
    response.headers["ETag"] = f'"{crud.version(dataset)}"'
    return schemas.Dataset.of(dataset, principal)


@router.patch("/{dataset_id}")
async def update_dataset(
    dataset_id: uuid.UUID,
    change: DatasetPatch,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    context: ContextDep,
    service: DatasetServiceDep,
    seen: IfMatch = None,
) -> schemas.Dataset:
    """Change the fields of a dataset, share it in this installation, or move a point or a placed image."""
    moved = partial(service.move, principal, dataset_id, change, seen)
    if change.corners is None:
        dataset = await anyio.to_thread.run_sync(moved)
    else:
        with context.uploads.slot(principal.user_id), cancelled_with(request, service.cancelled):
            dataset = await anyio.to_thread.run_sync(moved, limiter=context.working)
    response.headers["ETag"] = f'"{crud.version(dataset)}"'
    return schemas.Dataset.of(dataset, principal)


@router.delete("/{dataset_id}", status_code=HTTPStatus.NO_CONTENT)
def delete_dataset(
    dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep, seen: IfMatch = None
) -> None:
    """Delete a dataset; it can be restored for some days.

    If this installation shared it with the central server, it is deleted there too, as soon as that responds.
    """
    with context.database.transaction() as session:
        crud.remove(session, principal, dataset_id, seen)


@router.post("/{dataset_id}/restore")
def restore_dataset(dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> schemas.Dataset:
    """Restore a deleted dataset; it is not shared with the central server again."""
    with context.database.transaction() as session:
        return schemas.Dataset.of(crud.restore(session, principal, context.settings, dataset_id), principal)


@router.post("/{dataset_id}/share", status_code=HTTPStatus.ACCEPTED)
def share_dataset(dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> schemas.Dataset:
    """Share a dataset with the central server; it is uploaded as soon as that responds."""
    with context.database.transaction() as session:
        return schemas.Dataset.of(outbox.share(session, context.settings, principal, dataset_id, True), principal)


@router.delete("/{dataset_id}/share", status_code=HTTPStatus.ACCEPTED)
def unshare_dataset(dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> schemas.Dataset:
    """Stop sharing a dataset with the central server; it stays in this installation."""
    with context.database.transaction() as session:
        return schemas.Dataset.of(outbox.share(session, context.settings, principal, dataset_id, False), principal)


@router.get(
    "/{dataset_id}/files/{role}",
    response_class=Response,
    responses=files_of(*(each.media_type for each in FORMATS)),
)
@router.head("/{dataset_id}/files/{role}", include_in_schema=False)
async def get_dataset_file(
    role: Literal["original", "display"],
    request: Request,
    dataset: FoundDataset,
    principal: CurrentPrincipal,
    context: ContextDep,
) -> Response:
    """Get the original or the display file of a dataset, or one range of it (`Range: bytes=…`)."""
    return await _sent(dataset, role, request, principal, context)


@router.get("/{dataset_id}/features", response_class=Response, responses=files_of(GEOJSON.media_type))
@router.head("/{dataset_id}/features", include_in_schema=False)
async def get_dataset_features(
    request: Request, dataset: FoundDataset, principal: CurrentPrincipal, context: ContextDep
) -> Response:
    """Get the features of a vector file as GeoJSON in degrees; `details.shown` says whether these are all."""
    if dataset.kind != "vector":
        raise NotFound(f"the dataset {dataset.id} is no vector file")
    return await _sent(dataset, "display", request, principal, context)


@router.get("/{dataset_id}/tiles/{z}/{x}/{y}.png", response_class=Response, responses=files_of(PNG, ranges=False))
async def get_dataset_tile(
    request: Request,
    dataset: FoundDataset,
    principal: CurrentPrincipal,
    context: ContextDep,
    z: Annotated[int, Path(ge=0, le=MOST_ZOOM)],
    x: Annotated[int, Path(ge=0, lt=2**MOST_ZOOM)],
    y: Annotated[int, Path(ge=0, lt=2**MOST_ZOOM)],
    colormap: Annotated[Colormap | None, Query(description="of one band; its own if absent")] = None,
    minimum: Annotated[Value | None, Query(description="the value of the first colour; its own if absent")] = None,
    maximum: Annotated[Value | None, Query(description="the value of the last colour; its own if absent")] = None,
) -> Response:
    """Get a tile of a web map (EPSG:3857, 256 pixels) of an image; no data is transparent."""
    limits = DatasetPatch(minimum=minimum, maximum=maximum).look.get("limits")
    told = f"{dataset.files} {dataset.details} {colormap} {limits} {z}/{x}/{y}"
    headers = {"ETag": f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"', "Cache-Control": A_WHILE}
    if known(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    between = limits and (limits[0], limits[1])
    paint = partial(rendering.tile, context.cogs, dataset, TileAddress(z, x, y), colormap, between)
    content = await context.reads.run(principal.user_id, paint)
    return Response(content, headers=headers, media_type=PNG)


@router.get("/{dataset_id}/point")
async def get_dataset_values(
    dataset: FoundDataset,
    principal: CurrentPrincipal,
    context: ContextDep,
    lon: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, examples=[-123.37])],
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, examples=[48.43])],
) -> PointValues:
    """Get the values of all bands of an image at a position."""
    values = partial(rendering.values_at, context.cogs, dataset, lon, lat)
    return PointValues(bands=[BandValue(**band) for band in await context.reads.run(principal.user_id, values)])


async def _sent(dataset: Dataset, role: str, request: Request, principal: Principal, context: Context) -> Response:
    told = dataset.files.get(role) or (dataset.files.get("original") if role == "display" else None)
    if told is None:
        raise NotFound(f"the dataset {dataset.id} has no file {role}")
    sent = Sent(told["key"], told["mediaType"], told["name"], f'"{told["sha256"]}"')
    read: Read = partial(context.reads.run, principal.user_id)
    return await context.reads.run(principal.user_id, partial(send, context.store, sent, request, FOR_NOW, read))
