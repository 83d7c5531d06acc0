"""What the map needs of a published mosaic, from its row and its STAC Item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from mosaic_crds.files import COG, PNG
from mosaic_worker.finalize.classes import AREA, CLASSES
from mosaic_worker.finalize.results import Results
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.output.encoding import Dtype, Encoding
from mosaic_worker.output.overviews import Floats
from mosaic_worker.output.palettes import Palette, class_palette
from mosaic_worker.output.stretched import Limits
from mosaic_worker.output.tone import Tone
from mosaic_worker.product.ramps import PLAIN
from numpy.typing import NDArray

from mosaic_api.database import Request
from mosaic_api.web.problems import NotFound

NUMBERS = ((1.0, 255.0),)
"""The stretch of a classified mosaic: numbers of classes are colours."""


@dataclass(frozen=True)
class PublishedClass:
    """A class of a mosaic.

    Attributes:
        number: the stored number.
        name: for people.
        colour: as #rrggbb; None for values in no class.
        percent: of the pixels with data.
        area: square metres; None if it is not known.
    """

    number: int
    name: str
    colour: str | None
    percent: float
    area: float | None


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
        classes: of a classified mosaic; else empty.
        tone: the tone curve of its picture of three bands.
    """

    name: str
    results: Results
    title: str
    grid: Grid
    names: tuple[str, ...]
    shown: tuple[int, ...]
    dtype: Dtype
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    stretch: Limits
    colormap: str
    tone: Tone
    classes: tuple[PublishedClass, ...] = ()

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
        grid, classes = _grid(item), _classes(bands[0])
        look = item["assets"].get(PNG.asset) or item["properties"].get("renders", {}).get("picture", {})
        return cls(
            name=request.name,
            results=Results(request.namespace, request.name, uid),
            title=_title(item) if classes else ", ".join(names[number] for number in shown),
            grid=grid,
            names=names,
            shown=shown,
            dtype=bands[0]["data_type"],
            scales=tuple(band.get("raster:scale", 1.0) for band in bands),
            offsets=tuple(band.get("raster:offset", 0.0) for band in bands),
            stretch=NUMBERS
            if classes
            else look.get("mosaic:stretch") or [_range(bands[number]["statistics"]) for number in shown],
            colormap=look.get("mosaic:colormap", PLAIN.colormap),
            tone=Tone(look.get("mosaic:gamma", 1.0), look.get("mosaic:shoulder", False)),
            classes=classes,
        )

    @property
    def palette(self) -> Palette:
        """The colours of the classes."""
        return class_palette({each.number: each.colour for each in self.classes if each.colour is not None})

    def class_of(self, value: float | None) -> str | None:
        """The name of the class that a number means; None for other mosaics and for no data."""
        return next((each.name for each in self.classes if each.number == value), None)

    @property
    def key(self) -> str:
        """The key of the COG."""
        return self.results.key(COG)

    def values(self, stored: NDArray[np.generic], bands: Sequence[int]) -> Floats:
        """The values of bands, by their positions, from stored numbers (bands, height, width); NaN without data."""
        scales, offsets = (tuple(each[number] for number in bands) for each in (self.scales, self.offsets))
        return Encoding(self.dtype, scales, (), offsets=offsets).values(stored)


def _classes(band: dict[str, Any]) -> tuple[PublishedClass, ...]:
    """The classes of a band in their order, and values in no class; empty if it has none."""
    return tuple(
        PublishedClass(
            number=each["value"],
            name=each["title"],
            colour=f"#{each['color_hint'].lower()}" if "color_hint" in each else None,
            percent=each["percentage"],
            area=each.get(AREA),
        )
        for each in band.get(CLASSES, [])
        if "percentage" in each
    )


def _title(item: dict[str, Any]) -> str:
    """The product of a mosaic of one band."""
    product = item["properties"]["mosaic:product"]
    title: str = product.get("index") or product.get("expression") or product["bands"][0]
    return title


def _grid(item: dict[str, Any]) -> Grid:
    described = item["assets"][COG.asset]
    height, width = described["proj:shape"]
    xres, _, left, _, yres, top = described["proj:transform"][:6]
    crs = item["properties"].get("proj:code") or item["properties"]["proj:wkt2"]
    return Grid(crs, left, top, xres, -yres, width, height)


def _range(statistics: dict[str, float]) -> tuple[float, float]:
    """The minimum and maximum of a band, for Items of earlier versions without a picture."""
    return statistics.get("minimum", 0.0), statistics.get("maximum", 0.0)
