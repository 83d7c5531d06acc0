"""Scenes for benchmarks, made once outside the tree: noise with the entropy of real Sentinel-2 files.

A smooth gradient would be too easy to compress and decode. Here the spectrum falls as in real landscapes, snow is
bright with sharp edges, every pixel has sensor noise, and one corner has no data.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.synthetic.item import write_item
from mosaic_worker.synthetic.landscape import fractal
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.windows import Window

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mosaic-operator" / "bench-2"
"""Increase this number when the scenes change."""
CRS = "EPSG:32609"
LEFT, TOP = 699_960, 5_700_000
SIDE = 5490
"""Pixels of 20 m along a side of a Sentinel-2 tile."""
MEAN, SPREAD = {"green": 900, "swir16": 1400, "red": 800, "nir": 2400}, 300
SNOW = {"green": 8000, "swir16": 900, "red": 7800, "nir": 7000}
SENSOR_NOISE = 40
OFFSET = 1000
"""Added to the numbers of scenes with Items, which state an offset of -0.1; without it, NDVI would be out of range."""
JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "blockxsize": 640, "blockysize": 640}
COG = {"driver": "COG", "COMPRESS": "DEFLATE", "PREDICTOR": "YES", "BLOCKSIZE": 512, "OVERVIEWS": "AUTO"}
TILED = {"driver": "GTiff", "TILED": True, "BLOCKXSIZE": 512, "BLOCKYSIZE": 512, "COMPRESS": "ZSTD", "PREDICTOR": 2}

Numbers = NDArray[np.uint16]


def made(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of scenes; makes them unless it is complete."""
    folder = CACHE / name
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        (folder / ".complete").touch()
    return folder


