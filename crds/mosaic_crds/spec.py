"""`spec` of a MosaicRequest: what is asked for, and how it is to be executed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mosaic_crds.area import Area
from mosaic_crds.composite import Composite
from mosaic_crds.fields import (
    BandName,
    DnsName,
    Duration,
    Model,
    Number,
    Percent,
    Rule,
    Text,
    at_most,
    distinct,
    exactly_one,
)
from mosaic_crds.source import Source


class Product(Model):
    """What is computed."""

    rules = (
        exactly_one("index", "expression", "bands"),
        Rule(
            server="!has(self.bands) || self.bands.size() == 1 || self.bands.size() == 3",
            holds=lambda product: product.bands is None or len(product.bands) in {1, 3},
            message="it must name 1 or 3 bands",
            field="bands",
        ),
        distinct("bands"),
    )

    index: Annotated[str, Text(r"[A-Za-z][A-Za-z0-9]*", 64, "the name of an index, such as NDVI,")] | None = None
    """A spectral index of the Awesome Spectral Indices catalogue, such as NDVI."""
    expression: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Arithmetic on bands, such as (nir - red) / (nir + red)."""
    bands: Annotated[list[BandName], Field(min_length=1, max_length=3)] | None = None
    """One band, or the three of a colour picture, by STAC common name."""


class Grid(Model):
    """The pixels of the mosaic."""

    rules = (
        Rule(  # not as limits of the field: the API server rounds those to integers where the value is one
            server="!has(self.resolution) || (self.resolution >= 1e-9 && self.resolution <= 1e9)",
            holds=lambda grid: grid.resolution is None or 1e-9 <= grid.resolution <= 1e9,
            message="a number from 1e-9 to 1e9 is allowed",
            field="resolution",
        ),
    )

    crs: Annotated[str, Text(r"(utm|source|EPSG:[1-9][0-9]{0,5})", 16, "utm, source or EPSG:n")] | None = None
    """utm (the zone of the area's middle), source (the first scene's own grid) or EPSG:n; source for files and utm for
    other sources if absent."""
    resolution: float | None = None
    """In units of the CRS, from 1e-9 to 1e9; the coarsest native one of the bands if absent."""
    resampling: Literal["nearest", "bilinear", "cubic", "average"] | None = None
    """average onto coarser grids and bilinear otherwise, if absent."""


class Limits(Model):
    """Two ends of a stretch."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            server="self.lower < self.upper",
            holds=lambda limits: limits.lower < limits.upper,
            message="lower must be less than upper",
        ),
    )


class Percentiles(Limits):
    """Percentiles of the mosaic's values."""

    lower: Percent = 2.0
    """Percent."""
    upper: Percent = 98.0
    """Percent."""


class Fixed(Limits):
    """Values."""

    lower: Number
    """The value of the first colour."""
    upper: Number
    """The value of the last colour."""


class MinMax(Model):
    """The smallest and the largest value of the mosaic."""


class Stretch(Model):
    """Which values get the first and the last colour."""

    rules = (exactly_one("percentile", "minmax", "fixed"),)

    percentile: Percentiles | None = None
    """Percentiles of the mosaic's values."""
    minmax: MinMax | None = None
    """The smallest and the largest value."""
    fixed: Fixed | None = None
    """Given values."""


Colormap = Literal["nipy_spectral", "viridis", "magma", "cividis", "RdYlGn", "BrBG", "Greys"]


class Output(Model):
    """The files that are made."""

    rules = (
        Rule(
            server="!has(self.formats) || 'cog' in self.formats",
            holds=lambda output: "cog" in output.formats,
            message="it must contain cog, from which the picture is made",
            field="formats",
        ),
        distinct("formats"),
    )

    formats: Annotated[list[Literal["cog", "png"]], Field(min_length=1, max_length=2)] = Field(["cog", "png"])
    """cog, and png for a picture."""
    dtype: Literal["float32", "int16"] = "float32"
    """int16 halves the size. It stores values x 10,000, uncalibrated bands as they are, and bands that can hold larger
    values with a scale and offset that fit. Values that do not fit are counted; if most do not, the request fails."""
    colormap: Colormap = "nipy_spectral"
    """Colours of a picture of one band, by matplotlib's name."""
    stretch: Stretch = Stretch(percentile=Percentiles())
    """Which values get the first and the last colour."""


class Execution(Model):
    """How the work is done; the mosaic does not depend on it."""

    rules = (at_most("range_deadline", "1d"), at_most("deadline", "30d"), at_most("ttl_after_finished", "30d"))

    parallelism: Annotated[int, Field(ge=1, le=1000)] = 8
    """Pods at once; may be changed at any time."""
    retries_per_range: Annotated[int, Field(ge=0, le=20)] = 3
    """How often a range of tiles is tried again."""
    range_deadline: Duration = "15m"
    """After so long a worker counts as stuck and is replaced; at most 1d."""
    deadline: Duration = "6h"
    """After so long the request has failed; at most 30d."""
    ttl_after_finished: Duration = "1d"
    """How long Jobs are kept after the request is over; at most 30d."""
    suspend: bool = False
    """Stop for now; finished ranges are kept. May be changed at any time."""
    cancel: bool = False
    """Stop for good. May be set once."""
    queue: DnsName | None = None
    """The Kueue LocalQueue to wait in."""
    priority_class: DnsName | None = None
    """The PriorityClass of the pods."""


class MosaicRequestSpec(Model):
    """What is asked for. All but execution.parallelism, execution.suspend and execution.cancel stays as it is."""

    rules = (
        Rule(
            server="has(self.area) || has(self.source.files)",
            holds=lambda spec: spec.area is not None or spec.source.files is not None,
            message="area may be absent only with source.files, whose whole extent is then taken",
        ),
    )

    area: Area | None = None
    """Where; the whole extent of source.files if absent."""
    source: Source
    """Which scenes."""
    product: Product
    """What is computed."""
    composite: Composite = Composite()
    """How scenes that overlap become one."""
    grid: Grid = Grid()
    """The pixels of the mosaic."""
    output: Output = Output()
    """The files that are made."""
    execution: Execution = Execution()
    """How the work is done."""
