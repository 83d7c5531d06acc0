"""The details of an image: its size, and its bands with their statistics."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

SAMPLE_SIDE = 1024
"""Maximum width and height in pixels of the overview for the statistics."""
PERCENTILES = (2, 98)
"""Of a band's values, for the first and the last colour."""
LARGEST_BYTE = 255


def details_of(dataset: DatasetReader) -> dict[str, Any]:
    """The size of an image, and its bands except alpha, from its display copy.

    The overviews of that only use valid pixels.
    """
    numbers = [
        number for number, kind in enumerate(dataset.colorinterp, 1) if kind is not ColorInterp.alpha
    ] or dataset.indexes
    return {
        "width": dataset.width,
        "height": dataset.height,
        "crs": dataset.crs.to_string()[:200],
        "resolution": [abs(dataset.transform.a), abs(dataset.transform.e)],
        "palette": ColorInterp.palette in dataset.colorinterp,
        "bands": [_band(dataset, number, len(numbers)) for number in numbers],
    }


def name_of(dataset: DatasetReader, number: int) -> str:
    """The name of a band without control characters."""
    text = dataset.descriptions[number - 1] or f"band {number}"
    return "".join(letter for letter in text if letter.isprintable())[:100]


def calibration_of(dataset: DatasetReader, number: int) -> tuple[float, float]:
    """Scale and offset of a band: value = number x scale + offset."""
    scale, offset = float(dataset.scales[number - 1]), float(dataset.offsets[number - 1])
    return (scale, offset) if math.isfinite(scale) and math.isfinite(offset) and scale != 0 else (1.0, 0.0)


def nodata_of(dataset: DatasetReader) -> float | None:
    """The nodata value of an image; None if it has none, or one outside the range of its type."""
    nodata: float | None = dataset.nodata
    dtype = np.dtype(dataset.dtypes[0])
    if nodata is None or np.issubdtype(dtype, np.floating):
        return nodata
    limits = np.iinfo(dtype)
    return nodata if math.isfinite(nodata) and nodata % 1 == 0 and limits.min <= nodata <= limits.max else None


def _band(dataset: DatasetReader, number: int, of: int) -> dict[str, Any]:
    """A band with the statistics of its calibrated values in an overview."""
    described: dict[str, Any] = {
        "number": number,
        "name": name_of(dataset, number),
        "type": dataset.dtypes[number - 1],
    }
    scale, offset = calibration_of(dataset, number)
    if (scale, offset) != (1.0, 0.0):
        described |= {"scale": scale, "offset": offset}
    values = _valid(dataset, number) * scale + offset
    values = values[np.isfinite(values)]
    if values.size == 0:
        return described
    whole = of >= 3 and described["type"] == "uint8"  # a picture: its bytes are colours
    stretch = sorted((offset, LARGEST_BYTE * scale + offset)) if whole else _stretch(values)
    return described | {
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean()),
        "stretch": list(stretch),
    }


def _valid(dataset: DatasetReader, number: int) -> NDArray[np.float64]:
    """The stored numbers of the valid pixels of a band, (n,)."""
    shrink = max(1.0, dataset.width / SAMPLE_SIDE, dataset.height / SAMPLE_SIDE)
    shape = (max(1, round(dataset.height / shrink)), max(1, round(dataset.width / shrink)))
    masked = MaskFlags.all_valid not in dataset.mask_flag_enums[number - 1]
    values = dataset.read(number, out_shape=shape, masked=masked)
    valid: NDArray[np.float64] = (values.compressed() if masked else values.ravel()).astype(np.float64)
    return valid


def _stretch(values: NDArray[np.float64]) -> Sequence[float]:
    """The values of the first and the last colour. They differ, so that a band of one value is not black."""
    lower, upper = map(float, np.percentile(values, PERCENTILES))
    if lower == upper:
        lower, upper = float(values.min()), float(values.max())
    if lower == upper:
        half = max(0.5, abs(lower) * 1e-6)
        return lower - half, upper + half
    return lower, upper
