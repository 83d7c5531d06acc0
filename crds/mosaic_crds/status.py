"""`status` of a MosaicRequest: what the operator tells."""

from typing import Annotated, Literal

from pydantic import Field

from mosaic_crds.fields import Model, Moment, Percent, Reference
from mosaic_crds.lifecycle.phases import Condition as ConditionType
from mosaic_crds.lifecycle.phases import Phase

Count = Annotated[int, Field(ge=0)]
MOST_RANGES = 100_000
"""Kubernetes accepts no more completions of an Indexed Job whose retries are counted by index."""
Sentence = Annotated[str, Field(max_length=32768)]


class PlanSummary(Model):
    """What the plan decided."""

    tiles: Count
    """Tiles of the mosaic."""
    ranges: Annotated[int, Field(ge=1, le=MOST_RANGES)]
    """Ranges of tiles, each the work of one pod."""
    scenes: Count
    """Scenes that are used."""
    megapixels: Annotated[float, Field(ge=0)]
    """Pixels of the mosaic, in millions."""
    estimated_core_seconds: Count
    """Rough time on one core."""
    estimated_bytes: Count
    """Rough size of the result."""
    warnings: Annotated[list[Sentence], Field(max_length=16)] | None = None
    """What may not be as the user meant it, a sentence each."""


class ProgressStatus(Model):
    """How far the tiles are."""

    ranges_done: Count
    """Ranges that are done."""
    ranges_total: Count
    """All ranges."""
    percent: Annotated[int, Field(ge=0, le=100)]
    """Ranges done, in percent."""
    eta_seconds: Count | None = None
    """Seconds that are probably left."""


class ResultStatistics(Model):
    """Of the first band; absent numbers mean that it has no valid pixel."""

    minimum: float | None = None
    """The smallest value."""
    maximum: float | None = None
    """The largest value."""
    mean: float | None = None
    """The mean of the values."""
    valid_percent: Percent
    """Pixels that have a value, percent of those in the area."""
    out_of_range: Count
    """Values of a normalised difference that were discarded because they lay outside [-1, 1]."""


class ResultStatus(Model):
    """Where the mosaic is."""

    cog: Reference | None = None
    """URI of the Cloud Optimized GeoTIFF."""
    png: Reference | None = None
    """URI of the picture."""
    item: Reference
    """URI of the STAC Item."""
    bounds: Annotated[list[float], Field(min_length=4, max_length=4)]
    """[west, south, east, north], degrees."""
    statistics: ResultStatistics
    """Of the values."""
    pixels: Count
    """Pixels of the mosaic."""
    notes: Annotated[list[Sentence], Field(max_length=16)] | None = None
    """What the user should know of the mosaic, a sentence each, such as scenes that were skipped because they could not
    be read, or how many values do not fit the output's type."""


class ConditionStatus(Model):
    """A condition, by the conventions of Kubernetes."""

    type: Annotated[ConditionType, Field(strict=False)]
    """Which condition."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """Why, in one word."""
    message: Sentence
    """Why, for people."""
    last_transition_time: Moment
    """Since when."""
    observed_generation: int
    """Of which generation of the spec."""


class MosaicRequestStatus(Model):
    """What the operator tells of a request."""

    phase: Annotated[Phase, Field(strict=False)] | None = None
    """Where the request stands."""
    conditions: Annotated[list[ConditionStatus], Field(max_length=16)] | None = None
    """What holds by now."""
    worker_image: Annotated[str, Field(max_length=4096)] | None = None
    """The worker image that plans the request. Its later pods run the same image, also after an upgrade. Absent where
    there is no cluster."""
    plan: PlanSummary | None = None
    """What the plan decided."""
    progress: ProgressStatus | None = None
    """How far the tiles are."""
    result: ResultStatus | None = None
    """Where the mosaic is."""
    message: Sentence | None = None
    """What a user should know, and do."""
    observed_generation: int | None = None
    """Of which generation of the spec all this is said."""
    start_time: Moment | None = None
    """When work began."""
    suspended_since: Moment | None = None
    """Since when work stands still."""
    suspended_seconds: Count | None = None
    """How long it stood still before; the deadline does not count it."""
    completion_time: Moment | None = None
    """When the request was over."""
