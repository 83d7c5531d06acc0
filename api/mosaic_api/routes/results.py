"""/requests/{id}: the tiles, values, legend and files of a mosaic, and previews of an unfinished one."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from mosaic_crds.files import FILES, PNG, FileKey
from mosaic_worker.output.stretched import Limits as Stretch

from mosaic_api.auth import ownership
from mosaic_api.auth.identity import Principal
from mosaic_api.context import Context, ContextDep, context_of
from mosaic_api.database import Request as RequestRow
from mosaic_api.datasets.schemas import LARGEST
from mosaic_api.dependencies import CurrentPrincipal, authenticated, credentials, require_principal
from mosaic_api.results import legends, schemas, tiles
from mosaic_api.results.points import values_at
from mosaic_api.results.previews import Preview
from mosaic_api.results.published import PublishedMosaic
from mosaic_api.routes.parameters import FOR_NOW, Colours, ColoursQuery, Latitude, Longitude, TileNumber, Zoom
from mosaic_api.web.files import Sent, known, send
from mosaic_api.web.openapi import files_of
from mosaic_api.web.problems import Invalid, NotFound

router = APIRouter(prefix="/requests/{request_id}", tags=["results"])

FOR_EVER = "private, max-age=31536000, immutable"
"""Published mosaics never change; private responses are only cached by browsers."""
STRETCH = r"^[-+.,e0-9]*$"

T = TypeVar("T")
PICTURE_ANSWER = files_of(PNG.media_type, ranges=False)
FILE_ANSWER = files_of(*(file.media_type for file in FILES.values()))


class PublishedView(NamedTuple):
    """A published mosaic, and the caller."""

    mosaic: PublishedMosaic
    principal: Principal
    context: Context

    async def read(self, work: Callable[[], T]) -> T:
        """The result of reading the store."""
        return await self.context.reads.run(self.principal.user_id, work)


def published_view(request: Request, request_id: uuid.UUID) -> PublishedView:
    """The published mosaic of a request, cached for a moment because a map loads many tiles at the same time.

    Raises:
        Unauthorized: the caller is not authenticated.
        NotFound: there is none, it may not be seen, or it is not published.
        TooMany: there were too many calls.
    """
    context = context_of(request)

    def find() -> tuple[Principal, PublishedMosaic]:
        principal = require_principal(authenticated(request, context))
        with context.database.transaction() as session:
            return principal, PublishedMosaic.of(ownership.find(session, principal, RequestRow, request_id))

    principal, mosaic = context.published.get((credentials(request), request_id), find)
    context.limits.call(principal)
    return PublishedView(mosaic, principal, context)


PublishedDep = Annotated[PublishedView, Depends(published_view)]


@router.get("/tiles/{z}/{x}/{y}.png", response_class=Response, responses=PICTURE_ANSWER)
async def get_request_tile(
    request: Request,
    seen: PublishedDep,
    colours: ColoursQuery,
    z: Zoom,
    x: TileNumber,
    y: TileNumber,
) -> Response:
    """Get a tile of a web map (EPSG:3857, 256 pixels); no data is transparent."""
    mosaic = seen.mosaic
    place, look = tiles.TileAddress(z, x, y), _look(mosaic, colours)
    headers = {"ETag": tiles.etag_of(mosaic, place, look), "Cache-Control": FOR_EVER}
    if known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    paint = partial(tiles.tile, seen.context.cogs, mosaic, place, look)
    content = await seen.read(partial(seen.context.tiles.get, headers["ETag"], paint))
    return Response(content, headers=headers, media_type=PNG.media_type)


@router.get("/point")
async def get_request_values(
    seen: PublishedDep,
    lon: Longitude,
    lat: Latitude,
) -> schemas.PointValues:
    """Get the values of all bands at a position."""
    mosaic = seen.mosaic
    values = await seen.read(partial(values_at, seen.context.cogs, mosaic, lon, lat))
    named = zip(mosaic.names, values, strict=True)
    return schemas.PointValues(
        bands=[schemas.BandValue(name=name, value=value, label=mosaic.class_of(value)) for name, value in named]
    )


@router.get("/legend")
def get_request_legend(seen: PublishedDep, colours: ColoursQuery) -> schemas.Legend:
    """Get the legend: values and their colours, for the same parameters as tiles."""
    mosaic = seen.mosaic
    look = _look(mosaic, colours)
    if look.colormap is None:
        return legends.legend_of_classes(mosaic)
    limits = [
        schemas.BandLimits(name=mosaic.names[number], minimum=lower, maximum=upper)
        for number, (lower, upper) in zip(mosaic.shown, look.limits, strict=True)
    ]
    lower, upper = look.limits[0]
    single = len(limits) == 1
    return schemas.Legend(
        title=mosaic.title,
        colormap=look.colormap if single else None,
        minimum=lower,
        maximum=upper,
        colours=legends.colours_of(look.colormap) if single else [],
        stops=[
            schemas.LegendStop(value=value, colour=colour)
            for value, colour in legends.stops(look.colormap, lower, upper)
        ]
        if single
        else [],
        bands=limits,
        gamma=look.tone.gamma,
        shoulder=look.tone.shoulder,
    )


@router.get("/files/{content}", response_class=Response, responses=FILE_ANSWER)
@router.head("/files/{content}", include_in_schema=False)
async def get_request_file(request: Request, seen: PublishedDep, content: FileKey) -> Response:
    """Get a file of the mosaic, or one range of it (`Range: bytes=…`)."""
    mosaic = seen.mosaic
    found = FILES[content]
    etag = f'"{mosaic.results.uid}-{content}"'
    sent = Sent(mosaic.results.key(found), found.media_type, mosaic.name + found.ending, etag)
    return await seen.read(partial(send, seen.context.store, sent, request, FOR_EVER, seen.read))


@router.get("/preview")
async def get_request_preview(
    request: Request,
    response: Response,
    request_id: uuid.UUID,
    principal: CurrentPrincipal,
    context: ContextDep,
    stretch: Annotated[
        str | None,
        Query(max_length=200, pattern=STRETCH, description="of an earlier response, to keep the colours"),
    ] = None,
) -> schemas.Preview:
    """List the finished tiles of an unfinished mosaic."""
    response.headers["Cache-Control"] = FOR_NOW

    def look() -> schemas.Preview:
        found = _preview(request_id, principal, context)
        if found is None:
            return schemas.Preview(stretch=stretch, tiles=[])
        done = found.finished()
        used = stretch or _written(found.stretch()) or None
        return schemas.Preview(
            stretch=used,
            tiles=[
                schemas.PreviewTile(
                    index=index, bounds=one.bounds, url=f"{request.url.path}/{index}.png?stretch={used}"
                )
                for index, one in sorted(done.items())
            ],
        )

    return await context.reads.run(principal.user_id, look)


@router.get("/preview/{index}.png", response_class=Response, responses=PICTURE_ANSWER)
async def get_preview_tile(
    request_id: uuid.UUID,
    principal: CurrentPrincipal,
    context: ContextDep,
    index: Annotated[int, Path(ge=0, lt=2**31)],
    stretch: Annotated[
        str, Query(max_length=200, pattern=STRETCH, examples=["-0.1,0.8"], description="as in /preview")
    ],
) -> Response:
    """Get the preview of a finished tile, in EPSG:3857, with provisional colours."""

    def look() -> bytes:
        found = _preview(request_id, principal, context)
        if found is None:
            raise NotFound(f"the request {request_id} is not running")
        return found.picture(index, _read(stretch, found.bands))

    content = await context.reads.run(principal.user_id, look)
    return Response(content, headers={"Cache-Control": FOR_EVER}, media_type=PNG.media_type)


def _look(mosaic: PublishedMosaic, colours: Colours) -> tiles.Look:
    return tiles.look_of(mosaic, colours.colormap, colours.minimum, colours.maximum)


def _preview(request_id: uuid.UUID, principal: Principal, context: Context) -> Preview | None:
    """The preview of a running request; NotFound if there is none, or it may not be seen."""
    with context.database.transaction() as session:
        mosaic = ownership.find(session, principal, RequestRow, request_id)
    return None if mosaic.uid is None or mosaic.over else context.previews.of(mosaic.uid)


def _written(stretch: Stretch) -> str:
    return ",".join(f"{limit:.9g}" for limits in stretch for limit in limits)


def _read(text: str, bands: int) -> Stretch:
    """Parse a stretch for so many bands.

    Raises:
        Invalid: it is not one.
    """
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 2 * bands or not all(abs(number) <= LARGEST for number in numbers):
        raise Invalid(f"stretch must be {2 * bands} comma-separated numbers, as in /preview", "stretch")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    return [(lower, upper) if upper - lower >= tiles.NEAREST_LIMITS else (lower, lower) for lower, upper in pairs]
