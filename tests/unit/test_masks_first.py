"""Which files a tile reads: masks before bands, and only scenes that can fill a pixel."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_worker.local.run import prepare
from mosaic_worker.pixels import scene as reading
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

SIDE = 64
UPPER, LOWER = np.s_[: SIDE // 2], np.s_[SIDE // 2 :]
CLOUDS: dict[str, Any] = {"newest": UPPER, "hidden": np.s_[:], "same": UPPER, "rest": LOWER, "oldest": np.s_[:0]}
"""The clouds of each scene, from the newest."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, (name, clouds) in enumerate(CLOUDS.items()):
        write_raster(tmp_path / f"{name}.tif", noise(SIDE, SIDE, number), nodata=0)
        scl = np.full((SIDE, SIDE), 4, np.uint8)
        scl[clouds] = 9
        write_raster(tmp_path / f"{name}-scl.tif", scl)
    return tmp_path


def read_files(folder: Path, monkeypatch: pytest.MonkeyPatch, composite: dict[str, Any]) -> list[str]:
    """The names of the bands that the only tile reads, in order; the values are compared with all scenes read."""
    scenes = [
        {
            "bands": {"red": str(folder / f"{name}.tif")},
            "mask": str(folder / f"{name}-scl.tif"),
            "datetime": f"2024-07-{9 - n:02}",
        }
        for n, name in enumerate(CLOUDS)
    ]
    spec = {"source": files(*scenes), "product": {"bands": ["red"]}, "composite": {"mask": ["cloud"], **composite}}
    plan = prepare(request_of(spec), own_machine(folder), Limits(), 1)
    found: list[str] = []
    original = reading.read_band

    def noted(sources: OpenSources, band: Any, *others: Any) -> Any:
        found.append(Path(band.href).stem)
        return original(sources, band, *others)

    monkeypatch.setattr(reading, "read_band", noted)
    with closing(OpenSources(own_machine(folder))) as sources:
        pixels = compute_tile(plan, plan.tiles[0], sources)
    assert [Path(plan.scenes[n - 1].scene.bands["red"].href).stem for n in pixels.scenes] == found
    return found


def test_scenes_that_can_fill_no_pixel_are_not_opened(folder, monkeypatch):
    assert read_files(folder, monkeypatch, {"method": "latest"}) == ["newest", "rest"]


def test_scenes_that_are_hidden_everywhere_are_not_opened(folder, monkeypatch):
    expected = ["newest", "same", "rest", "oldest"]
    assert sorted(read_files(folder, monkeypatch, {"method": "median"})) == sorted(expected)
    assert read_files(folder, monkeypatch, {"method": "latest", "count": True}) == expected


def test_masked_scenes_of_which_the_first_counts_are_read_in_blocks(tmp_path):
    """The clouds of the first scene cover a block of the tile, so the next scene is read there only."""
    side, cloudy = 1024, np.s_[600:1000, 600:1000]
    for number, name in enumerate(("first", "next")):
        write_raster(tmp_path / f"{name}.tif", noise(side, side, number), nodata=0)
        scl = np.full((side, side), 4, np.uint8)
        scl[cloudy] = 4 + 5 * (name == "first")
        write_raster(tmp_path / f"{name}-scl.tif", scl)
    scenes = [
        {
            "bands": {"red": str(tmp_path / f"{name}.tif")},
            "mask": str(tmp_path / f"{name}-scl.tif"),
            "datetime": f"2024-07-0{day}",
        }
        for name, day in (("first", 2), ("next", 1))
    ]
    spec = {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"method": "latest", "mask": ["cloud"]},
    }
    plan = prepare(request_of(spec), own_machine(tmp_path), Limits(), 1)
    assert plan.block == 512
    with closing(OpenSources(own_machine(tmp_path))) as sources, pytest.MonkeyPatch.context() as patch:
        windows: list[tuple[str, Any]] = []
        original = reading.read_band
        patch.setattr(
            reading,
            "read_band",
            lambda s, band, grid, *others: (
                windows.append((Path(band.href).stem, grid.bounds)) or original(s, band, grid, *others)
            ),
        )
        pixels = compute_tile(plan, plan.tiles[0], sources)
    assert np.isfinite(pixels.values).all()
    expected = np.where(noise(side, side, 0) > 0, noise(side, side, 0), 0).astype(np.float32)
    expected[cloudy] = noise(side, side, 1)[cloudy]
    assert np.array_equal(pixels.values[0], expected)
    assert [name for name, _ in windows].count("first") == 4
    assert [name for name, _ in windows].count("next") == 1
