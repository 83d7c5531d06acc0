"""How the values of a mosaic are stored: data type, scale, offset and "no data"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from mosaic_crds.classes import NO_DATA
from numpy.typing import NDArray

from mosaic_worker.geometry.tiling import BLOCK
from mosaic_worker.output.overviews import Floats, Reduction, halve

INT16_NODATA = -32768
INT16_LARGEST = 32767
"""The range is symmetric."""
PREDICTORS = {"float32": 3, "int16": 2, "uint8": 1}
OPTIONS = {"compress": "ZSTD", "zstd_level": 1, "tiled": True}


Dtype = Literal["float32", "int16", "uint8"]


@dataclass(frozen=True)
class Encoding:
    """How the bands of a mosaic are stored.

    Attributes:
        dtype: the data type of all bands; uint8 for numbers of classes.
        scales: for each band; value = scale x number + offset.
        reductions: for each band, the reduction of overviews.
        block: the side of a block, pixels.
        offsets: for each band; 0 for all if empty.
    """

    dtype: Dtype
    scales: tuple[float, ...]
    reductions: tuple[Reduction, ...]
    block: int = BLOCK
    offsets: tuple[float, ...] = ()

    def of(self, bands: Sequence[int]) -> "Encoding":
        """The encoding of some bands, by their positions."""
        return replace(
            self,
            scales=tuple(self.scales[number] for number in bands),
            reductions=tuple(self.reductions[number] for number in bands),
            offsets=tuple(self.offsets[number] for number in bands) if self.offsets else (),
        )

    @property
    def nodata(self) -> float:
        """The stored number that means "no data"."""
        return {"float32": float("nan"), "int16": INT16_NODATA, "uint8": NO_DATA}[self.dtype]

    @property
    def profile(self) -> dict[str, Any]:
        """The GDAL creation options of all GeoTIFFs of the mosaic."""
        return OPTIONS | {
            "driver": "GTiff",
            "blockxsize": self.block,
            "blockysize": self.block,
            "count": len(self.scales),
            "dtype": self.dtype,
            "nodata": self.nodata,
            "predictor": PREDICTORS[self.dtype],
            "interleave": "pixel",
            "photometric": "MINISBLACK",
        }

    def stored(self, values: Floats) -> NDArray[Any]:
        """The stored numbers of values (bands, height, width); values that do not fit become "no data"."""
        if self.dtype == "float32":
            return values
        if self.dtype == "uint8":
            return np.nan_to_num(values, nan=NO_DATA).astype(np.uint8)
        scaled = self._scaled(values)
        scaled[~(np.abs(scaled) <= INT16_LARGEST)] = INT16_NODATA
        return scaled.astype(np.int16)

    def fitting(self, values: Floats) -> tuple[Floats, tuple[int, ...]]:
        """The values, float32 (bands, height, width), with NaN for those that do not fit, and their number per band."""
        if self.dtype != "int16":
            return values, (0,) * len(values)
        beyond = np.abs(self._scaled(values)) > INT16_LARGEST
        counts = tuple(int(count) for count in np.count_nonzero(beyond, axis=(1, 2)))
        return (np.where(beyond, np.float32(np.nan), values) if any(counts) else values), counts

    def range_of(self, band: int) -> tuple[float, float]:
        """The range of the values of a band of int16."""
        offset = self.offsets[band] if self.offsets else 0.0
        return offset - INT16_LARGEST * self.scales[band], offset + INT16_LARGEST * self.scales[band]

    def values(self, stored: NDArray[Any]) -> Floats:
        """The values of stored numbers (bands, height, width), NaN for no data."""
        if self.dtype == "float32":
            return stored.astype(np.float32, copy=False)
        if self.dtype == "uint8":
            return np.where(stored == NO_DATA, np.float32(np.nan), stored.astype(np.float32))
        if any(self.offsets):
            values: Floats = (stored * _column(self.scales) + _column(self.offsets)).astype(np.float32)
        else:
            values = stored * _column(self.scales).astype(np.float32)
        values[stored == INT16_NODATA] = np.nan
        return values

    def _scaled(self, values: Floats) -> NDArray[np.floating]:
        """Values in stored units; float64 if there is an offset, to keep precision."""
        with np.errstate(over="ignore"):
            if any(self.offsets):
                scaled: NDArray[Any] = (values - _column(self.offsets)) / _column(self.scales)
            else:
                scaled = values / _column(self.scales).astype(np.float32)
            np.rint(scaled, out=scaled)
        return scaled

    def halved(self, values: Floats) -> Floats:
        """The next overview of values."""
        return halve(values, self.reductions)


def _column(numbers: tuple[float, ...]) -> NDArray[np.float64]:
    """A number per band, for arrays (bands, height, width)."""
    return np.array(numbers)[:, np.newaxis, np.newaxis]
