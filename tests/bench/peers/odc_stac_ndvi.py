"""NDVI of many scenes with odc-stac and dask on threads, to a COG.

Usage: odc_stac_ndvi.py GRID.json FOLDER ITEM…, or with --search: GRID.json FOLDER API COLLECTION. See --help.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import bottleneck
import dask
import numpy as np
import odc.stac
import pystac
import pystac_client
import xarray
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import write_cog

CHUNK = 2048
REMOTE_THREADS = 8


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("grid", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--search", action="store_true", help="in a STAC API")
    parser.add_argument("--composite", choices=("median", "latest"), default="median")
    parser.add_argument("--bottleneck", action="store_true", help="its median instead of xarray's")
    parser.add_argument("--enough", type=int, help="observations of each pixel, the newest first; implies --bottleneck")
    parser.add_argument("--resampling", default="bilinear")
    parser.add_argument("--classes", default="nearest", help="resampling of the classification")
    parser.add_argument("--overviews", action="store_true")
    return parser.parse_args()


def found(options, box):
    """The Items, on the machine or from a STAC API."""
    if not options.search:
        return [pystac.Item.from_file(path) for path in options.scenes]
    odc.stac.configure_rio(cloud_defaults=True)
    dask.config.set(num_workers=REMOTE_THREADS)
    api, collection = options.scenes
    search = pystac_client.Client.open(api).search(
        collections=[collection], bbox=box.geographic_extent.boundingbox, limit=100
    )
    return list(search.items())


def latest(stack):
    """The last value of each pixel that is not NaN."""
    result = stack[-1].copy()
    for layer in stack[-2::-1]:
        np.copyto(result, layer, where=np.isnan(result))
    return result


def median_of_newest(stack, enough):
    """The median of the last values of each pixel that are not NaN."""
    valid = ~np.isnan(stack)
    newer = np.cumsum(valid[::-1], axis=0, dtype=np.uint16)[::-1]
    return bottleneck.nanmedian(np.where(valid & (newer <= enough), stack, np.float32(np.nan)), axis=0)


def reduced(stack, function):
    """Apply a function to all times of each chunk."""
    coordinates = {name: value for name, value in stack.coords.items() if "time" not in value.dims}
    values = stack.data.map_blocks(function, drop_axis=0, dtype=np.float32)
    return xarray.DataArray(values, coordinates, stack.dims[1:])


def main():
    options = arguments()
    grid = json.loads(options.grid.read_text())
    box = GeoBox((grid["height"], grid["width"]), Affine(*grid["transform"]), grid["crs"])
    data = odc.stac.load(
        found(options, box), bands=["red", "nir", "scl"], geobox=box, chunks={"x": CHUNK, "y": CHUNK}, groupby="id",
        resampling={"*": options.resampling, "scl": options.classes}, use_overviews=options.overviews,
    )  # fmt: skip
    valid = (data.scl == 4) & (data.red > 0) & (data.nir > 0)
    red, nir = data.red.astype(np.float32) * 1e-4 - 0.1, data.nir.astype(np.float32) * 1e-4 - 0.1
    index = ((nir - red) / (nir + red)).where(valid)
    index = index.where(abs(index) <= 1).chunk({"time": -1})
    if options.composite == "latest":
        index = reduced(index, latest)
    elif options.enough:
        index = reduced(index, partial(median_of_newest, enough=options.enough))
    elif options.bottleneck:
        index = reduced(index, lambda stack: bottleneck.nanmedian(stack, axis=0))
    else:
        index = index.median("time", skipna=True)
    path = options.folder / "mosaic.tif"
    write_cog(index.compute(), path, overwrite=True, compression="ZSTD", zstd_level=1, predictor=3)


if __name__ == "__main__":
    main()
