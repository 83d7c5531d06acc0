"""/requests/{id}: the tiles, values, legend and files of a mosaic, and previews of an unfinished one."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from mosaic_crds.files import FILES, PNG, FileKey
from mosaic_crds.spec import Colormap
from mosaic_worker.output.stretched import Limits as Stretch
from pydantic import BaseModel, Field

from mosaic_api.auth.identity import Principal
from mosaic_api.context import Context, ContextDep, context_of
from mosaic_api.dependencies import CurrentPrincipal, authenticated, credentials, require_principal
from mosaic_api.requests import crud
from mosaic_api.results import legends, schemas, tiles
from mosaic_api.results.points import values_at
from mosaic_api.results.previews import Preview
from mosaic_api.results.published import PublishedMosaic
from mosaic_api.web.files import Sent, known, send
from mosaic_api.web.openapi import files_of
from mosaic_api.web.problems import Invalid, NotFound

router = APIRouter(prefix="/requests/{request_id}", tags=["results"])

FOR_EVER = "private, max-age=31536000, immutable"
"""A published mosaic never changes; what is private is kept by browsers alone."""
FOR_NOW = "private, no-cache"
LARGEST = 3.0e38
"""Nearly the largest float32."""
STRETCH = r"^[-+.,e0-9]*$"

Value = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
T = TypeVar("T")
PICTURE_ANSWER = files_of(PNG.media_type, ranges=False)
FILE_ANSWER = files_of(*(file.media_type for file in FILES.values()))


class Colours(BaseModel):
    """How values are coloured: as the mosaic's own picture is, unless something else is asked for."""

    colormap: Annotated[Colormap | None, Field(description="of one band; its own if absent")] = None
    minimum: Annotated[Value | None, Field(description="the value of the first colour; its own if absent")] = None
    maximum: Annotated[Value | None, Field(description="the value of the last colour; its own if absent")] = None

    def look(self, mosaic: PublishedMosaic) -> tiles.Look:
        """For a mosaic.

        Raises:
            Invalid: the limits are no limits.
        """
        return tiles.look_of(mosaic, self.colormap, self.minimum, self.maximum)


class PublishedView(NamedTuple):
    """A published mosaic, and who looks at it."""

    mosaic: PublishedMosaic
    principal: Principal
    context: Context

    async def read(self, work: Callable[[], T]) -> T:
        """What work in the store gives."""
        return await self.context.reads.run(self.principal.user_id, work)


def published_view(request: Request, request_id: uuid.UUID) -> PublishedView:
    """The published mosaic that a request is about, as it was a moment ago: a map asks for many tiles at once.

    Raises:
        Unauthorized: nobody knows who asks.
        NotFound: there is none, it may not be seen, or it is not published.
        TooMany: the caller calls too often.
    """
    context = context_of(request)

    def find() -> tuple[Principal, PublishedMosaic]:
        principal = require_principal(authenticated(request, context))
        with context.database.transaction() as session:
            return principal, PublishedMosaic.of(crud.find(session, principal, request_id))

    principal, mosaic = context.published.get((credentials(request), request_id), find)
    context.limits.call(principal)
    return PublishedView(mosaic, principal, context)


PublishedDep = Annotated[PublishedView, Depends(published_view)]


@router.get("/tiles/{z}/{x}/{y}.png", response_class=Response, responses=PICTURE_ANSWER)
async def get_request_tile(
    request: Request,
    seen: PublishedDep,
    colours: Annotated[Colours, Query()],
    z: Annotated[int, Path(ge=0, le=tiles.MOST_ZOOM)],
    x: Annotated[int, Path(ge=0, lt=2**tiles.MOST_ZOOM)],
    y: Annotated[int, Path(ge=0, lt=2**tiles.MOST_ZOOM)],
) -> Response:
    """Get a tile of a web map (EPSG:3857, 256 pixels); no data is transparent."""
    mosaic = seen.mosaic
    place, look = tiles.TileAddress(z, x, y), colours.look(mosaic)
    headers = {"ETag": tiles.etag_of(mosaic, place, look), "Cache-Control": FOR_EVER}
    if known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    paint = partial(tiles.tile, seen.context.cogs, mosaic, place, look)
    content = await seen.read(partial(seen.context.tiles.get, headers["ETag"], paint))
    return Response(content, headers=headers, media_type=PNG.media_type)


@router.get("/point")
async def get_request_values(
    seen: PublishedDep,
    lon: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, examples=[-123.37])],
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, examples=[48.43])],
) -> schemas.PointValues:
    """Get the values of all bands at a position."""
    mosaic = seen.mosaic
    values = await seen.read(partial(values_at, seen.context.cogs, mosaic, lon, lat))
    named = zip(mosaic.names, values, strict=True)
    return schemas.PointValues(bands=[schemas.BandValue(name=name, value=value) for name, value in named])


@router.get("/legend")
def get_request_legend(seen: PublishedDep, colours: Annotated[Colours, Query()]) -> schemas.Legend:
    """Get the legend: values and their colours, for the same parameters as tiles."""
    mosaic = seen.mosaic
    look = colours.look(mosaic)
    limits = [
        schemas.BandLimits(name=name, minimum=lower, maximum=upper)
        for name, (lower, upper) in zip(mosaic.names, look.limits, strict=False)
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
        Query(max_length=200, pattern=STRETCH, description="as it was told before, so that colours stay"),
    ] = None,
) -> schemas.Preview:
    """List the finished tiles of an unfinished mosaic."""
    response.headers["Cache-Control"] = FOR_NOW

    def look() -> schemas.Preview:
        found = _preview(request_id, principal, context)
        if found is None:
            return schemas.Preview(stretch=stretch, tiles=[])
        done = found.look()
        told = stretch or _written(found.stretch()) or None
        return schemas.Preview(
            stretch=told,
            tiles=[
                schemas.PreviewTile(
                    index=index, bounds=one.bounds, url=f"{request.url.path}/{index}.png?stretch={told}"
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
        str, Query(max_length=200, pattern=STRETCH, examples=["-0.1,0.8"], description="as the preview shows it")
    ],
) -> Response:
    """Get the preview of a finished tile, in EPSG:3857, with provisional colours."""

    def look() -> bytes:
        found = _preview(request_id, principal, context)
        if found is None:
            raise NotFound(f"nothing of the mosaic {request_id} is being made at this moment")
        return found.picture(index, _read(stretch, found.bands))

    content = await context.reads.run(principal.user_id, look)
    return Response(content, headers={"Cache-Control": FOR_EVER}, media_type=PNG.media_type)


def _preview(request_id: uuid.UUID, principal: Principal, context: Context) -> Preview | None:
    """That of a mosaic on which there is work.

    Raises:
        NotFound: there is no such mosaic, or it may not be seen.
    """
    with context.database.transaction() as session:
        mosaic = crud.find(session, principal, request_id)
    return None if mosaic.uid is None or mosaic.over else context.previews.of(mosaic.uid)


def _written(stretch: Stretch) -> str:
    return ",".join(f"{limit:.9g}" for limits in stretch for limit in limits)


def _read(text: str, bands: int) -> Stretch:
    """A stretch that was written so.

    Raises:
        Invalid: it is none for so many bands.
    """
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 2 * bands or not all(abs(number) <= LARGEST for number in numbers):
        raise Invalid(f"stretch must be {2 * bands} numbers with commas between them, as /preview tells it", "stretch")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    return [(lower, upper) if upper - lower >= tiles.NEAREST_LIMITS else (lower, lower) for lower, upper in pairs]
