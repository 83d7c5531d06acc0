"""`spec` of a MosaicRequest: the requested mosaic, and how to execute the request."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mosaic_crds.area import Area
from mosaic_crds.bands import GAMMA_OF_THREE, IN_THE_PICTURE, MOST_BANDS, ONE_OR_THREE
from mosaic_crds.classes import BESIDE_CLASSES, Classes
from mosaic_crds.colormaps import Colormap
from mosaic_crds.composite import FLOAT_DEVIATIONS, GEOMEDIAN_OF_BANDS, Composite
from mosaic_crds.fields import (
    DISTINCT,
    BandName,
    DnsName,
    Duration,
    Model,
    Number,
    Percent,
    Rule,
    Text,
    at_most,
    exactly_one,
)
from mosaic_crds.minus import Minus
from mosaic_crds.source import Source
from mosaic_crds.source_kinds import SOURCE_KINDS


class Product(Model):
    """The product: what is computed from the bands."""

    rules = (
        exactly_one("index", "expression", "bands"),
        Rule(
            server="!has(self.classes) || !has(self.bands) || self.bands.size() == 1",
            holds=lambda product: product.classes is None or product.bands is None or len(product.bands) == 1,
            message="classes need a product of one band",
            field="bands",
        ),
    )

    index: Annotated[str, Text(r"[A-Za-z][A-Za-z0-9]*", 64, "the name of an index, such as NDVI")] | None = None
    """A spectral index of the Awesome Spectral Indices catalogue, such as NDVI."""
    expression: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Arithmetic on bands, such as (nir - red) / (nir + red)."""
    bands: Annotated[list[BandName], Field(min_length=1, max_length=MOST_BANDS), DISTINCT] | None = None
    """One to 16 bands, by STAC common name. output.picture chooses those of the picture."""
    classes: Classes | None = None
    """Classify the composed values. The mosaic then has the number of the class of each pixel (1, 2, …, in this order;
    255 in no class, 0 without data), and the colours of the classes."""


CRS = Text(r"(utm|source|EPSG:[1-9][0-9]{0,5})", 16, "utm, source or an EPSG code such as EPSG:32633")
RESOLUTION = Rule(  # not limits of the field: the API server rounds those if the value is an integer
    server="self >= 1e-9 && self <= 1e9",
    holds=lambda resolution: 1e-9 <= resolution <= 1e9,
    message="it must be from 1e-9 to 1e9",
)


class Grid(Model):
    """The pixel grid of the mosaic."""

    crs: Annotated[str, CRS] | None = None
    """utm (the zone of the centre of the area), source (the grid of the first scene) or EPSG:n. Default: source for
    files and utm for other sources."""
    resolution: Annotated[float, RESOLUTION] | None = None
    """The pixel size in units of the CRS, from 1e-9 to 1e9. Default: the coarsest native resolution of the bands."""
    resampling: Literal["nearest", "bilinear", "cubic", "average"] | None = None
    """The resampling kernel. Default: average to coarser grids, bilinear otherwise."""


