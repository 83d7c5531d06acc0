"""The numbers that mean "no data" in a file, in addition to non-finite numbers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.sources.scenes import Nodata

FILL = 1e30
"""Larger nodata numbers are fill values, which programs round differently: -3.4e38, -3.40282306074e38 and
-3.4028234663852886e38 all mean the smallest float32. All numbers beyond count as the fill value."""
ROUNDING = 1e-3
"""Relative tolerance of fill values."""
_LARGEST = float(np.finfo(np.float32).max)


def held(stated: float | None, dtype: str) -> Nodata | None:
    """A stated number in a type (numpy name); None if there is none, or the type cannot represent it."""
    if stated is None or not math.isfinite(stated):
        return None
    if np.dtype(dtype).kind == "f":
        rounded = dtype == "float32" and abs(stated) <= _LARGEST
        return float(np.float32(stated)) if rounded else float(stated)
    limits = np.iinfo(dtype)
    if stated == float(limits.max):  # the largest 64-bit integers are not exact as float
        return int(limits.max)
    return int(stated) if stated == int(stated) and limits.min <= stated <= limits.max else None


def numbers_of(stated: Iterable[float | None], dtype: str) -> tuple[Nodata, ...]:
    """All stated numbers that mean "no data" in a band of a type (numpy name), in ascending order."""
    found = {number for one in stated if (number := held(one, dtype)) is not None}
    if dtype == "float64":  # numbers that were float32 before are still rounded
        found |= {float(np.float32(number)) for number in found if abs(number) <= _LARGEST}
    return tuple(sorted(found))


def is_nodata(numbers: NDArray[Any], nodata: Nodata) -> NDArray[np.bool_]:
    """Where an array of any shape has a nodata number of `numbers_of`."""
    if isinstance(nodata, float) and abs(nodata) >= FILL:
        limit = math.copysign(min(abs(nodata), _LARGEST) * (1 - ROUNDING), nodata)
        fill: NDArray[np.bool_] = numbers >= limit if nodata > 0 else numbers <= limit
        return fill
    same: NDArray[np.bool_] = numbers == nodata
    return same