def ground(side: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The texture of a landscape in standard deviations, and a mask of snow."""
    rng = np.random.default_rng([seed, 1])
    return fractal(rng, side, 1.3), fractal(rng, side, 2.0) > 1


def numbers(band: str, texture: NDArray[np.float32], snow: NDArray[np.bool_], seed: int) -> Numbers:
    """The stored numbers of a band for a landscape: 0 in the corner without data."""
    rng = np.random.default_rng([seed, *band.encode()])
    values = MEAN[band] + SPREAD * texture + SNOW[band] * snow
    values += SENSOR_NOISE * rng.standard_normal(texture.shape, dtype=np.float32)
    found = np.clip(np.rint(values), 1, 65535).astype(np.uint16)
    rows, columns = np.ogrid[: texture.shape[0], : texture.shape[1]]
    found[columns < 0.08 * texture.shape[1] - 0.35 * rows] = 0
    return found


def write(
    path: Path, values: NDArray[Any], resolution: float, options: dict[str, Any], left: float, top: float
) -> None:
    """The image has 0 for "no data"."""
    height, width = values.shape
    profile = {"width": width, "height": height, "count": 1, "dtype": values.dtype, "crs": CRS}
    nodata = {} if options is JP2 else {"nodata": 0}
    place = from_origin(left, top, resolution, resolution)
    with rasterio.open(path, "w", **profile, **nodata, **options, transform=place) as dataset:
        dataset.write(values, 1)


def pair() -> Path:
    """Green and swir16 of one scene, 5490 x 5490, as lossless JPEG 2000 and as COG."""

    def make(folder: Path) -> None:
        texture, snow = ground(SIDE, 0)
        for band in ("green", "swir16"):
            values = numbers(band, texture, snow, 0)
            write(folder / f"{band}.jp2", values, 20, JP2, LEFT, TOP)
            write(folder / f"{band}.tif", values, 20, COG, LEFT, TOP)

    return made("pair", make)


STACK_SIDE, STACK_SHIFT, STACK_COUNT = 5120, 160, 5


def stack() -> Path:
    """Five overlapping scenes of 5120 x 5120 pixels of 10 m, each with red, nir and a classification, with Items."""

    def make(folder: Path) -> None:
        whole = STACK_SIDE + STACK_SHIFT * STACK_COUNT
        texture, snow = ground(whole, 1)
        for number in range(STACK_COUNT):
            shift = STACK_SHIFT * number
            place = np.s_[shift : shift + STACK_SIDE, shift : shift + STACK_SIDE]
            clouds = fractal(np.random.default_rng([2, number]), STACK_SIDE // 2, 2.0) > 0.9
            _scene(folder / f"S2_BENCH_{number + 1}", number, shift, texture[place], snow[place], clouds)

    return made("stack", make)


CLOUDY_SIDE, CLOUDY_COUNT = 2048, 30
CLOUDY = (0.6, 0.8)
"""The least and the greatest share of clouds in a cloudy scene."""


def cloudy() -> Path:
    """Thirty scenes of the same 2048 x 2048 pixels of 10 m, mostly under clouds, with Items."""

    def make(folder: Path) -> None:
        texture, snow = ground(CLOUDY_SIDE, 4)
        for number in range(CLOUDY_COUNT):
            rng = np.random.default_rng([4, number])
            field = fractal(rng, CLOUDY_SIDE // 2, 2.0)
            clouds = field > np.quantile(field, 1 - rng.uniform(*CLOUDY))
            _scene(folder / f"S2_CLOUDY_{number + 1:02}", number, 0, texture, snow, clouds)

    return made("cloudy", make)


SEASON_COUNT = 20
SEASON_CLOUDS = 0.9
"""The greatest share of clouds in a scene of the season."""


def season() -> Path:
    """Twenty scenes of the same 2048 x 2048 pixels of 10 m, from clear to mostly under clouds, with Items."""

    def make(folder: Path) -> None:
        texture, snow = ground(CLOUDY_SIDE, 5)
        shares = np.random.default_rng(5).permutation(np.linspace(0, SEASON_CLOUDS, SEASON_COUNT))
        for number, share in enumerate(shares):
            field = fractal(np.random.default_rng([5, number]), CLOUDY_SIDE // 2, 2.0)
            clouds = field > np.quantile(field, 1 - share)
            _scene(folder / f"S2_SEASON_{number + 1:02}", number, 0, texture, snow, clouds)

    return made("season", make)


def _scene(
    folder: Path,
    number: int,
    shift: int,
    texture: NDArray[np.float32],
    snow: NDArray[np.bool_],
    clouds: NDArray[np.bool_],
) -> None:
    """Write a scene and its Item; the clouds have pixels of 20 m."""
    folder.mkdir(exist_ok=True)
    side = len(texture)
    left, top = LEFT + 10 * shift, TOP - 10 * shift
    classes = np.where(clouds, 9, 4).astype(np.uint8)
    for band, file in (("red", "B04"), ("nir", "B08")):
        values = numbers(band, texture, snow, number)
        values[values > 0] += OFFSET
        values[clouds.repeat(2, 0).repeat(2, 1) & (values > 0)] += 4000
        classes[values[::2, ::2] == 0] = 0
        write(folder / f"{file}.tif", values, 10, COG, left, top)
    write(folder / "SCL.tif", classes, 20, COG, left, top)
    grid = Grid(CRS, left, top, 10, 10, side, side)
    taken = datetime(2024, 7, 1, 19, tzinfo=UTC) + timedelta(days=5 * number)
    item = json.loads(write_item(folder, folder.name, taken, grid, 18.0, "synthetic").read_text())
    item["assets"] = {name: asset for name, asset in item["assets"].items() if name in {"red", "nir", "scl"}}
    (folder / "item.json").write_text(json.dumps(item))


def square(side: int) -> Path:
    """Green and swir16 of a square of any size, repeating a pattern of 4096 x 4096 pixels."""

    def make(folder: Path) -> None:
        texture, snow = ground(4096, 3)
        for band in ("green", "swir16"):
            pattern = numbers(band, texture, snow, 3)
            profile = {"width": side, "height": side, "count": 1, "dtype": "uint16", "crs": CRS, "nodata": 0}
            place = from_origin(LEFT, TOP, 10, 10)
            with rasterio.open(folder / f"{band}.tif", "w", **profile, **TILED, BIGTIFF="YES", transform=place) as file:
                for window in _windows(side, 4096):
                    file.write(pattern[: window.height, : window.width], 1, window=window)

    return made(f"square-{side}", make)


def _windows(side: int, step: int) -> Iterator[Window]:
    for row in range(0, side, step):
        for column in range(0, side, step):
            yield Window(column, row, min(step, side - column), min(step, side - row))
