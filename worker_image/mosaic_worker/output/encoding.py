"""How a mosaic's numbers are stored: their type, scale and "no data", and compressed blocks made by GDAL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from mosaic_worker.geometry.grid import Grid, crs_of
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

    def geotiff(self, values: Floats, grid: Grid) -> "EncodedLevel":
        """Values on a grid as a GeoTIFF of square blocks."""
        stored = self.stored(values)
        _, height, width = stored.shape
        with MemoryFile() as memory:
            with memory.open(
                width=width, height=height, crs=crs_of(grid.crs), transform=grid.transform, **self.profile
            ) as dataset:
                dataset.write(stored)
            with memory.open() as dataset:
                places = [
                    (
                        int(dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)),
                        int(dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)),
                    )
                    for row in range(-(-height // self.block))
                    for column in range(-(-width // self.block))
                ]
            content = bytes(memory.getbuffer())
        return EncodedLevel(width, height, content, tuple(places))


@dataclass(frozen=True)
class EncodedLevel:
    """A GeoTIFF, and where its blocks are in it: (offset, size), row by row."""

    width: int
    height: int
    content: bytes
    places: tuple[tuple[int, int], ...]

    def blocks(self) -> Sequence[bytes]:
        """The compressed blocks, row by row."""
        return [self.content[offset : offset + size] for offset, size in self.places]
