"""How a mosaic's numbers are stored: their type, scale and "no data"."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.tiling import BLOCK
from mosaic_worker.output.overviews import Floats, Reduction, halve

INT16_NODATA = -32768
OPTIONS = {"compress": "ZSTD", "zstd_level": 1, "tiled": True}


@dataclass(frozen=True)
class Encoding:
    """How the bands of a mosaic are stored.

    Attributes:
        dtype: of all bands.
        scales: for each band, what one unit of the stored numbers stands for.
        reductions: for each band, how overviews are made.
        block: the side of a block, pixels.
    """

    dtype: Literal["float32", "int16"]
    scales: tuple[float, ...]
    reductions: tuple[Reduction, ...]
    block: int = BLOCK

    @property
    def nodata(self) -> float:
        """The stored number that means "no data"."""
        return float("nan") if self.dtype == "float32" else INT16_NODATA

    @property
    def profile(self) -> dict[str, Any]:
        """GDAL's creation options of every GeoTIFF of the mosaic."""
        return OPTIONS | {
            "driver": "GTiff",
            "blockxsize": self.block,
            "blockysize": self.block,
            "count": len(self.scales),
            "dtype": self.dtype,
            "nodata": self.nodata,
            "predictor": 3 if self.dtype == "float32" else 2,
            "interleave": "pixel",
            "photometric": "MINISBLACK",
        }

    def stored(self, values: Floats) -> NDArray[Any]:
        """The numbers that stand for values (bands, height, width); values that do not fit become "no data"."""
        if self.dtype == "float32":
            return values
        scaled = np.rint(values / np.array(self.scales, np.float32)[:, np.newaxis, np.newaxis])
        fits = np.abs(scaled) <= -INT16_NODATA - 1
        return np.where(fits, np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0), INT16_NODATA).astype(np.int16)

    def values(self, stored: NDArray[Any]) -> Floats:
        """The values for which stored numbers (bands, height, width) stand, NaN where there is no data."""
        if self.dtype == "float32":
            return stored.astype(np.float32, copy=False)
        scaled = stored * np.array(self.scales, np.float32)[:, np.newaxis, np.newaxis]
        return np.where(stored == INT16_NODATA, np.float32(np.nan), scaled).astype(np.float32)

    def halved(self, values: Floats) -> Floats:
        """The next overview of values."""
        return halve(values, self.reductions)
