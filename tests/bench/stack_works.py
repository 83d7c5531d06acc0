"""Works with many scenes: composites of NDVI, with masks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rasterio.warp import transform_bounds

from bench import scenes
from bench.work import (
    MOSAIC,
    OURS,
    PEERS,
    PEERS_PYTHON,
    Goal,
    Measure,
    Peer,
    Work,
    faster,
    grid_of,
    write_request,
)

ODC_STAC = "odc-stac + dask"
RIO_TILER = "rio-tiler"
EVERY = f"{OURS}, all observations"
ENOUGH = 5
"""Observations of each pixel in the runs with `enough`."""
FEW = 10
"""Scenes of the run that shows that memory does not grow with their number."""


def items(folder: Path) -> list[Path]:
    """The Items of a folder of scenes, from the oldest to the latest."""
    return sorted(folder.glob("*/item.json"))


def files(paths: list[Path]) -> dict[str, Any]:
    """A source of files."""
    return {"files": {"scenes": [{"item": str(path)} for path in paths]}}


def median_spec(resampling: str = "bilinear", resolution: int = 10) -> dict[str, Any]:
    """The middle of the stack, about 4096 x 4096 pixels of 10 m in the neighbouring UTM zone; without a source."""
    left, top = scenes.LEFT + 10 * 160 * 4 + 4000, scenes.TOP - 10 * 160 * 4 - 4000
    return {
        "area": {"bbox": _box(left, top, 37_000)},
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud"]},
        "grid": {"crs": "EPSG:32610", "resolution": resolution, "resampling": resampling},
    }


def cloudy_spec(method: str, **composite: Any) -> dict[str, Any]:
    """Nearly the whole of the cloudy scenes, about 2000 x 2000 pixels on their own grid; without a source."""
    return {
        "area": {"bbox": _box(scenes.LEFT + 1000, scenes.TOP - 1000, 18_400)},
        "product": {"index": "NDVI"},
        "composite": {"method": method, "mask": ["cloud"], **composite},
        "grid": {"crs": scenes.CRS, "resolution": 10},
    }


def _box(left: float, top: float, side: float) -> list[float]:
    box = transform_bounds(scenes.CRS, "EPSG:4326", left, top - side, left + side, top)
    return [round(edge, 5) for edge in box]


def stack_peer(
    name: str, script: str, scenes_of: Callable[[], list[str | Path]], *options: str, tolerance: float = 0.002
) -> Peer:
    """A script that receives its options, the file of our grid, the folder for its result, and the scenes."""

    def command(ours: Path, out: Path) -> list[str | Path]:
        grid = out / "grid.json"
        grid.write_text(json.dumps(grid_of(ours)))
        return [PEERS_PYTHON, PEERS / script, *options, grid, out, *scenes_of()]

    return Peer(name, command, PEERS_PYTHON, tolerance)


def _stack_items() -> list[str | Path]:
    return [*items(scenes.stack())]


def _cloudy_items() -> list[str | Path]:
    return [*items(scenes.cloudy())]


def odc_stac_peers(scenes_of: Callable[[], list[str | Path]], *options: str, tolerance: float = 0.002) -> list[Peer]:
    """odc-stac with xarray's median, and with bottleneck's."""
    return [
        stack_peer(ODC_STAC, "odc_stac_ndvi.py", scenes_of, *options, tolerance=tolerance),
        stack_peer(
            f"{ODC_STAC} + bottleneck", "odc_stac_ndvi.py", scenes_of, "--bottleneck", *options, tolerance=tolerance
        ),
    ]


def ours(name: str, spec: Callable[[], dict[str, Any]]) -> Peer:
    """Another request of ours, which makes other pixels."""

    def command(_: Path, out: Path) -> list[str | Path]:
        return [MOSAIC, "run", write_request("bench-other", spec(), out / "request.yaml"), "--store", out / "store"]

    return Peer(name, command, MOSAIC, tolerance=None)


def _few(method: str) -> Peer:
    few = lambda: cloudy_spec(method) | {"source": files(items(scenes.cloudy())[-FEW:])}  # noqa: E731
    return ours(f"{OURS}, {FEW} scenes", few)


def enough_peer(scenes_of: Callable[[], list[str | Path]], *options: str) -> Peer:
    """odc-stac with the median of the newest observations, which it selects after loading all."""
    options = (*options, "--enough", str(ENOUGH))
    return stack_peer(f"{ODC_STAC} + bottleneck", "odc_stac_ndvi.py", scenes_of, *options, tolerance=1e-6)


def _cloudy_median(**composite: Any) -> dict[str, Any]:
    return cloudy_spec("median", **composite) | {"source": files(items(scenes.cloudy()))}


MEDIAN = Work(
    "C",
    "Median NDVI of five scenes with masks, reprojected, about 4096 x 4096",
    lambda: median_spec() | {"source": files(items(scenes.stack()))},
    [
        *odc_stac_peers(_stack_items),
        stack_peer(RIO_TILER, "rio_tiler_median.py", _stack_items),
    ],
    [faster(5, ODC_STAC), faster(6, RIO_TILER)],
)
CUBIC = Work(
    "H",
    "C with cubic",
    lambda: median_spec("cubic") | {"source": files(items(scenes.stack()))},
    odc_stac_peers(_stack_items, "--resampling", "cubic", tolerance=0.004),
    [faster(3, ODC_STAC)],
)
AVERAGED = Work(
    "H",
    "C averaged onto a 60 m grid",
    lambda: median_spec("average", 60) | {"source": files(items(scenes.stack()))},
    [
        *odc_stac_peers(_stack_items, "--resampling", "average", "--classes", "max", tolerance=0.001),
        stack_peer(
            f"{ODC_STAC}, cubic overviews averaged", "odc_stac_ndvi.py", _stack_items, "--overviews",
            "--resampling", "average", "--classes", "max", tolerance=0.004,
        ),
    ],
    [faster(3, ODC_STAC)],
)  # fmt: skip
CLOUDY_LATEST, CLOUDY_MEDIAN = (
    Work(
        "I",
        f"{title} of {scenes.CLOUDY_COUNT} cloudy scenes of one tile, about 2000 x 2000",
        lambda method=method: cloudy_spec(method) | {"source": files(items(scenes.cloudy()))},
        [*peers, _few(method)],
        [faster(4, ODC_STAC), Goal(Measure.SHARE_OF_MEMORY, 1.1, f"mosaic run, {FEW} scenes")],
    )
    for title, method, peers in (
        (
            "Latest",
            "latest",
            [stack_peer(ODC_STAC, "odc_stac_ndvi.py", _cloudy_items, "--composite", "latest", tolerance=1e-6)],
        ),
        ("Median", "median", odc_stac_peers(_cloudy_items, tolerance=1e-6)),
    )
)
CLOUDY_ENOUGH = Work(
    "I",
    f"Median of the newest {ENOUGH} observations in {scenes.CLOUDY_COUNT} cloudy scenes, about 2000 x 2000",
    lambda: _cloudy_median(enough=ENOUGH),
    [enough_peer(_cloudy_items), ours(EVERY, _cloudy_median)],
    [Goal(Measure.SHARE_OF_TIME, 1, EVERY)],
)
