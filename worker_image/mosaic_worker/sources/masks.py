"""Masks: which numbers of a mask layer are clouds, shadows and the like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEAR, FLAGGED, UNKNOWN = 1, 2, 0
"""Codes of a mask; unknown is what GDAL gives beyond an image, and less than the others where the most counts."""


@dataclass(frozen=True)
class Legend:
    """What the numbers of a mask layer mean.

    Attributes:
        classes: numbers, or places of bits, by the names that composite.mask has for classes.
        no_data: numbers, or places of bits, that say that nothing is known.
        bits: whether a number is a set of bits instead of a class.
        fill: the number that says that nothing is known, where bits do not.
        caveat: what a user should know of such masks, as the end of a sentence.
        caveat_class: the class that the caveat is about; None if it is about all.
    """

    classes: dict[str, tuple[int, ...]]
    no_data: tuple[int, ...]
    bits: bool = False
    fill: int | None = None
    caveat: str = ""
    caveat_class: str | None = None

    def holds(self, numbers: NDArray[np.integer], wanted: Sequence[int]) -> NDArray[np.bool_]:
        """Which pixels are of one of several classes, or have one of several bits; any shape."""
        found: NDArray[np.bool_] = (
            (numbers & sum(1 << place for place in wanted)) != 0 if self.bits else np.isin(numbers, wanted)
        )
        return found


LEGENDS = {
    "scl": Legend({"cloud": (8, 9), "shadow": (3,), "cirrus": (10,), "snow": (11,), "water": (6,)}, no_data=(0,)),
    "qaPixel": Legend(
        {"cloud": (3, 1), "shadow": (4,), "cirrus": (2,), "snow": (5,), "water": (7,)}, no_data=(0,), bits=True
    ),
    "fmask": Legend(
        {"cloud": (1, 2), "shadow": (3,), "cirrus": (0,), "snow": (4,), "water": (5,)},
        no_data=(),
        bits=True,
        fill=255,
        caveat="Fmask, in which HLS 2.0 flags no cirrus",
        caveat_class="cirrus",
    ),
    "earthDaily": Legend(
        {"cloud": (2,), "shadow": (3,), "cirrus": (4,)},
        no_data=(0,),
        caveat="read as EarthDaily's: 1 clear, 2 cloud, 3 shadow, 4 thin cloud; it publishes no such list for mosaics, "
        "so compare the result with them",
    ),
}
"""By mask.values of a request.

scl: Sentinel-2 Level-2A scene classification: clouds of medium and high probability, cloud shadows, thin cirrus, snow
or ice, water (Sentinel-2 Products Specification Document, Level-2A).
qaPixel: QA_PIXEL of Landsat Collection 2: cloud and dilated cloud, which its own bit 6, "clear", excludes as well;
cirrus since Landsat 8 (Landsat 8-9 Collection 2 Level 2 Science Product Guide, LSDS-1619).
fmask: Fmask of HLS: cloud, and what is adjacent to cloud or its shadow, like QA_PIXEL's dilated cloud; 255 is fill. HLS
2.0 reserves the bit of cirrus and does not set it; bits 6 and 7 are the aerosol level (HLS User Guide V2).
earthDaily: EarthDaily's cloud masks: 1 is clear, 4 thin cloud (docs/decisions, "Masks of other kinds").
"""


def undetected_classes(values: str, classes: Sequence[str]) -> list[str]:
    """The classes that masks of a kind do not tell, if they tell any by name."""
    return [name for name in classes if values in LEGENDS and name not in LEGENDS[values].classes]


def mask_warnings(kinds: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What masks cannot tell.

    Args:
        kinds: that of each scene's mask, as in mask.values of a request.
        classes: what is to be flagged, by the names of composite.mask.
    """
    found = []
    single = sum(kind not in LEGENDS for kind in kinds)
    if single and classes:
        found.append(
            f"the masks of {single} scene(s) do not distinguish classes: everything that they flag is masked, "
            f"whether it is {' or '.join(classes)} or not"
        )
    for kind, legend in LEGENDS.items():
        if kind in kinds and legend.caveat and (legend.caveat_class is None or legend.caveat_class in classes):
            found.append(f"the masks of {kinds.count(kind)} scene(s) are {legend.caveat}")
    return found


def mask_codes(numbers: NDArray[Any], values: str, classes: Sequence[str]) -> NDArray[np.uint8]:
    """What the numbers of a mask layer say: uint8 of the same shape, each CLEAR, FLAGGED or UNKNOWN.

    Args:
        numbers: any shape.
        values: their kind, as in mask.values of a request.
        classes: what is to be flagged, by the names of composite.mask; a mask of one class flags that one.
    """
    codes = np.full(numbers.shape, CLEAR, np.uint8)
    if values in LEGENDS:
        legend = LEGENDS[values]
        codes[legend.holds(numbers, [number for name in classes for number in legend.classes[name]])] = FLAGGED
        codes[legend.holds(numbers, legend.no_data)] = UNKNOWN
        if legend.fill is not None:
            codes[numbers == legend.fill] = UNKNOWN
    else:
        codes[(numbers == 0) == (values == "zero")] = FLAGGED
    if numbers.dtype.kind == "f":
        codes[~np.isfinite(numbers)] = UNKNOWN
    return codes
