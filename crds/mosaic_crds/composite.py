"""`spec.composite`: how the observations of a pixel become one value.

METHODS has titles, descriptions, and what the rules of the contract depend on. `mosaic_worker.composites` has the
implementations; a test holds the two equal.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mosaic_crds.fields import DISTINCT, Model, Percent, Rule

Method = Literal[
    "latest", "oldest", "leastCloudy", "greenest", "medoid", "geomedian", "mean", "median", "min", "max", "percentile"
]
Of = Literal["product", "bands"]
Prefer = Literal["newest", "clear"]
Detector = Literal["s2cloudless"]
MaskClass = Literal["cloud", "shadow", "cirrus", "snow", "water"]
Harmonise = Literal["none", "gain", "gainOffset"]
WIDEST_FEATHER = 200_000
"""Metres. A request is also limited to 200 pixels of its grid, which is only known when it is planned."""


@dataclass(frozen=True)
class MethodInfo:
    """The description of a composite method.

    Attributes:
        title: its name in a form.
        description: what each pixel of the mosaic is.
        takes_scenes: whether each pixel comes from one scene, which `chosen` names; of others, it names the nearest.
        takes_first: whether that is the first valid one in the order of the method.
        by_clouds: whether that order is the one of cloud cover.
    """

    title: str
    description: str
    takes_scenes: bool = False
    takes_first: bool = False
    by_clouds: bool = False


METHODS: dict[Method, MethodInfo] = {
    "latest": MethodInfo("Latest", "the newest observation", takes_scenes=True, takes_first=True),
    "oldest": MethodInfo("Oldest", "the oldest observation", takes_scenes=True, takes_first=True),
    "leastCloudy": MethodInfo(
        "Least cloudy",
        "the observation of the scene with the lowest cloud cover",
        takes_scenes=True,
        takes_first=True,
        by_clouds=True,
    ),
    "greenest": MethodInfo(
        "Greenest (maximum NDVI)", "the observation with the highest NDVI, which needs red and nir", takes_scenes=True
    ),
    "medoid": MethodInfo(
        "Medoid (most representative)",
        "the observation whose bands are nearest to those of all others",
        takes_scenes=True,
    ),
    "geomedian": MethodInfo(
        "Geometric median", "the point with the smallest sum of distances to the bands of all observations"
    ),
    "mean": MethodInfo("Mean", "the mean of all observations"),
    "median": MethodInfo("Median", "the median of all observations"),
    "min": MethodInfo("Minimum", "the smallest value of all observations"),
    "max": MethodInfo("Maximum", "the largest value of all observations"),
    "percentile": MethodInfo("Percentile", "the percentile of all observations that composite.percentile gives"),
}
_TAKE_SCENES = [name for name, info in METHODS.items() if info.takes_scenes]
_TAKE_FIRST = [name for name, info in METHODS.items() if info.takes_first]
_BY_CLOUDS = [name for name, info in METHODS.items() if info.by_clouds]
GEOMEDIAN_OF_BANDS = Rule(
    server="!has(self.composite) || !has(self.product) || self.composite.method != 'geomedian' || "
    "has(self.product.bands) || self.composite.of == 'bands'",
    holds=lambda spec: spec.composite.method != "geomedian" or spec.product.bands or spec.composite.of == "bands",
    message="method geomedian composes bands, so set it to bands, or use method median for the values of the product",
    field="composite.of",
)
"""A rule of a spec: the geometric median of single values would be their median."""
FLOAT_DEVIATIONS = Rule(
    server="!has(self.composite) || !has(self.output) || !self.composite.deviations || self.output.dtype == 'float32'",
    holds=lambda spec: not spec.composite.deviations or spec.output.dtype == "float32",
    message="deviations are smaller than the steps of int16, so use output.dtype float32",
    field="composite.deviations",
)
"""A rule of a spec."""


class Composite(Model):
    """How overlapping observations become one."""

    rules = (
        Rule(
            server="has(self.percentile) == (self.method == 'percentile')",
            holds=lambda composite: (composite.percentile is not None) == (composite.method == "percentile"),
            message="set it with method percentile, and only then",
            field="percentile",
        ),
        Rule(
            server="!self.deviations || self.method == 'geomedian'",
            holds=lambda composite: not composite.deviations or composite.method == "geomedian",
            message="it needs method geomedian",
            field="deviations",
        ),
        Rule(
            server=f"!has(self.enough) || !(self.method in {_TAKE_FIRST})",
            holds=lambda composite: composite.enough is None or composite.method not in _TAKE_FIRST,
            message=f"{', '.join(_TAKE_FIRST[:-1])} and {_TAKE_FIRST[-1]} use one observation of each pixel; remove it",
            field="enough",
        ),
        Rule(
            server=f"!has(self.prefer) || has(self.enough) || (self.prefer == 'clear' && self.method in {_BY_CLOUDS})",
            holds=lambda composite: (
                composite.prefer is None
                or composite.enough is not None
                or (composite.prefer == "clear" and composite.method in _BY_CLOUDS)
            ),
            message=f"set it with enough; clear is also allowed with method {' or '.join(_BY_CLOUDS)}",
            field="prefer",
        ),
        Rule(
            server="!has(self.detect) || 'cloud' in self.mask",
            holds=lambda composite: composite.detect is None or "cloud" in composite.mask,
            message="it detects clouds, so mask must contain cloud",
            field="detect",
        ),
        Rule(
            server=f"self.feather == 0.0 || self.method in {_TAKE_SCENES}",
            holds=lambda composite: composite.feather == 0 or composite.method in _TAKE_SCENES,
            message=f"it needs a method that takes whole scenes: {', '.join(_TAKE_SCENES[:-1])} or {_TAKE_SCENES[-1]}",
            field="feather",
        ),
    )

    method: Annotated[
        Method,
        Field(
            description="How the valid observations of a pixel become one. "
            + "; ".join(f"{name}: {info.description}" for name, info in METHODS.items())
            + "."
        ),
    ] = "median"
    percentile: Percent | None = None
    """The percentile, for method percentile."""
    of: Of = "product"
    """product: reduce the values of the product. bands: reduce each band before the product is computed. For methods
    that take whole scenes: whether the scene needs a valid product or only valid bands."""
    enough: Annotated[int, Field(ge=1, le=500)] | None = None
    """Compose only this many valid observations of each pixel: the first ones in the order of `prefer`. Further scenes
    are not read where all pixels have them. count is at most this number."""
    prefer: Prefer | None = None
    """The order of scenes for enough, by default newest. newest: the newest first. clear: the scene first whose mask
    leaves most of the area visible, whatever its cloud cover in the catalogue; with method leastCloudy, this order
    replaces the one by cloud cover. The masks are read once while planning."""
    mask: Annotated[list[MaskClass], Field(max_length=5), DISTINCT] = Field([])
    """Classes to mask, by the masks of the scenes. Masks of EarthDaily have no snow and water; those of Landsat have
    cirrus since Landsat 8."""
    detect: Detector | None = None
    """Detect the clouds of scenes without a mask. s2cloudless: with the model of that package, from ten bands of
    Sentinel-2 Level-1C; the worker must have the package."""
    above: Percent = 40.0
    """Cloud is where its probability in percent is above this value, for masks with values probability and for
    detect."""
    open: Annotated[int, Field(ge=0, le=30)] = 0
    """Open the mask by a disc with this radius in pixels of the grid: what the disc does not fit into, such as single
    bright roofs, is not masked. Before dilate."""
    dilate: Annotated[int, Field(ge=0, le=100)] = 0
    """Buffer the mask by this many pixels of the grid."""
    count: bool = False
    """Add a band with the number of valid observations."""
    chosen: bool = False
    """Add a band with the number of the chosen scene. For methods that do not take whole scenes, that is the one whose
    composed bands are nearest to the composite; of equally near ones the first."""
    deviations: bool = False
    """Add three bands with the median absolute deviations of the observations from the geometric median, for method
    geomedian: emad (Euclidean distance), smad (cosine distance) and bcmad (Bray-Curtis distance)."""
    harmonise: Harmonise = "none"
    """Match the brightness of overlapping scenes. gain: multiply each band of each scene by a number, from 0.8 to 1.25.
    gainOffset: also add a number. They are computed from the overlaps when the request is planned."""
    feather: Annotated[float, Field(ge=0, le=WIDEST_FEATHER)] = 0.0
    """Blend scenes within this many metres of the edges between them; at most 200 pixels of the grid. For methods that
    take whole scenes. The bands with the count and the chosen scene are not blended."""
