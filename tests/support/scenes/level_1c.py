"""A synthetic Sentinel-2 Level-1C scene with the bands that s2cloudless needs, with clouds over land and water."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.scenes.rasters import write_raster

METRES = {
    "coastal": 60, "blue": 10, "red": 10, "rededge071": 20, "nir": 10, "nir08": 20, "nir09": 60, "cirrus": 60,
    "swir16": 20, "swir22": 20,
}  # fmt: skip
IDS = dict(zip(METRES, ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12"), strict=True))
LAND = (0.12, 0.10, 0.07, 0.12, 0.28, 0.30, 0.10, 0.001, 0.20, 0.11)
WATER = (0.11, 0.08, 0.04, 0.035, 0.025, 0.02, 0.01, 0.001, 0.008, 0.006)
CLOUD = (0.60, 0.62, 0.63, 0.65, 0.68, 0.66, 0.35, 0.012, 0.50, 0.40)
"""Typical reflectances at the top of the atmosphere."""
SCALE, OFFSET = 0.0001, -0.1


def level_1c(height: int, width: int, seed: int = 1) -> dict[str, NDArray[np.uint16]]:
    """The stored numbers of each band of a scene with a height and width in pixels of 60 m."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: 6 * height, : 6 * width] / 6
    opacity = np.zeros(rows.shape)
    for _ in range(height * width // 250):
        y, x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(1, 8)
        opacity = np.maximum(opacity, np.clip(1.4 - np.hypot(rows - y, columns - x) / radius, 0, 1))
    water = columns < width / 3
    found = {}
    for name, *typical in zip(METRES, LAND, WATER, CLOUD, strict=True):
        land, lake, cloud = typical
        fine = (np.where(water, lake, land) * (1 - opacity) + cloud * opacity) * rng.normal(1, 0.05, rows.shape)
        step = METRES[name] // 10
        means = fine.reshape(rows.shape[0] // step, step, rows.shape[1] // step, step).mean(axis=(1, 3))
        found[name] = np.rint((means - OFFSET) / SCALE).astype(np.uint16)
    return found


def reflectances(numbers: dict[str, NDArray[np.uint16]]) -> NDArray[np.float32]:
    """The mean reflectances of all bands in pixels of 60 m: (height, width, bands)."""
    found = []
    for name, stored in numbers.items():
        step = 60 // METRES[name]
        blocks = stored.reshape(stored.shape[0] // step, step, stored.shape[1] // step, step).astype(np.float32)
        found.append(blocks.mean(axis=(1, 3), dtype=np.float32) * np.float32(SCALE) + np.float32(OFFSET))
    return np.stack(found, axis=-1)


def write_level_1c(folder: Path, numbers: dict[str, NDArray[np.uint16]]) -> dict[str, Any]:
    """Write the bands as files, and return them as the bands of a scene in a request."""
    bands = {}
    for name, stored in numbers.items():
        path = write_raster(
            folder / f"{IDS[name]}.tif", stored, resolution=METRES[name], blockxsize=256, blockysize=256, tiled=True
        )
        bands[name] = {"href": str(path), "scale": SCALE, "offset": OFFSET, "nodata": 0}
    return bands
