"""The classes of a published mosaic: their pixels and areas, for the Item, the COG, the status and notes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mosaic_crds.classes import NO_CLASS, NO_DATA, ProductClass

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.pixel_area import pixel_area
from mosaic_worker.pixels.bins import bin_edges
from mosaic_worker.pixels.statistics import BandStatistics

EXTENSION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
CLASSES = "classification:classes"
AREA = "mosaic:area"
"""Square metres of a class."""
NO_DATA_NAME, NO_CLASS_NAME = "no-data", "no-class"
NO_CLASS_COLOUR = (192, 192, 192)
"""The colour of values in no class in the COG, whose colour table has no transparency."""
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z_-]+")


@dataclass(frozen=True)
class ClassPixels:
    """The pixels of a class.

    Attributes:
        number: the stored number.
        name: for people.
        colour: as #rrggbb; None for values in no class.
        count: the number of pixels.
        percent: of the pixels with data; 0 without any.
    """

    number: int
    name: str
    colour: str | None
    count: int
    percent: float


def class_pixels(classes: Sequence[ProductClass], band: BandStatistics) -> list[ClassPixels]:
    """The pixels of each class, in order, and of values in no class.

    Each number up to 256 has a bin of its own in the histogram of a band, so counts are exact.
    """
    lower, _ = bin_edges(band.bins, band.first + np.arange(len(band.counts)))
    filled = np.flatnonzero(band.counts)
    counts = {int(lower[place]): int(band.counts[place]) for place in filled}
    named: list[tuple[int, str, str | None]] = [
        (number, each.name, each.colour.lower()) for number, each in enumerate(classes, 1)
    ]
    return [
        ClassPixels(number, name, colour, count, 100 * count / band.valid if band.valid else 0.0)
        for number, name, colour in [*named, (NO_CLASS, "no class", None)]
        for count in [counts.get(number, 0)]
    ]


def band_classes(pixels: Sequence[ClassPixels], grid: Grid) -> list[dict[str, Any]]:
    """`classification:classes` of the band: no data, the classes, and no class."""
    area = pixel_area(grid)
    found: list[dict[str, Any]] = [{"value": NO_DATA, "name": NO_DATA_NAME, "title": "no data", "nodata": True}]
    for each in pixels:
        described: dict[str, Any] = {"value": each.number, "name": _short_name(each), "title": each.name}
        if each.colour is not None:
            described["color_hint"] = each.colour[1:].upper()
        described |= {"count": each.count, "percentage": each.percent}
        if area is not None:
            described[AREA] = round(each.count * area)
        found.append(described)
    return found


def class_notes(pixels: Sequence[ClassPixels]) -> list[str]:
    """A note for the user on values in no class."""
    beyond = pixels[-1]
    if not beyond.count:
        return []
    share = f"{beyond.percent:.1f}" if beyond.percent >= 0.05 else "less than 0.1"
    return [
        f"{share} % of the pixels with data are in no class; they are {NO_CLASS} in the COG and transparent on maps"
    ]


def class_shares(band: dict[str, Any]) -> list[dict[str, Any]]:
    """The classes with their percentages for `status.result`, from a band of an Item; empty if it has none."""
    listed = band.get(CLASSES, [])
    return [{"name": each["title"], "percent": each["percentage"]} for each in listed if "percentage" in each]


def colour_table(classes: Sequence[ProductClass]) -> dict[int, tuple[int, int, int]]:
    """Red, green and blue of the numbers in the COG."""
    return {number: rgb(each.colour) for number, each in enumerate(classes, 1)} | {NO_CLASS: NO_CLASS_COLOUR}


def name_tags(classes: Sequence[ProductClass]) -> dict[str, str]:
    """The names of the classes as GDAL tags of the band, because a GeoTIFF has no category names."""
    return {f"CLASS_{number}": each.name for number, each in enumerate(classes, 1)} | {f"CLASS_{NO_CLASS}": "no class"}


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour in the form #rrggbb."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _short_name(each: ClassPixels) -> str:
    """The name for machines: letters, digits, - and _; unique, because it ends with the number unless it is equal."""
    if each.colour is None:
        return NO_CLASS_NAME
    short = _NOT_IN_NAMES.sub("-", each.name).strip("-")
    is_unique = short == each.name and short not in {NO_DATA_NAME, NO_CLASS_NAME}
    return short if is_unique else f"{short or 'class'}-{each.number}"