class Limits(Model):
    """The two ends of a stretch."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            server="self.lower < self.upper",
            holds=lambda limits: limits.lower < limits.upper,
            message="lower must be less than upper",
        ),
    )


class Percentiles(Limits):
    """Percentiles of the values of the mosaic."""

    lower: Percent = 2.0
    """The percentile of the first colour."""
    upper: Percent = 98.0
    """The percentile of the last colour."""


class Fixed(Limits):
    """Fixed values."""

    lower: Number
    """The value of the first colour."""
    upper: Number
    """The value of the last colour."""


class MinMax(Model):
    """The minimum and maximum of the mosaic."""


class Stretch(Model):
    """The values of the first and the last colour; exactly one of its fields."""

    rules = (exactly_one("percentile", "minmax", "fixed"),)

    percentile: Percentiles | None = None
    """Percentiles of the values of the mosaic."""
    minmax: MinMax | None = None
    """The minimum and maximum of the mosaic."""
    fixed: Fixed | None = None
    """Fixed values."""


GAMMA = Rule(  # not limits of the field: see RESOLUTION
    server="self >= 0.2 && self <= 5.0",
    holds=lambda gamma: 0.2 <= gamma <= 5,
    message="it must be from 0.2 to 5",
)
CONTAIN_COG = Rule(
    server="'cog' in self",
    holds=lambda formats: "cog" in formats,
    message="it must contain cog, the source of the picture",
)


class Output(Model):
    """The output files."""

    formats: Annotated[list[Literal["cog", "png"]], Field(max_length=2), CONTAIN_COG, DISTINCT] = Field(["cog", "png"])
    """cog (required), and png for a picture."""
    dtype: Literal["float32", "int16"] = "float32"
    """The data type. int16 halves the size: it stores values x 10,000, uncalibrated bands unchanged, and bands with
    larger values with a suitable scale and offset. Values that do not fit are counted; if most do not, the request
    fails. Classes are stored as 8-bit integers."""
    colormap: Colormap | None = None
    """The colour map of a picture of one band, by its matplotlib name; _r reverses it. Default: by the product, such as
    RdYlGn for NDVI."""
    stretch: Stretch | None = None
    """The values of the first and the last colour. Default: by the product, such as -0.2 to 0.9 for NDVI; percentiles 2
    to 98 where no range is usual."""
    gamma: Annotated[float, GAMMA] | None = None
    """The gamma of a picture of three bands, from 0.2 to 5: more than 1 brightens dark colours. Default: 1, and 1.4 for
    true colour without a stretch."""
    picture: Annotated[list[BandName], Field(max_length=3), ONE_OR_THREE, DISTINCT] | None = None
    """The band, or the three bands (red, green, blue), of the picture of product.bands. Default: all of a product of
    one or three bands; of two, the first; of more, red, green and blue if all are among them, else the first three."""


class Execution(Model):
    """How the request is executed. The mosaic does not depend on it."""

    parallelism: Annotated[int, Field(ge=1, le=1000)] = 8
    """The most parallel pods. Can be changed at any time."""
    retries_per_range: Annotated[int, Field(ge=0, le=20)] = 3
    """Retries of a range of tiles."""
    range_deadline: Annotated[Duration, at_most("1d")] = "15m"
    """Time limit of a pod for a range of tiles; a pod that exceeds it is replaced. At most 1d."""
    deadline: Annotated[Duration, at_most("30d")] = "6h"
    """Time limit of the request, without the time in which it is suspended. At most 30d."""
    ttl_after_finished: Annotated[Duration, at_most("30d")] = "1d"
    """How long Jobs are kept after the request has finished. At most 30d."""
    suspend: bool = False
    """Pause the request. Finished ranges are kept. Can be changed at any time."""
    cancel: bool = False
    """Cancel the request. This cannot be undone."""
    queue: DnsName | None = None
    """The Kueue LocalQueue to wait in."""
    priority_class: DnsName | None = None
    """The PriorityClass of the pods."""


_LISTED = tuple(f"source.{kind.key}" for kind in SOURCE_KINDS if kind.listed)
"""The sources that have an extent of their own."""
_SEARCHED = " || ".join(f"has(self.source.{kind.key})" for kind in SOURCE_KINDS if not kind.listed)
"""Whether the source has none, in CEL."""
_LISTED_FOR_MINUS = tuple(f"minus.{kind.key}" for kind in SOURCE_KINDS if kind.listed)
_SEARCHED_FOR_MINUS = " || ".join(f"has(self.minus.{kind.key})" for kind in SOURCE_KINDS if not kind.listed)
"""As `_SEARCHED`, for `spec.minus` without datetime."""


class MosaicRequestSpec(Model):
    """The requested mosaic. Only execution.parallelism, execution.suspend and execution.cancel can be changed."""

    rules = (
        Rule(
            server=f"has(self.area) || !has(self.source) || !({_SEARCHED})",
            holds=lambda spec: spec.area is not None or spec.source.kind.listed,
            message=f"it is required, except with {' or '.join(_LISTED)}",
            field="area",
        ),
        IN_THE_PICTURE,
        GAMMA_OF_THREE,
        Rule(
            server=f"has(self.area) || !has(self.minus) || !({_SEARCHED_FOR_MINUS})",
            holds=lambda spec: spec.area is not None or all(source.kind.listed for source in spec.sources[1:]),
            message="it is required, because the scenes of minus are searched in it",
            field="area",
        ),
        Rule(
            server=f"!has(self.minus) || !has(self.minus.datetime) || !has(self.source) || {_SEARCHED}",
            holds=lambda spec: spec.minus is None or spec.minus.datetime is None or not spec.source.kind.listed,
            message=f"datetime needs a source that is searched; list the scenes in {' or '.join(_LISTED_FOR_MINUS)}",
            field="minus",
        ),
        Rule(
            server="!has(self.minus) || !has(self.composite) || !self.composite.chosen",
            holds=lambda spec: spec.minus is None or not spec.composite.chosen,
            message="remove composite.chosen, because each pixel of a difference comes from scenes of two mosaics",
            field="minus",
        ),
        Rule(
            server="!has(self.minus) || !has(self.composite) || !self.composite.deviations",
            holds=lambda spec: spec.minus is None or not spec.composite.deviations,
            message="remove composite.deviations, because those of two mosaics have no difference",
            field="minus",
        ),
        GEOMEDIAN_OF_BANDS,
        FLOAT_DEVIATIONS,
        *BESIDE_CLASSES,
    )

    area: Area | None = None
    """The area of interest. Default: the whole extent of source.files."""
    source: Source
    """The source of the scenes."""
    minus: Minus | None = None
    """A second mosaic to subtract, for change between two dates or two mosaics. Both have the same product, composite,
    grid and treatment of unreadable scenes. A pixel has no data where either mosaic has none."""
    product: Product
    """What is computed from the bands."""
    composite: Composite = Composite()
    """How overlapping observations become one."""
    grid: Grid = Grid()
    """The pixel grid of the mosaic."""
    output: Output = Output()
    """The output files."""
    execution: Execution = Execution()
    """How the request is executed."""

    @property
    def subtracted_source(self) -> Source | None:
        """The source of the scenes of `minus`."""
        return None if self.minus is None else self.minus.source_beside(self.source)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all scenes."""
        other = self.subtracted_source
        return (self.source,) if other is None else (self.source, other)
