"""Images that are not georeferenced by north-up pixels are refused with the reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from support.scenes.pipeline import files, request_of

POINTS = [GroundControlPoint(row, col, 15 + col / 1e4, 45 - row / 1e4) for row in (0, 8) for col in (0, 8)]
COEFFICIENTS = [0.0] * 20
COEFFICIENTS_OF_1 = [1.0] + [0.0] * 19
MODEL = RPC(
    height_off=100, height_scale=500, lat_off=45, lat_scale=0.1, line_den_coeff=COEFFICIENTS_OF_1,
    line_num_coeff=[0.0, 0.0, -1.0, *([0.0] * 17)], line_off=4, line_scale=4, long_off=15, long_scale=0.1,
    samp_den_coeff=COEFFICIENTS_OF_1, samp_num_coeff=[0.0, 1.0, *([0.0] * 18)], samp_off=4, samp_scale=4,
    err_bias=None, err_rand=None,
)  # fmt: skip
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def described(folder: Path, *, gcps: Any = None, rpcs: Any = None, **profile: Any):
    path = folder / "scene.tif"
    with rasterio.open(path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint16", **profile) as dataset:
        dataset.write(np.ones((1, 8, 8), np.uint16))
        if gcps:
            dataset.gcps = gcps, "EPSG:4326"
        if rpcs:
            dataset.rpcs = rpcs
    spec = {"source": files({"bands": {"red": str(path)}}), "product": {"bands": ["red"]}}
    return resolve(request_of(spec).spec, ("red",), own_machine(folder)).scenes[0]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ({"gcps": POINTS}, r"has 4 ground control points \(GCPs\) and no transform.*gdalwarp -tps"),
        ({"rpcs": MODEL}, r"has rational polynomial coefficients \(RPCs\).*gdalwarp -rpc"),
        ({}, "is not georeferenced: it has no transform"),
        ({"crs": "EPSG:32633"}, "is not georeferenced: it has no transform"),
        ({"crs": "EPSG:32633", "transform": NORTH_UP @ Affine.rotation(30)}, r"is rotated or sheared \(by "),
        ({"crs": "EPSG:32633", "transform": NORTH_UP @ Affine.shear(5)}, "is rotated or sheared"),
        (
            {"crs": "EPSG:32633", "transform": NORTH_UP @ Affine.scale(1, -1)},
            r"is mirrored \(its first row is the southernmost\)",
        ),
        (
            {"crs": "EPSG:32633", "transform": NORTH_UP @ Affine.scale(-1, 1)},
            r"is mirrored \(its first column is the easternmost\)",
        ),
        ({"transform": NORTH_UP}, "has no coordinate reference system"),
    ],
)
def test_refuses_other_georeferencing_by_name(tmp_path: Path, profile, sentence):
    with pytest.raises(RequestError, match=rf"^spec\.source\.files\.scenes\[0\]\.bands\.red: /.+tif {sentence}"):
        described(tmp_path, **profile)


def test_ignores_a_rotation_within_rounding(tmp_path: Path):
    almost = Affine(10, 1e-13, 500_000, -1e-13, -10, 5_000_000)
    grid = described(tmp_path, crs="EPSG:32633", transform=almost).bands["red"].header.grid
    assert (grid.left, grid.top, grid.xres, grid.yres) == (500_000, 5_000_000, 10, 10)
    with pytest.raises(RequestError, match="is rotated or sheared"):
        described(tmp_path, crs="EPSG:32633", transform=Affine(10, 0.01, 500_000, 0, -10, 5_000_000))


def test_ignores_coefficients_beside_a_transform(tmp_path: Path):
    grid = described(tmp_path, rpcs=MODEL, crs="EPSG:32633", transform=NORTH_UP).bands["red"].header.grid
    assert (grid.left, grid.top, grid.xres, grid.yres) == (500_000, 5_000_000, 10, 10)
