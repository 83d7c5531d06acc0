"""The numbers that mean "no data" in a file.

Numbers that are not finite are no data in every band, so they never need to be stated.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.sources.scenes import Nodata

FILL = 1e30
"""From here on a nodata number is a fill value, which programs write in several roundings: -3.4e38, -3.40282306074e38
and -3.4028234663852886e38 all mean the smallest float32. All numbers at least as large count as it."""
ROUNDING = 1e-3
"""By how much, of itself, a number may be smaller than a fill value and still count as it."""
_LARGEST = float(np.finfo(np.float32).max)


def held(stated: float | None, dtype: str) -> Nodata | None:
    """A stated number as a type holds it; None if there is none, or the type cannot hold it.

    Args:
        stated: the number.
        dtype: numpy's name of the type.
    """
    if stated is None or not math.isfinite(stated):
        return None
    if np.dtype(dtype).kind == "f":
        rounded = dtype == "float32" and abs(stated) <= _LARGEST
        return float(np.float32(stated)) if rounded else float(stated)
    limits = np.iinfo(dtype)
    if stated == float(limits.max):  # the largest numbers of 64 bits have no float of their own
        return int(limits.max)
    return int(stated) if stated == int(stated) and limits.min <= stated <= limits.max else None


def numbers_of(stated: Iterable[float | None], dtype: str) -> tuple[Nodata, ...]:
    """All numbers that mean "no data" in a band, in ascending order.

    Args:
        stated: what the request, the Item and the file state.
        dtype: numpy's name of the stored type.
    """
    found = {number for one in stated if (number := held(one, dtype)) is not None}
    if dtype == "float64":  # numbers that were float32 before have kept the rounding
        found |= {float(np.float32(number)) for number in found if abs(number) <= _LARGEST}
    return tuple(sorted(found))


def is_nodata(numbers: NDArray[Any], nodata: Nodata) -> NDArray[np.bool_]:
    """Which numbers of a band, of any shape, mean "no data" by one of `numbers_of`."""
    if isinstance(nodata, float) and abs(nodata) >= FILL:
        limit = math.copysign(min(abs(nodata), _LARGEST) * (1 - ROUNDING), nodata)
        fill: NDArray[np.bool_] = numbers >= limit if nodata > 0 else numbers <= limit
        return fill
    same: NDArray[np.bool_] = numbers == nodata
    return same
