"""Encodings of masks: which numbers are clouds, shadows and other classes.

A probability of cloud has the type of its numbers: integers are percent, from 0 to 100, and floating-point numbers are
from 0 to 1. Other numbers, such as 255, are no probabilities, so there the mask has no data.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mosaic_crds.composite import Composite, MaskClass
from mosaic_crds.source import MaskValues
from numpy.typing import NDArray

CLEAR, FLAGGED, UNKNOWN = 1, 2, 0
"""Codes of a mask. UNKNOWN is the lowest, and what GDAL returns outside an image."""


@dataclass(frozen=True)
class Legend:
    """The encoding of a mask layer.

    Attributes:
        classes: numbers, or positions of bits, by the class names of composite.mask.
        no_data: numbers, or positions of bits, that mean "no data".
        bits: whether numbers are sets of bits.
        fill: the number that means "no data", if no bit does.
        caveat: a caveat for users, as the end of a sentence.
        caveat_class: the class that the caveat is about; None for all.
    """

    classes: dict[str, tuple[int, ...]]
    no_data: tuple[int, ...]
    bits: bool = False
    fill: int | None = None
    caveat: str = ""
    caveat_class: str | None = None

    def holds(self, numbers: NDArray[np.integer], wanted: Sequence[int]) -> NDArray[np.bool_]:
        """Which pixels have one of several classes or bits; any shape."""
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
        caveat="Fmask, in which HLS 2.0 does not flag cirrus",
        caveat_class="cirrus",
    ),
    "earthDaily": Legend(
        {"cloud": (2,), "shadow": (3,), "cirrus": (4,)},
        no_data=(0,),
        caveat="read as masks of EarthDaily: 1 clear, 2 cloud, 3 shadow, 4 thin cloud; not documented for mosaics, "
        "so compare the result with the masks",
    ),
}
"""Encodings by mask.values of a request.

scl: Sentinel-2 Level-2A scene classification: clouds of medium and high probability, cloud shadows, thin cirrus, snow
or ice, water (Sentinel-2 Products Specification Document, Level-2A).
qaPixel: QA_PIXEL of Landsat Collection 2: cloud and dilated cloud, which bit 6, "clear", excludes too; cirrus since
Landsat 8 (Landsat 8-9 Collection 2 Level 2 Science Product Guide, LSDS-1619).
fmask: Fmask of HLS: cloud, and what is adjacent to cloud or its shadow, like QA_PIXEL's dilated cloud; 255 is fill. HLS
2.0 reserves the bit of cirrus and does not set it; bits 6 and 7 are the aerosol level (HLS User Guide V2).
earthDaily: EarthDaily's cloud masks: 1 is clear, 4 thin cloud (docs/decisions, "Masks of other kinds").
"""


def classes_of(values: MaskValues) -> Collection[str] | None:
    """The classes that masks of a kind have; None for masks without classes."""
    if values == "probability":
        return ("cloud",)
    return LEGENDS[values].classes if values in LEGENDS else None


def undetected_classes(values: MaskValues, classes: Sequence[MaskClass]) -> list[str]:
    """The classes that masks of a kind lack; none for masks without classes."""
    known = classes_of(values)
    return [name for name in classes if known is not None and name not in known]


def mask_codes(numbers: NDArray[Any], values: MaskValues, composite: Composite) -> NDArray[np.uint8]:
    """Convert a mask to codes: uint8 of the same shape, each CLEAR, FLAGGED or UNKNOWN.

    Args:
        numbers: the mask, any shape.
        values: its encoding, as in mask.values of a request.
        composite: has the classes to flag, which masks without classes ignore, and the probability above which cloud is
            flagged.
    """
    if numbers.dtype == np.uint8 and numbers.size > 256:
        codes: NDArray[np.uint8] = mask_codes(np.arange(256, dtype=np.uint8), values, composite)[numbers]
        return codes
    codes = np.full(numbers.shape, CLEAR, np.uint8)
    if values == "probability":
        most = 1.0 if numbers.dtype.kind == "f" else 100.0
        codes[numbers > composite.above * most / 100] = FLAGGED
        codes[(numbers < 0) | (numbers > most)] = UNKNOWN
    elif values in LEGENDS:
        legend = LEGENDS[values]
        flagged = [number for name in composite.mask for number in legend.classes[name]]
        codes[legend.holds(numbers, flagged)] = FLAGGED
        codes[legend.holds(numbers, legend.no_data)] = UNKNOWN
        if legend.fill is not None:
            codes[numbers == legend.fill] = UNKNOWN
    else:
        codes[(numbers == 0) == (values == "zero")] = FLAGGED
    if numbers.dtype.kind == "f":
        codes[~np.isfinite(numbers)] = UNKNOWN
    return codes
