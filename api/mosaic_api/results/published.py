"""What the map needs of a published mosaic, from its row and its STAC Item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from mosaic_crds.files import COG, PNG
from mosaic_worker.finalize.results import Results
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import Floats
from mosaic_worker.output.stretched import Limits
from numpy.typing import NDArray

from mosaic_api.database import Request
from mosaic_api.web.problems import NotFound

USUAL_COLORMAP = "nipy_spectral"
USUAL_PERCENTILES = (2.0, 98.0)
"""For a mosaic without a picture, which has no stretch."""


@dataclass(frozen=True)
class PublishedMosaic:
    """A published mosaic.

    Attributes:
        name: of the request.
        results: its files.
        title: of the product.
        grid: its pixels.
        names: of all bands.
        shown: the positions of the bands of its picture.
        dtype: of the stored numbers.
        scales, offsets: for each band; value = number x scale + offset.
        stretch: for each band of its picture, the values of the first and last colour.
        colormap: of its picture.
    """

    name: str
    results: Results
    title: str
    grid: Grid
    names: tuple[str, ...]
    shown: tuple[int, ...]
    dtype: Literal["float32", "int16"]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    stretch: Limits
    colormap: str

    @classmethod
    def of(cls, request: Request) -> Self:
        """The mosaic of a request.

        Raises:
            NotFound: it is not published.
        """
        item, uid = request.item, request.uid
        if item is None or uid is None:
            raise NotFound(f"the mosaic {request.name} is not published: it is {request.phase.lower()}")
        described = item["assets"][COG.asset]
        bands = described["bands"]
        names = tuple(band["name"] for band in bands)
        shown = tuple(names.index(name) for name in item["properties"]["mosaic:picture"])
        grid = _grid(item)
        picture = item["assets"].get(PNG.asset, {})
        return cls(
            name=request.name,
            results=Results(request.namespace, request.name, uid),
            title=", ".join(names[number] for number in shown),
            grid=grid,
            names=names,
            shown=shown,
            dtype=bands[0]["data_type"],
            scales=tuple(band.get("raster:scale", 1.0) for band in bands),
            offsets=tuple(band.get("raster:offset", 0.0) for band in bands),
            stretch=picture.get("mosaic:stretch") or [_usual_limits(bands[number]) for number in shown],
            colormap=picture.get("mosaic:colormap", USUAL_COLORMAP),
        )

    @property
    def key(self) -> str:
        """The key of the COG."""
        return self.results.key(COG)

    def values(self, stored: NDArray[np.generic], bands: Sequence[int]) -> Floats:
        """The values of bands, by their positions, from stored numbers (bands, height, width); NaN without data."""
        scales, offsets = (tuple(each[number] for number in bands) for each in (self.scales, self.offsets))
        return Encoding(self.dtype, scales, (), offsets=offsets).values(stored)


def _grid(item: dict[str, Any]) -> Grid:
    described = item["assets"][COG.asset]
    height, width = described["proj:shape"]
    xres, _, left, _, yres, top = described["proj:transform"][:6]
    crs = item["properties"].get("proj:code") or item["properties"]["proj:wkt2"]
    return Grid(crs, left, top, xres, -yres, width, height)


def _usual_limits(band: dict[str, Any]) -> tuple[float, float]:
    """The values at the usual percentiles, as precise as the histogram."""
    histogram = band.get("raster:histogram")
    if histogram is None:
        return 0.0, 0.0
    below = np.cumsum(histogram["buckets"])
    edges = np.linspace(histogram["min"], histogram["max"], histogram["count"] + 1)
    lower, upper = (int(np.searchsorted(below, below[-1] * share / 100)) for share in USUAL_PERCENTILES)
    return float(edges[lower]), float(edges[upper + 1])
