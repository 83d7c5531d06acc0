"""Median NDVI with rio-tiler's mosaic reader, block by block. Usage: rio_tiler_median.py GRID.json FOLDER ITEM…"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window, bounds
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from rio_tiler.mosaic import mosaic_reader
from rio_tiler.mosaic.methods import MedianMethod

SIDE = 1024
grid = json.loads(Path(sys.argv[1]).read_text())
transform = Affine(*grid["transform"])
folders = [Path(path).parent for path in sys.argv[3:]]


def part(folder, box, width, height):
    options = {"dst_crs": grid["crs"], "bounds_crs": grid["crs"], "width": width, "height": height}
    bands = []
    for name, kernel in (("B04", "bilinear"), ("B08", "bilinear"), ("SCL", "nearest")):
        with Reader(str(folder / f"{name}.tif")) as reader:
            bands.append(reader.part(box, **options, resampling_method=kernel, reproject_method=kernel).array[0])
    red, nir = (band.astype(np.float32) * np.float32(1e-4) - np.float32(0.1) for band in bands[:2])
    with np.errstate(all="ignore"):
        index = (nir - red) / (nir + red)
    hidden = np.ma.getmaskarray(index) | (bands[2].filled(0) != 4) | ~(np.abs(index.filled(9)) <= 1)
    return ImageData(np.ma.MaskedArray(index.filled(0), hidden)[np.newaxis])


def block(place):
    column, row = place
    width, height = min(SIDE, grid["width"] - column), min(SIDE, grid["height"] - row)
    window = Window(column, row, width, height)
    try:
        image, _ = mosaic_reader(
            folders, part, bounds(window, transform), width, height, pixel_selection=MedianMethod(), threads=0,
            allowed_exceptions=(TileOutsideBounds,),
        )  # fmt: skip
    except Exception as error:
        if type(error).__name__ != "EmptyMosaicError":
            raise
        return window, np.full((height, width), np.nan, np.float32)
    return window, image.array[0].astype(np.float32).filled(np.nan)


profile = {
    "driver": "GTiff", "width": grid["width"], "height": grid["height"], "count": 1, "dtype": "float32",
    "crs": grid["crs"], "transform": transform, "nodata": np.nan, "tiled": True, "compress": "ZSTD", "zstd_level": 1,
    "predictor": 3, "blockxsize": 512, "blockysize": 512,
}  # fmt: skip
places = [(x, y) for y in range(0, grid["height"], SIDE) for x in range(0, grid["width"], SIDE)]
with rasterio.open(f"{sys.argv[2]}/mosaic.tif", "w", **profile) as output, ThreadPoolExecutor(2) as threads:
    for window, values in threads.map(block, places):
        output.write(values, 1, window=window)
