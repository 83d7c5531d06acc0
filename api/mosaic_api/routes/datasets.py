"""/datasets: upload, find, show, share and delete datasets."""

import hashlib
import uuid
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from mosaic_api.auth.identity import Principal
from mosaic_api.auth.ownership import Scope, find
from mosaic_api.central import outbox
from mosaic_api.context import Context, ContextDep
from mosaic_api.database import Dataset
from mosaic_api.datasets import crud, rendering, schemas
from mosaic_api.datasets.boxes import HALF, TURN, Box, box_around
from mosaic_api.datasets.reader.formats import FORMATS, GEOJSON, IMAGES_TAKEN, VECTORS_TAKEN
from mosaic_api.datasets.schemas import DatasetCreate, DatasetPatch
from mosaic_api.datasets.service import DatasetService
from mosaic_api.datasets.storage import Content
from mosaic_api.datasets.uploads import announced, cancelled_with, received
from mosaic_api.dependencies import CurrentPrincipal, PagingDep
from mosaic_api.results.schemas import BandValue, PointValues
from mosaic_api.results.tiles import TileAddress
from mosaic_api.routes import parameters
from mosaic_api.web.body_limit import MOST_BODY_BYTES
from mosaic_api.web.files import Read, Sent, known, send
from mosaic_api.web.openapi import files_of, form_or_json
from mosaic_api.web.problems import Invalid, NotFound
from mosaic_api.web.schemas import NO_NUL

router = APIRouter(prefix="/datasets", tags=["datasets"])

A_WHILE = "private, max-age=300"
"""For tiles, because an image may be moved, or no longer shared."""
PNG = "image/png"
BODY = form_or_json(DatasetCreate, f"{IMAGES_TAKEN}, {VECTORS_TAKEN}")
NUMBER = r"[-+]?\d{1,4}(?:\.\d{0,15})?"
BBOX = rf"^{NUMBER},{NUMBER},{NUMBER},{NUMBER}$"


def dataset_service(context: ContextDep) -> DatasetService:
    """Creates and changes datasets."""
    return DatasetService(context.settings, context.database, context.storage)


DatasetServiceDep = Annotated[DatasetService, Depends(dataset_service)]


def box_of(text: str | None) -> Box | None:
    """The box in `bbox`; longitudes may exceed 180 degrees, as those of a map's view.

    Raises:
        Invalid: it is not a box.
    """
    if text is None:
        return None
    west, south, east, north = map(float, text.split(","))
    if not -90 <= south <= north <= 90:
        raise Invalid("bbox: use west,south,east,north, where south <= north, and both within ±90 degrees", "bbox")
    if west > east:
        if min(west, east) < -HALF or max(west, east) > HALF:
            raise Invalid("bbox: west > east crosses the antimeridian; then both must be within ±180 degrees", "bbox")
        east += TURN
    return box_around(west, south, east, north)


@router.post("", status_code=HTTPStatus.CREATED, openapi_extra=BODY)
async def create_dataset(
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    context: ContextDep,
    service: DatasetServiceDep,
    idempotency_key: Annotated[
        uuid.UUID | None,
        Header(description="chosen by the client; repeated calls with the same key create one dataset"),
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
            keep = partial(service.keep, principal, upload.fields, content, key=idempotency_key)
            with cancelled_with(request, service.cancelled):
                dataset, created = await anyio.to_thread.run_sync(keep, limiter=context.working)
    response.headers["Location"] = f"datasets/{dataset.id}"
    if not created:
        response.status_code = HTTPStatus.OK
    response.headers["ETag"] = f'"{crud.version(dataset)}"'
    return schemas.Dataset.of(dataset, principal)


def expect_quota(context: Context, principal: Principal, more: int) -> None:
    """Refuse an upload that exceeds the user's quota, before its body is read.

    Raises:
        TooLarge: it does.
    """
    with context.database.transaction() as session:
        crud.expect_room(session, context.settings, principal.user_id, more)


@router.get("")
def list_datasets(
    request: Request,
    principal: CurrentPrincipal,
    context: ContextDep,
    paging: PagingDep,
    bbox: Annotated[
        str | None, Query(pattern=BBOX, examples=["-124,48,-122,50"], description="west,south,east,north in degrees")
    ] = None,
    text: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="in the name, description or creator")] = "",
    kind: Literal["image", "vector", "point"] | None = None,
    scope: Annotated[Scope, Query(description="your own, those shared here, or all that you may see")] = "all",
) -> schemas.DatasetList:
    """List the datasets that you may see, newest first."""
    with context.database.transaction() as session:
        page = crud.list_page(session, principal, paging, box=box_of(bbox), text=text, kind=kind, scope=scope)
    return schemas.DatasetList(
        datasets=[schemas.Dataset.of(dataset, principal) for dataset in page.rows],
        total=page.total,
        next=page.next(request.url),
    )


def found(dataset_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> Dataset:
    """The dataset of a route; NotFound if there is none, or it may not be seen."""
    with context.database.transaction() as session:
        return find(session, principal, Dataset, dataset_id)


FoundDataset = Annotated[Dataset, Depends(found)]


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", max_length=1000, description="the ETag that you saw; 412 if the dataset has changed since"
    ),
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
        raise NotFound(f"the dataset {dataset.id} is not a vector file")
    return await _sent(dataset, "display", request, principal, context)


@router.get("/{dataset_id}/tiles/{z}/{x}/{y}.png", response_class=Response, responses=files_of(PNG, ranges=False))
async def get_dataset_tile(
    request: Request,
    dataset: FoundDataset,
    principal: CurrentPrincipal,
    context: ContextDep,
    colours: parameters.ColoursQuery,
    z: parameters.Zoom,
    x: parameters.TileNumber,
    y: parameters.TileNumber,
) -> Response:
    """Get a tile of a web map (EPSG:3857, 256 pixels) of an image; no data is transparent."""
    limits = DatasetPatch(minimum=colours.minimum, maximum=colours.maximum).style.get("limits")
    content_id = f"{dataset.files} {dataset.details} {colours.colormap} {limits} {z}/{x}/{y}"
    headers = {"ETag": f'"{hashlib.sha256(content_id.encode()).hexdigest()[:32]}"', "Cache-Control": A_WHILE}
    if known(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    between = limits and (limits[0], limits[1])
    paint = partial(rendering.tile, context.cogs, dataset, TileAddress(z, x, y), colours.colormap, between)
    content = await context.reads.run(principal.user_id, paint)
    return Response(content, headers=headers, media_type=PNG)


@router.get("/{dataset_id}/point")
async def get_dataset_values(
    dataset: FoundDataset,
    principal: CurrentPrincipal,
    context: ContextDep,
    lon: parameters.Longitude,
    lat: parameters.Latitude,
) -> PointValues:
    """Get the values of all bands of an image at a position."""
    values = partial(rendering.values_at, context.cogs, dataset, lon, lat)
    return PointValues(bands=[BandValue(**band) for band in await context.reads.run(principal.user_id, values)])


async def _sent(dataset: Dataset, role: str, request: Request, principal: Principal, context: Context) -> Response:
    file = dataset.files.get(role) or (dataset.files.get("original") if role == "display" else None)
    if file is None:
        raise NotFound(f"the dataset {dataset.id} has no file {role}")
    sent = Sent(file["key"], file["mediaType"], file["name"], f'"{file["sha256"]}"')
    read: Read = partial(context.reads.run, principal.user_id)
    return await context.reads.run(
        principal.user_id, partial(send, context.store, sent, request, parameters.FOR_NOW, read)
    )
