"""Small georeferenced files for tests."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin


def write_raster(
    path: Path,
    values: NDArray[np.generic],
    *,
    left: float = 500_000,
    top: float = 5_000_000,
    resolution: float = 10,
    crs: str = "EPSG:32633",
    nodata: float | None = None,
    driver: str = "GTiff",
    **options: object,
) -> Path:
    """Write an array of (height, width) or (bands, height, width)."""
    bands = values if values.ndim == 3 else values[np.newaxis]
    path.parent.mkdir(parents=True, exist_ok=True)
    if driver == "JP2OpenJPEG":
        options = {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"} | options
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=bands.shape[0],
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype,
        crs=crs,
        transform=from_origin(left, top, resolution, resolution),
        nodata=nodata,
        **options,
    ) as dataset:
        dataset.write(bands)
    return path


def noise(height: int, width: int, seed: int = 0, low: int = 1, high: int = 10_000) -> NDArray[np.uint16]:
    """Stored numbers of a band."""
    return np.random.default_rng(seed).integers(low, high, (height, width)).astype(np.uint16)
