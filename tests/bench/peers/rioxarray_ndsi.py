"""NDSI with rioxarray and dask on threads, to a COG. Usage: rioxarray_ndsi.py GREEN SWIR16 FOLDER"""

import sys

import numpy as np
import rioxarray

CHUNK = 2560
"""Whole blocks of files with blocks of 512 and of 640 pixels."""

green, swir16 = (
    rioxarray.open_rasterio(path, chunks={"band": 1, "x": CHUNK, "y": CHUNK}, lock=False) for path in sys.argv[1:3]
)
valid = (green != 0) & (swir16 != 0)
a, b = green.astype(np.float32), swir16.astype(np.float32)
index = ((a - b) / (a + b)).where(valid).rio.write_nodata(np.nan)
index.compute().rio.to_raster(
    f"{sys.argv[3]}/mosaic.tif", driver="COG", compress="ZSTD", level=1, predictor="YES", num_threads="all_cpus"
)
