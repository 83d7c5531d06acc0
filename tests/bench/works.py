"""The works of the benchmark: the request of each, its peers, and the comparison of their pixels with ours."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from mosaic_crds.names import API_VERSION
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from bench import scenes

HERE = Path(__file__).parent
MOSAIC = Path(sys.executable).parent / "mosaic"
PEERS_PYTHON = HERE.parents[1] / ".venv-bench" / "bin" / "python"
LARGE_SIDE = 40_000
HALF_SIDE = 20_000
SAMPLE = 2048
"""Side of the compared windows in pixels."""


@dataclass(frozen=True)
class Peer:
    """Another tool that makes the same pixels.

    Attributes:
        name: Name in the table.
        command: Function that returns its arguments after our own result exists.
        needs: Required program or file.
        tolerance: Maximum difference of half of the pixels; None if it writes no pixels.
    """

    name: str
    command: Callable[[Path, Path], Sequence[str | Path]]
    needs: str | Path
    tolerance: float | None = 1e-6

    @property
    def missing(self) -> bool:
        """Whether this peer cannot run here."""
        return not Path(self.needs).exists() if isinstance(self.needs, Path) else shutil.which(self.needs) is None


@dataclass(frozen=True)
class Work:
    """A task that is timed.

    Attributes:
        letter, title: Letter and title in the table.
        request: Function that returns the spec of our MosaicRequest, and makes missing scenes.
        peers: Other tools for this task.
        runs: Maximum number of runs.
    """

    letter: str
    title: str
    request: Callable[[], dict[str, Any]]
    peers: Sequence[Peer] = field(default_factory=tuple)
    runs: int = 100


def write_request(name: str, spec: dict[str, Any], path: Path) -> Path:
    """Write a MosaicRequest, and return its path."""
    api = {"apiVersion": API_VERSION, "kind": "MosaicRequest"}
    path.write_text(yaml.safe_dump(api | {"metadata": {"name": name}, "spec": spec}))
    return path


def our_mosaic(store: Path) -> Path:
    """The COG of our run in a store."""
    return next(store.glob("mosaics/*/*/*/mosaic.tif"))


def assert_same(ours: Path, theirs: Path, tolerance: float) -> None:
    """Compare a peer's pixels with ours in three windows: half of the values, and nearly all pixels without data.

    Raises:
        AssertionError: The pixels differ, so that the time of the peer means nothing.
    """
    with rasterio.open(ours) as one, rasterio.open(theirs) as other:
        assert (one.width, one.height) == (other.width, other.height), f"{theirs} has another size"
        side = min(SAMPLE, one.width, one.height)
        for share in (0.0, 0.5, 1.0):
            window = Window(int(share * (one.width - side)), int(share * (one.height - side)), side, side)
            expected, found = (image.read(1, window=window, masked=True).filled(np.nan) for image in (one, other))
            apart = np.abs(expected - found)[~np.isnan(expected) & ~np.isnan(found)]
            unlike = (np.isnan(expected) != np.isnan(found)).mean()
            assert unlike < 0.01, f"{theirs} has values where ours has none, or the reverse: {unlike:.2%}"
            assert apart.size > 0.3 * expected.size, f"{theirs} and ours share too few values"
            assert np.median(apart) <= tolerance, f"{theirs} differs by {np.median(apart)} in half of its pixels"


def _bands(folder: Path, suffix: str) -> dict[str, Any]:
    bands = {band: {"href": str(folder / f"{band}.{suffix}"), "nodata": 0} for band in ("green", "swir16")}
    return {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}}


def _pair_peers(folder: Callable[[], Path], suffix: str, *, floor: bool = True, picture: bool = True) -> list[Peer]:
    def files() -> list[Path]:
        return [folder() / f"{band}.{suffix}" for band in ("green", "swir16")]

    gdal = ["env", f"PICTURE={'yes' if picture else 'no'}", HERE / "peers" / "gdal_calc.sh"]
    found = [
        Peer("gdal_calc.py + gdal_translate", lambda _, out: [*gdal, *files(), out], "gdal_calc.py"),
    ]
    if floor:
        script = HERE / "peers" / "decode_floor.py"
        found.insert(0, Peer("decode floor", lambda *_: [sys.executable, script, *files()], script, tolerance=None))
        dask = HERE / "peers" / "rioxarray_ndsi.py"
        found.append(Peer("rioxarray + dask", lambda _, out: [PEERS_PYTHON, dask, *files(), out], PEERS_PYTHON))
        found.append(
            Peer("mosaic run, no picture", lambda _, out: _without_picture(folder(), suffix, out), MOSAIC, None)
        )
    return found


def _without_picture(folder: Path, suffix: str, out: Path) -> list[str | Path]:
    """Our own command for a COG without a picture, because rioxarray makes only a COG."""
    spec = _bands(folder, suffix) | {"output": {"formats": ["cog"]}}
    return [MOSAIC, "run", write_request("bench-cog", spec, out / "request.yaml"), "--store", out / "store"]


def median_request() -> dict[str, Any]:
    """The middle of the stack, about 4096 x 4096 pixels of 10 m in the neighbouring UTM zone."""
    folder = scenes.stack()
    left, top = scenes.LEFT + 10 * 160 * 4 + 4000, scenes.TOP - 10 * 160 * 4 - 4000
    box = transform_bounds(scenes.CRS, "EPSG:4326", left, top - 37_000, left + 37_000, top)
    items = [{"item": str(folder / f"S2_BENCH_{number + 1}" / "item.json")} for number in range(scenes.STACK_COUNT)]
    return {
        "area": {"bbox": [round(edge, 5) for edge in box]},
        "source": {"files": {"scenes": items}},
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud"]},
        "grid": {"crs": "EPSG:32610", "resolution": 10, "resampling": "bilinear"},
    }


def _stack_peer(name: str, script: str) -> Peer:
    def command(ours: Path, out: Path) -> list[str | Path]:
        with rasterio.open(ours) as mosaic:
            grid = {
                "crs": mosaic.crs.to_string(), "transform": list(mosaic.transform)[:6],
                "width": mosaic.width, "height": mosaic.height,
            }  # fmt: skip
        (out / "grid.json").write_text(json.dumps(grid))
        items = sorted(scenes.stack().glob("*/item.json"))
        return [PEERS_PYTHON, HERE / "peers" / script, out / "grid.json", out, *items]

    return Peer(name, command, PEERS_PYTHON, tolerance=0.002)


def _small_request() -> dict[str, Any]:
    left, top = scenes.LEFT + 50_000, scenes.TOP - 50_000
    box = transform_bounds(scenes.CRS, "EPSG:4326", left, top - 10_200, left + 10_000, top)
    return _bands(scenes.pair(), "tif") | {"area": {"bbox": [round(edge, 5) for edge in box]}}


def _large() -> Path:
    return scenes.square(LARGE_SIDE)


def _half() -> Path:
    return scenes.square(HALF_SIDE)


WORKS = [
    Work(
        "A", "NDSI of two 5490 x 5490 JPEG 2000", lambda: _bands(scenes.pair(), "jp2"), _pair_peers(scenes.pair, "jp2")
    ),
    Work("B", "NDSI of two 5490 x 5490 COGs", lambda: _bands(scenes.pair(), "tif"), _pair_peers(scenes.pair, "tif")),
    Work(
        "C",
        "Median NDVI of five scenes with masks, reprojected, about 4096 x 4096",
        median_request,
        [_stack_peer("odc-stac + dask", "odc_stac_median.py"), _stack_peer("rio-tiler", "rio_tiler_median.py")],
    ),
    Work(
        "D",
        f"NDSI of {LARGE_SIDE:,} x {LARGE_SIDE:,} pixels",
        lambda: _bands(_large(), "tif"),
        _pair_peers(_large, "tif", floor=False, picture=False),
        runs=1,
    ),
    Work("E", "NDSI of about 512 x 512 pixels", _small_request),
    Work(
        "F",
        f"NDSI of {HALF_SIDE:,} x {HALF_SIDE:,} pixels, a quarter of D",
        lambda: _bands(_half(), "tif"),
        runs=1,
    ),
]
