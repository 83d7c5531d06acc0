"""Median NDVI with pystac-client, odc-stac and dask. Usage: odc_stac_catalogue.py GRID.json FOLDER API COLLECTION"""

import json
import sys
from pathlib import Path

import numpy as np
import odc.stac
import pystac_client
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import write_cog

grid = json.loads(Path(sys.argv[1]).read_text())
box = GeoBox((grid["height"], grid["width"]), Affine(*grid["transform"]), grid["crs"])
api = pystac_client.Client.open(sys.argv[3])
search = api.search(collections=[sys.argv[4]], bbox=box.geographic_extent.boundingbox)
odc.stac.configure_rio(cloud_defaults=True)
data = odc.stac.load(
    list(search.items()), bands=["red", "nir", "scl"], geobox=box, chunks={"x": 1024, "y": 1024}, groupby="id",
    resampling={"*": "bilinear", "scl": "nearest"},
)  # fmt: skip
valid = (data.scl == 4) & (data.red > 0) & (data.nir > 0)
red, nir = data.red.astype(np.float32) * 1e-4 - 0.1, data.nir.astype(np.float32) * 1e-4 - 0.1
index = ((nir - red) / (nir + red)).where(valid)
index = index.where(abs(index) <= 1).chunk({"time": -1}).median("time", skipna=True).compute()
write_cog(index, f"{sys.argv[2]}/mosaic.tif", overwrite=True, compression="ZSTD", zstd_level=1, predictor=3)
