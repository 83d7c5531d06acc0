"""Overviews of sources: read only where they equal the average of the pixels."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import projected_bounds
from mosaic_worker.geometry.sampling import tiles_exactly
from mosaic_worker.pixels import chunks, compute
from mosaic_worker.pixels.chunks import chunk_size, touching_scenes
from mosaic_worker.plan.planning import Limits, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.masks import FLAGGED
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.readers.reading import read_band, read_mask
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.sources.scenes import Band, Mask
from rasterio.enums import Resampling

from support.scenes.pipeline import files, make, masking, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RequestLog, serving

SIDE = 512
IMAGE = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, SIDE, SIDE)


def with_overviews(path: Path, values, factors=(2, 4), resampling=Resampling.average, **options) -> Path:
    write_raster(path, values, tiled=True, blockxsize=128, blockysize=128, **options)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews(factors, resampling)
    return path


def without_image(path: Path) -> Path:
    """Change the image but not its overviews, so that 9999 shows where the image is read."""
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full(dataset.shape, 9999, dataset.dtypes[0]), 1)
    return path


def band_of(path: Path, nodata: float | None = None, scale: float | None = None) -> Band:
    with Headers(own_machine(path.parent)) as headers:
        return headers.described_band(str(path), 1, (scale, None, nodata), "x")


def coarser(metres: int, left=500_000, top=5_000_000, crs="EPSG:32633") -> Grid:
    count = SIDE * 10 // metres
    return Grid(crs, left, top, metres, metres, count, count)


def read(path: Path, grid: Grid, kernel=None, **stated):
    return read_band(OpenSources(own_machine(path.parent)), band_of(path, **stated), grid, kernel, "x")


def means(values, factor):
    """Means of the valid pixels of each block."""
    count = len(values) // factor
    blocks = np.where(values == 0, np.nan, values.astype(float))[: count * factor, : count * factor]
    blocks = blocks.reshape(count, factor, count, factor).swapaxes(1, 2).reshape(count, count, -1)
    with np.errstate(all="ignore"):
        return np.where(np.isnan(blocks).all(axis=-1), np.nan, np.nansum(blocks, -1) / np.isfinite(blocks).sum(-1))


@pytest.mark.parametrize(("metres", "level"), [(40, 0), (60, 0), (80, 1), (100, 0), (120, 1), (160, 1), (20, None)])
def test_the_smallest_overview_that_tiles_the_grid_with_two_of_its_pixels_is_read(tmp_path, metres, level):
    band = band_of(with_overviews(tmp_path / "a.tif", noise(SIDE, SIDE)))
    assert [overview.xres for overview in band.overviews] == [20, 40]
    assert image_to_read(band, coarser(metres), "average")[0] == level


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("metres", [40, 80, 120])
def test_averages_of_an_overview_and_of_the_image_differ_only_by_rounding(tmp_path, metres, dtype):
    values = noise(SIDE, SIDE).astype(dtype)
    path = without_image(with_overviews(tmp_path / "a.tif", values, nodata=0))
    found = read(path, coarser(metres))
    exact = means(values, metres // 10)
    levels = {40: 1, 80: 2, 120: 2}[metres]
    assert np.abs(found - exact).max() <= (0.5 * levels if dtype == np.uint16 else 1e-2)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_no_data_stays_in_its_pixels_and_does_not_spread(tmp_path_factory, seed):
    """Holes of all sizes, including single pixels."""
    rng = np.random.default_rng(seed)
    values = rng.integers(4000, 5000, (SIDE, SIDE)).astype(np.uint16)
    for _ in range(40):
        y, x, height, width = rng.integers(0, SIDE, 2).tolist() + rng.integers(1, 60, 2).tolist()
        values[y : y + height, x : x + width] = 0
    values[rng.random(values.shape) < 0.01] = 0
    path = without_image(with_overviews(tmp_path_factory.mktemp("x") / "a.tif", values, nodata=0))
    found, exact = read(path, coarser(80)), means(values, 8)
    assert np.array_equal(np.isnan(found), np.isnan(exact))
    valid = found[np.isfinite(found)]
    assert valid.min() >= 4000
    assert valid.max() <= 5000
    whole = means((values != 0) * 2 - 1 + 1e-9, 8) > 0.99  # where no pixel is missing, the overview is exactly the mean
    assert np.abs(found - exact)[whole].max(initial=0) <= 1


def test_a_window_equals_its_part_of_the_whole(tmp_path):
    path = with_overviews(tmp_path / "a.tif", noise(SIDE, SIDE))
    whole = read(path, coarser(80))
    for window in ((0, 0, 64, 7), (13, 20, 30, 40), (63, 63, 1, 1)):
        column, row, width, height = window
        part = read(path, coarser(80).window(*window))
        assert np.array_equal(part, whole[row : row + height, column : column + width])


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_other_kernels_read_the_image(tmp_path, kernel):
    path = without_image(with_overviews(tmp_path / "a.tif", noise(SIDE, SIDE, high=5000)))
    assert (read(path, coarser(80), kernel) == 9999).all()


ELSEWHERE = projected_bounds(IMAGE.bounds, IMAGE.crs, "EPSG:32634")[::3]


@pytest.mark.parametrize(
    "grid",
    [
        coarser(20),
        coarser(50),
        coarser(80, left=500_010),
        coarser(80, top=5_000_005),
        Grid("EPSG:32633", 500_000, 5_000_000, 80, 10, 64, 512),
        Grid("EPSG:32634", *ELSEWHERE, 80, 80, 64, 64),
    ],
)
def test_reads_the_image_on_grids_that_an_overview_does_not_tile(tmp_path, grid):
    path = without_image(with_overviews(tmp_path / "a.tif", noise(SIDE, SIDE, high=5000)))
    found = read(path, grid, "average")
    assert np.nanmin(found) == np.nanmax(found) == 9999


def unfit(folder: Path) -> dict[str, Path]:
    """Files whose overviews are not averages of the valid pixels of the band."""
    values = noise(SIDE, SIDE, high=5000)
    found = {
        "nearest": with_overviews(folder / "nearest.tif", values, resampling=Resampling.nearest),
        "cubic": with_overviews(folder / "cubic.tif", values, resampling=Resampling.cubic),
        "no mark": write_raster(folder / "cog.tif", values, driver="COG", overview_resampling="average", blocksize=128),
        "no overviews": write_raster(folder / "none.tif", values),
        "odd": with_overviews(folder / "odd.tif", values[:511, :511]),
        "JPEG 2000": write_raster(folder / "a.jp2", values, driver="JP2OpenJPEG"),
    }
    masked = write_raster(folder / "masked.tif", values)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(masked, "r+") as dataset:
        dataset.write_mask(values > 10)
        dataset.build_overviews([2, 4], Resampling.average)
    beside = write_raster(folder / "beside.tif", values)
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(beside, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    assert beside.with_name("beside.tif.ovr").exists()
    return found | {"masked": masked, "beside": beside}


def test_does_not_read_overviews_that_are_not_averages(tmp_path):
    for name, path in unfit(tmp_path).items():
        assert band_of(path).overviews == (), name


@pytest.mark.parametrize(
    ("own", "stated", "usable"), [(None, None, 2), (0, None, 2), (0, 0, 2), (None, 0, 0), (0, 7, 0)]
)
def test_uses_overviews_only_with_the_nodata_value_of_their_file(tmp_path, own, stated, usable):
    path = with_overviews(tmp_path / "a.tif", noise(SIDE, SIDE), nodata=own)
    assert len(band_of(path, nodata=stated).overviews) == usable
    nan = with_overviews(tmp_path / "b.tif", noise(SIDE, SIDE).astype(np.float32), nodata=np.nan)
    assert len(band_of(nan, nodata=np.nan).overviews) == 2


def test_fetches_only_the_bytes_of_the_overview_of_a_remote_file(tmp_path):
    values = noise(4 * SIDE, 4 * SIDE)
    path = with_overviews(tmp_path / "a.tif", values)
    grid = Grid("EPSG:32633", 500_000, 5_000_000, 80, 80, SIDE // 2, SIDE // 2)
    log, gate = RequestLog(), own_machine(tmp_path)
    with serving(tmp_path, log) as address:
        with Headers(gate) as headers:
            band = headers.described_band(f"http://{address}/a.tif", 1, (None, None, None), "x")
        assert len(band.overviews) == 2
        before = len(log.requests)
        with closing(OpenSources(gate)) as sources:
            found = read_band(sources, band, grid, None, "x")
    assert np.array_equal(found, read(path, grid))
    assert log.bytes < path.stat().st_size / 8
    assert len(log.requests) - before < 8


def test_reads_masks_at_full_resolution(tmp_path):
    """A single cloudy pixel of 64 must count; an overview would hide it."""
    classes = np.full((SIDE, SIDE), 4, np.uint8)
    classes[203, 101] = 9
    path = with_overviews(tmp_path / "scl.tif", classes)
    with Headers(own_machine(tmp_path)) as headers:
        _, header = headers.read(str(path), 1, "x")
    mask = Mask(str(path), 1, "scl", header)
    found = read_mask(OpenSources(own_machine(tmp_path)), mask, coarser(80), masking(["cloud"]), "x")
    assert np.argwhere(found == FLAGGED).tolist() == [[203 // 8, 101 // 8]]


def test_the_notes_of_a_mosaic_name_the_overview_that_was_read(tmp_path, monkeypatch):
    values = noise(SIDE, SIDE)
    with_overviews(tmp_path / "red.tif", values)
    spec = {
        "source": files({"bands": {"red": "red.tif"}}),
        "product": {"bands": ["red"]},
        "grid": {"resolution": 40},
    }
    made = make(tmp_path, spec)
    assert np.abs(made.values() - means(values, 4)).max() <= 0.5
    assert made.item["properties"]["mosaic:scenes"][0]["bands"]["red"]["overview"] == [256, 256]
    exact = make(tmp_path, spec | {"grid": {"resolution": 40, "resampling": "bilinear"}}, "bilinear")
    assert "overview" not in exact.item["properties"]["mosaic:scenes"][0]["bands"]["red"]

    request = request_of(spec)
    plan = make_plan(request, "uid", resolve(request.spec, ("red",), own_machine(tmp_path)), Limits(), 1)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 200_000)
    assert chunk_size(plan, plan.tiles[0], touching_scenes(plan, plan.tiles[0]))[1] < 20
    found = compute.compute_tile(plan, plan.tiles[0], OpenSources(own_machine(tmp_path))).values[0]
    assert np.array_equal(found, made.values())


def test_recognises_grids_that_an_overview_tiles_exactly():
    assert tiles_exactly(IMAGE, coarser(20), 2)
    assert not tiles_exactly(IMAGE, coarser(10), 2)
    assert not tiles_exactly(IMAGE, coarser(20), 3)
    assert tiles_exactly(IMAGE, coarser(20, left=499_990), 2)
    assert not tiles_exactly(IMAGE, coarser(20, left=499_995), 2)
    assert not tiles_exactly(IMAGE, coarser(25), 2)
    assert not tiles_exactly(IMAGE, coarser(20, crs="EPSG:32634"), 2)
