"""Writes synthetic Sentinel-2 scenes, labelled as such, for the demo and the samples."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.synthetic.item import write_item
from mosaic_worker.synthetic.landscape import Floats, Landscape, cloud_cover, landscape, reflectances, shares

CRS = "EPSG:32609"
CORNER = (600_000, 5_720_000)
"""Upper left corner of the first scene, in British Columbia."""
FIRST_DAY = datetime(2024, 7, 1, 19, 29, 11, tzinfo=UTC)
CLOUDS = (0.04, 0.12, 0.25, 0.08, 0.4)
"""Cloud cover of the scenes, repeated."""
LABEL = "Synthetic scene for tests and demonstrations; not an observation"
FILES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11"}
SCALE, OFFSET, NODATA = 0.0001, -0.1, 0
"""Reflectance = scale x number + offset, as in Sentinel-2 products since baseline 04.00."""
SENSOR_NOISE = 12
"""Standard deviation, in numbers."""
JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
COG = {"driver": "COG", "COMPRESS": "DEFLATE", "PREDICTOR": "YES", "BLOCKSIZE": "512"}


@dataclass(frozen=True)
class SceneOptions:
    """Name, time, position and cloud cover of a scene."""

    name: str
    taken: datetime
    column: int
    row: int
    clouds: float


def write_scenes(folder: Path, *, count: int = 1, side: int = 2048, seed: int = 0) -> Iterator[Path]:
    """Write overlapping scenes of a landscape at increasing times. The same arguments result in the same files.

    Args:
        folder: the parent of the folders S2_SYNTHETIC_n.
        count: the number of scenes.
        side: pixels of 10 m; a multiple of 4.
        seed: the seed of the landscape.

    Yields:
        The path of the STAC Item (item.json) of each complete scene.
    """
    ground = landscape(2 * side, seed)
    for number in range(count):
        options = SceneOptions(
            name=f"S2_SYNTHETIC_{number + 1}",
            taken=FIRST_DAY + timedelta(days=5 * number),
            column=number * side * 3 // 8 // 4 * 4,
            row=(number % 2) * side // 4 // 4 * 4,
            clouds=CLOUDS[number % len(CLOUDS)],
        )
        rng = np.random.default_rng([seed, 2, number])
        yield _write_scene(folder / options.name, _cut(ground, options, side), options, side, rng)


def _cut(ground: Landscape, options: SceneOptions, side: int) -> Landscape:
    """The part of the landscape in a scene; the landscape is periodic."""
    rows = (options.row + np.arange(side)) % len(ground.height)
    columns = (options.column + np.arange(side)) % len(ground.height)
    place = np.ix_(rows, columns)
    return Landscape(ground.height[place], ground.texture[place], ground.light[place])


def _write_scene(folder: Path, ground: Landscape, options: SceneOptions, side: int, rng: np.random.Generator) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    covers = shares(ground)
    clouds, shadows = cloud_cover(rng, side, options.clouds)
    outside = _outside_swath(side)
    left, top = CORNER[0] + 10 * options.column, CORNER[1] - 10 * options.row
    grid = Grid(CRS, left, top, 10, 10, side, side)
    coarse = grid.reduced(2)
    layers: dict[str, tuple[NDArray[Any], Grid]] = {}
    for band, values in reflectances(ground, covers, clouds, shadows).items():
        if band == "swir16":
            layers[FILES[band]] = (_numbers(_halved(values), outside[::2, ::2], rng), coarse)
        else:
            layers[FILES[band]] = (_numbers(values, outside, rng), grid)
    classes = _classes(covers, clouds, shadows, outside)
    layers["SCL"] = (classes, coarse)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda layer: _write_files(folder, *layer), layers.items()))
    cloudy = 100 * np.isin(classes, [8, 9, 10]).mean() / (classes != 0).mean()
    return write_item(folder, options.name, options.taken, grid, round(float(cloudy), 2), LABEL)


def _outside_swath(side: int) -> NDArray[np.bool_]:
    """The corner outside the swath; whole pixels of 20 m."""
    rows, columns = np.ogrid[0 : side // 2, 0 : side // 2]
    missed = columns < 0.08 * side - 0.35 * rows
    return np.asarray(missed.repeat(2, 0).repeat(2, 1))


def _halved(values: NDArray[Any]) -> Floats:
    height, width = values.shape
    means: Floats = values.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    return means


def _numbers(values: Floats, outside: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Reflectances as stored numbers, with sensor noise."""
    noisy = (values - OFFSET) / SCALE + SENSOR_NOISE * rng.standard_normal(values.shape, dtype=np.float32)
    return np.where(outside, NODATA, np.clip(np.rint(noisy), 1, 65535)).astype(np.uint16)


def _classes(
    covers: dict[str, Floats], clouds: Floats, shadows: Floats, outside: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The scene classification of Sentinel-2 Level-2A at 20 m."""
    found = np.full((clouds.shape[0] // 2, clouds.shape[1] // 2), 4, np.uint8)
    for name, number in (("rock", 5), ("water", 6), ("snow", 11)):
        found[_halved(covers[name]) > 0.5] = number
    thick = _halved(clouds)
    found[_halved(shadows) > 0.2] = 3
    for edge, number in ((0.04, 10), (0.3, 8), (0.7, 9)):
        found[thick > edge] = number
    found[outside[::2, ::2]] = 0
    return found


def _write_files(folder: Path, name: str, layer: tuple[NDArray[Any], Grid]) -> None:
    """Write a band as lossless JPEG 2000 and as COG."""
    numbers, grid = layer
    profile = {
        "width": grid.width,
        "height": grid.height,
        "count": 1,
        "dtype": numbers.dtype,
        "crs": grid.crs,
        "transform": from_origin(grid.left, grid.top, grid.xres, grid.yres),
    }
    for suffix, options in (("jp2", JP2), ("tif", COG | {"nodata": NODATA})):
        with rasterio.open(folder / f"{name}.{suffix}", "w", **profile, **options) as dataset:
            dataset.write(numbers, 1)
            dataset.update_tags(TIFFTAG_IMAGEDESCRIPTION=LABEL)
