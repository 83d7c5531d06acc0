"""Opening of masks in a mosaic: without seams, and without a change where the mask has no data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_worker.pixels import chunks
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.planning import Limits, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from numpy.typing import NDArray

from support.scenes.pipeline import files, request_of, same
from support.scenes.rasters import noise, write_raster

OPEN, DILATE = 3, 6
HEIGHT, WIDTH = 1100, 1300
Flags = NDArray[np.bool_]


def shifted(flags: Flags, radius: int) -> list[Flags]:
    """A mask moved by each step of a disc; outside, nothing is flagged."""
    height, width = flags.shape
    padded = np.pad(flags, radius)
    steps = range(-radius, radius + 1)
    places = [(radius + y, radius + x) for y in steps for x in steps if y * y + x * x <= radius * radius]
    return [padded[top : top + height, left : left + width] for top, left in places]


@pytest.fixture(scope="module")
def scl() -> NDArray[np.uint8]:
    """Specks and clouds at the edges of tiles, chunks and the scene, and pixels without data in and beside clouds."""
    found = np.where(noise(HEIGHT, WIDTH, 1, 0, 300) == 0, 9, 4).astype(np.uint8)
    for top, left, height, width in ((1000, 1010, 60, 40), (0, 500, 9, 9), (500, 0, 30, 5), (505, 1019, 7, 7)):
        found[top : top + height, left : left + width] = 8
    found[1020:1023, 1020:1023] = 0
    found[700, 700] = 0
    return found


@pytest.fixture(scope="module")
def folder(scl, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("scenes")
    write_raster(place / "nir.tif", noise(HEIGHT, WIDTH))
    write_raster(place / "scl.tif", scl)
    return place


def spec(**composite: int) -> dict[str, Any]:
    return {
        "source": files({"bands": {"nir": "nir.tif"}, "mask": "scl.tif"}),
        "product": {"bands": ["nir"]},
        "composite": {"mask": ["cloud"], **composite},
    }


def test_opens_masks_in_pixels_of_the_grid_without_seams(folder, scl, monkeypatch):
    """Across the edges of tiles and, with little memory, of chunks."""
    eroded = np.all(shifted(scl >= 8, OPEN), axis=0)
    opened = np.any(shifted(eroded, OPEN), axis=0)
    assert 0 < opened.sum() < (scl >= 8).sum() / 2
    hidden = np.any(shifted(opened, DILATE), axis=0) | (scl == 0)
    expected = np.where(hidden, np.nan, noise(HEIGHT, WIDTH).astype(np.float32))
    assert hidden[700, 700]
    assert not hidden[701, 700]

    request = request_of(spec(open=OPEN, dilate=DILATE))
    found = resolve(request.spec, ("nir",), own_machine(folder))
    plan = make_plan(request, "uid", found, Limits(), 1)
    assert len(plan.tiles) > 1
    for size in (chunks.CHUNK_BYTES, 2_000_000):
        monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
        for tile in plan.tiles:
            values = compute_tile(plan, tile, OpenSources(own_machine(folder))).values[0]
            assert same(values, expected[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width])
