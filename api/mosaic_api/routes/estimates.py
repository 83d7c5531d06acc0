"""/estimate, /scenes and /indices: what to know before creating a request."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mosaic_crds.colormaps import Colormap
from mosaic_worker.product.indices import all_indices
from mosaic_worker.product.ramps import ramp_of
from mosaic_worker.sources.kinds.folders import FolderScenes, scenes_below
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from mosaic_api.context import ContextDep
from mosaic_api.dependencies import CurrentPrincipal
from mosaic_api.requests import estimates
from mosaic_api.requests.crud import parse_request, validated
from mosaic_api.requests.schemas import EXAMPLE
from mosaic_api.web.schemas import INTEGRAL, ApiModel, Area, Minus, Source, Spec

router = APIRouter(tags=["planning"])

A_DAY = "private, max-age=86400"
SOURCE_EXAMPLE = {name: EXAMPLE["spec"][name] for name in ("area", "source")}
PLACEHOLDER = {"bands": ["red"]}
"""A spec needs a product, but its scenes do not depend on it."""


class EstimateCreate(ApiModel):
    """The request to estimate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"spec": EXAMPLE["spec"]}]})

    spec: Spec
    """The spec of a MosaicRequest."""
    scenes: Annotated[int, Field(ge=1, le=10_000, strict=True), INTEGRAL] | None = None
    """Their number, if it is known from /scenes."""


class SceneSearch(ApiModel):
    """Where to search scenes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SOURCE_EXAMPLE]})

    source: Source
    """`spec.source` of a MosaicRequest."""
    minus: Minus | None = None
    """`spec.minus` of a MosaicRequest."""
    area: Area | None = None
    """`spec.area` of a MosaicRequest."""


class IndexConstant(ApiModel):
    """A named constant of a formula."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    value: float
    meaning: str


class UsualColours(ApiModel):
    """The usual colours of a product of one band, if the request chooses no others."""

    model_config = ConfigDict(from_attributes=True)

    colormap: Colormap
    limits: tuple[float, float] | None
    """The values of the first and the last colour; null for percentiles 2 and 98."""
    meaning: str
    """What the last colour shows."""


class Index(ApiModel):
    """A spectral index."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    long_name: str
    domain: str
    """Its use: vegetation, water, snow, …"""
    formula: str
    bands: list[str]
    """STAC common names."""
    reference: str
    constants: list[IndexConstant]
    colours: UsualColours


@router.post("/estimate")
async def estimate_request(
    request: Request,
    asked: EstimateCreate,
    principal: CurrentPrincipal,
    context: ContextDep,
    whole: Annotated[bool, Query(description="search the scenes and read their headers, which takes a while")] = False,
) -> estimates.Estimate:
    """Estimate the size and cost of a mosaic without creating a request."""
    settings = context.settings
    if not whole:
        return await run_in_threadpool(estimates.quick, settings, asked.spec, asked.scenes)
    wanted = await run_in_threadpool(validated, settings, estimates.NAME, asked.spec)
    work = partial(estimates.whole, settings, wanted)
    key = f"estimate {wanted.spec.model_dump_json()}"
    return await context.lookups.run(request, principal.user_id, work, key)


@router.post("/scenes")
async def count_scenes(
    request: Request, searched: SceneSearch, principal: CurrentPrincipal, context: ContextDep
) -> estimates.SceneCount:
    """Count the scenes of a source in an area, with their dates and cloud cover."""
    spec = searched.model_dump(exclude_none=True) | {"product": PLACEHOLDER}
    wanted = (await run_in_threadpool(parse_request, context.settings.namespace, estimates.NAME, spec)).spec
    work = partial(estimates.scenes_of, context.settings, wanted)
    return await context.lookups.run(request, principal.user_id, work, f"scenes {wanted.model_dump_json()}")


@router.get("/scenes")
async def list_local_scenes(request: Request, principal: CurrentPrincipal, context: ContextDep) -> FolderScenes:
    """List the scenes in the folders of this machine that requests may read: STAC Items and Sentinel-2 products."""
    settings = context.settings
    path = settings.store.removeprefix("file://")
    store = None if "://" in path else Path(path).absolute()
    return await context.lookups.run(
        request, principal.user_id, lambda _: scenes_below(settings.gate, store), "scenes here"
    )


@router.get("/indices", response_model=list[Index])
def list_indices(_: CurrentPrincipal) -> Response:
    """List the supported spectral indices of the Awesome Spectral Indices catalogue."""
    return Response(_indices(), media_type="application/json", headers={"Cache-Control": A_DAY})


@cache
def _indices() -> bytes:
    usable = [index for index in all_indices() if not index.lacking]
    described = [Index.model_validate(vars(index) | {"colours": ramp_of(index)}).model_dump() for index in usable]
    return json.dumps(described).encode()
