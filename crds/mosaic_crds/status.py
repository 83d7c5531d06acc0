"""`status` of a MosaicRequest: the observed state, written by the operator."""

from typing import Annotated, Literal

from pydantic import Field

from mosaic_crds.classes import MOST_CLASSES
from mosaic_crds.fields import Model, Moment, Percent, Reference, Text
from mosaic_crds.lifecycle.phases import Condition as ConditionType
from mosaic_crds.lifecycle.phases import Phase

Count = Annotated[int, Field(ge=0)]
MOST_RANGES = 1000
"""The most ranges of a plan. Their pods remain until the Job is deleted, and thousands of pods cripple a kubelet."""
Sentence = Annotated[str, Field(max_length=32768)]


class PlanSummary(Model):
    """A summary of the plan."""

    tiles: Count
    """Number of tiles."""
    ranges: Annotated[int, Field(ge=1, le=MOST_RANGES)]
    """Number of ranges of tiles; a pod computes a range."""
    scenes: Count
    """Number of scenes that are used."""
    megapixels: Annotated[float, Field(ge=0)]
    """Millions of pixels of the mosaic."""
    estimated_core_seconds: Count
    """Estimated computing time, core-seconds."""
    estimated_bytes: Count
    """Estimated size of the result, bytes."""
    tiles_memory_bytes: Count | None = None
    """Estimated memory of a pod of tiles, bytes."""
    finalize_memory_bytes: Count | None = None
    """Estimated memory of the pod that publishes the mosaic, bytes."""
    warnings: Annotated[list[Sentence], Field(max_length=16)] | None = None
    """Warnings for the user, a sentence each."""


class ProgressStatus(Model):
    """The progress of the tiles."""

    ranges_done: Count
    """Number of finished ranges; without a cluster, of finished tiles."""
    ranges_total: Count
    """Number of all ranges; without a cluster, of all tiles."""
    percent: Annotated[int, Field(ge=0, le=100)]
    """Finished ranges, percent."""
    eta_seconds: Count | None = None
    """Estimated time left, seconds."""


class ResultStatistics(Model):
    """Statistics of the first band. Numbers are absent if it has no valid pixel."""

    minimum: float | None = None
    """The minimum."""
    maximum: float | None = None
    """The maximum."""
    mean: float | None = None
    """The mean."""
    valid_percent: Percent
    """Valid pixels, percent of the pixels in the area."""
    out_of_range: Count
    """Number of values of a normalised difference outside [-1, 1], which are discarded."""


class ClassShare(Model):
    """The share of a class."""

    name: Annotated[str, Field(max_length=64)]
    """The name of the class; "no class" for values in none."""
    percent: Percent
    """Pixels of the class, percent of the pixels with data."""


class ResultStatus(Model):
    """The published mosaic."""

    cog: Reference | None = None
    """URI of the Cloud Optimized GeoTIFF."""
    png: Reference | None = None
    """URI of the picture."""
    item: Reference
    """URI of the STAC Item."""
    bounds: Annotated[list[float], Field(min_length=4, max_length=4)]
    """[west, south, east, north], degrees."""
    statistics: ResultStatistics
    """Statistics of the first band. A classified mosaic has no minimum, maximum and mean."""
    classes: Annotated[list[ClassShare], Field(max_length=MOST_CLASSES + 1)] | None = None
    """The classes of a classified mosaic, and values in no class."""
    pixels: Count
    """Number of pixels of the mosaic."""
    notes: Annotated[list[Sentence], Field(max_length=16)] | None = None
    """Notes on the mosaic, a sentence each, such as skipped unreadable scenes, or the number of values that do not fit
    the data type."""


class ConditionStatus(Model):
    """A condition, as in the conventions of Kubernetes."""

    type: Annotated[ConditionType, Field(strict=False)]
    """The type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition is true."""
    reason: Annotated[str, Text(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", 1024, "a CamelCase word")]
    """The reason, as one CamelCase word."""
    message: Sentence
    """The reason, for people."""
    last_transition_time: Moment
    """When the status of the condition last changed."""
    observed_generation: int
    """The generation of the spec that the condition is about."""


class MosaicRequestStatus(Model):
    """The observed state of a request."""

    phase: Annotated[Phase, Field(strict=False)] | None = None
    """The phase of the request."""
    conditions: Annotated[list[ConditionStatus], Field(max_length=16)] | None = None
    """The conditions of the request."""
    worker_image: Annotated[str, Field(max_length=4096)] | None = None
    """The worker image that plans the request. Its later pods run the same image, even after an upgrade. Absent without
    a cluster."""
    worker_memory: Annotated[str, Field(max_length=64)] | None = None
    """The memory limit of the request's pods since one of them ran out of memory."""
    plan: PlanSummary | None = None
    """A summary of the plan."""
    progress: ProgressStatus | None = None
    """The progress of the tiles."""
    result: ResultStatus | None = None
    """The published mosaic."""
    message: Sentence | None = None
    """The current state for the user, and what to do."""
    observed_generation: int | None = None
    """The generation of the spec that the status is about."""
    start_time: Moment | None = None
    """When work started."""
    suspended_since: Moment | None = None
    """Since when the request is paused."""
    suspended_seconds: Count | None = None
    """Seconds of earlier pauses, which the deadline does not count."""
    completion_time: Moment | None = None
    """When the request finished."""
