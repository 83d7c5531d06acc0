"""Works with one scene: NDSI of files of several formats and sizes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rasterio.warp import transform_bounds

from bench import scenes
from bench.work import FASTEST, MOSAIC, PEERS, PEERS_PYTHON, Goal, Measure, Peer, Work, faster, write_request

LARGE_SIDE = 40_000
HALF_SIDE = 20_000
FLOOR = "decode floor"
RIOXARRAY = "rioxarray + dask"
GDAL_IN_PYTHON = any(PEERS_PYTHON.parents[1].glob("lib/python*/site-packages/osgeo"))
GDAL = "gdal raster calc" if GDAL_IN_PYTHON else "gdal_calc.py"


def _bands(folder: Path, suffix: str) -> dict[str, Any]:
    bands = {band: {"href": str(folder / f"{band}.{suffix}"), "nodata": 0} for band in ("green", "swir16")}
    return {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}}


def _gdal(files: Callable[[], list[Path]], *, picture: bool) -> Peer:
    """GDAL's own programs: the newest ones if the environment of the peers has them, otherwise those of the system."""
    if GDAL_IN_PYTHON:
        command = [PEERS_PYTHON, PEERS / "gdal_raster_calc.py", *(["--picture"] if picture else [])]
        return Peer(GDAL, lambda _, out: [*command, *files(), out], PEERS_PYTHON)
    program = ["env", f"PICTURE={'yes' if picture else 'no'}", PEERS / "gdal_calc.sh"]
    return Peer(GDAL, lambda _, out: [*program, *files(), out], "gdal_calc.py")


def _pair_peers(suffix: str) -> list[Peer]:
    def files() -> list[Path]:
        return [scenes.pair() / f"{band}.{suffix}" for band in ("green", "swir16")]

    floor, dask = PEERS / "decode_floor.py", PEERS / "rioxarray_ndsi.py"
    return [
        Peer(FLOOR, lambda *_: [sys.executable, floor, *files()], floor, tolerance=None),
        _gdal(files, picture=True),
        Peer(RIOXARRAY, lambda _, out: [PEERS_PYTHON, dask, *files(), out], PEERS_PYTHON),
        Peer("mosaic run, no picture", lambda _, out: _without_picture(suffix, out), MOSAIC, tolerance=None),
    ]


def _without_picture(suffix: str, out: Path) -> list[str | Path]:
    """Our own command for a COG without a picture, because rioxarray makes only a COG."""
    spec = _bands(scenes.pair(), suffix) | {"output": {"formats": ["cog"]}}
    return [MOSAIC, "run", write_request("bench-cog", spec, out / "request.yaml"), "--store", out / "store"]


def _large_files() -> list[Path]:
    return [scenes.square(LARGE_SIDE) / f"{band}.tif" for band in ("green", "swir16")]


def _small_request() -> dict[str, Any]:
    left, top = scenes.LEFT + 50_000, scenes.TOP - 50_000
    box = transform_bounds(scenes.CRS, "EPSG:4326", left, top - 10_200, left + 10_000, top)
    return _bands(scenes.pair(), "tif") | {"area": {"bbox": [round(edge, 5) for edge in box]}}


JPEG_2000 = Work(
    "A",
    "NDSI of two 5490 x 5490 JPEG 2000",
    lambda: _bands(scenes.pair(), "jp2"),
    _pair_peers("jp2"),
    [Goal(Measure.SHARE_OF_TIME, 1.25, FLOOR), faster(1, FASTEST)],
)
COGS = Work(
    "B",
    "NDSI of two 5490 x 5490 COGs",
    lambda: _bands(scenes.pair(), "tif"),
    _pair_peers("tif"),
    [faster(1.6, RIOXARRAY), faster(2.5, GDAL)],
)
LARGE = Work(
    "D",
    f"NDSI of {LARGE_SIDE:,} x {LARGE_SIDE:,} pixels",
    lambda: _bands(scenes.square(LARGE_SIDE), "tif"),
    [_gdal(_large_files, picture=False)],
    [faster(3, GDAL)],
    runs=1,
)
SMALL = Work("E", "NDSI of about 512 x 512 pixels", _small_request, goals=[Goal(Measure.SECONDS, 0.5, None)])
HALF = Work(
    "F",
    f"NDSI of {HALF_SIDE:,} x {HALF_SIDE:,} pixels, a quarter of D",
    lambda: _bands(scenes.square(HALF_SIDE), "tif"),
    runs=1,
)
