"""Files whose longitudes continue beyond 180 degrees: values equal those of numpy at coordinates of PROJ."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_api.results.points import pixel_at
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import places_in
from mosaic_worker.local.run import prepare
from mosaic_worker.output.mercator import picture_mesh, shown
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject
from shapely.geometry import box, shape

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import write_raster

PERIOD = 2 * math.pi * 6378137
COLUMNS, ROWS = np.meshgrid(np.arange(100), np.arange(60))
ISLANDS = (np.sin(COLUMNS / 7) * 50 + ROWS * 3).astype(np.float32)
"""Resolution of 0.1 degrees, from 175 to 185 degrees east and from 15 to 21 degrees south."""
LONGITUDES, LATITUDES = np.meshgrid(np.arange(0.5, 360), np.arange(89.5, -90, -1))
GLOBE = (100 * np.cos(np.radians(3 * LONGITUDES)) + LATITUDES).astype(np.float32)
"""Resolution of one degree, starting at Greenwich."""
ACROSS = [178, -18, -178, -16]


def planned(folder: Path, file: str, bbox: list[float] | None, **grid: Any) -> Plan:
    spec = {"source": files({"bands": {"red": file}}), "product": {"bands": ["red"]}, "grid": grid}
    return prepare(request_of(spec | ({"area": {"bbox": bbox}} if bbox else {})), own_machine(folder), Limits(), 1)


def pixels(folder: Path, plan: Plan) -> NDArray[np.float32]:
    found = np.full((plan.grid.height, plan.grid.width), np.nan, np.float32)
    sources = OpenSources(own_machine(folder))
    for tile in plan.tiles:
        values = compute_tile(plan, tile, sources).values[0]
        found[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = values
    return found


def interpolated(values: NDArray[np.float32], columns: NDArray[Any], rows: NDArray[Any], around: bool = False) -> Any:
    """Interpolate bilinearly at pixel coordinates; NaN outside the image and where its nearest pixel is NaN."""
    height, width = values.shape
    total, weights = np.zeros(columns.shape), np.zeros(columns.shape)
    left, top = np.floor(columns - 0.5).astype(int), np.floor(rows - 0.5).astype(int)
    for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = left + right, top + down
        weight = (1 - np.abs(columns - 0.5 - x)) * (1 - np.abs(rows - 0.5 - y))
        value = values[y.clip(0, height - 1), x % width if around else x.clip(0, width - 1)]
        used = np.isfinite(value)
        total[used] += (weight * value)[used]
        weights[used] += weight[used]
    nearest = values[np.floor(rows).astype(int).clip(0, height - 1), np.floor(columns).astype(int) % width]
    beyond = (rows < 0) | (rows > height) | np.isnan(nearest)
    if not around:
        beyond |= (columns < 0) | (columns > width)
    with np.errstate(invalid="ignore"):
        return np.where(beyond, np.nan, total / weights)


def places(grid: Grid, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The pixel centres of a grid in another CRS; infinite where PROJ refuses them."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    xs, ys = grid.transform @ (columns, rows)
    if grid.crs == crs:
        return xs, ys
    found = places_in(grid.crs, crs, xs.ravel().tolist(), ys.ravel().tolist())
    return np.reshape(found[0], xs.shape), np.reshape(found[1], xs.shape)


def warped(values: NDArray[np.float32], placed: Any, grid: Grid, crs: str, kernel: Resampling) -> NDArray[np.float32]:
    """The result of GDAL's own warper, which rasterio limits to an error of an eighth of a pixel."""
    found = np.full((grid.height, grid.width), np.nan, np.float32)
    reproject(
        values, found, src_transform=placed, src_crs=crs, dst_transform=grid.transform, dst_crs=grid.crs,
        src_nodata=np.nan, dst_nodata=np.nan, init_dest_nodata=True, resampling=kernel,
    )  # fmt: skip
    return found


def nearly_equal(found: NDArray[np.float32], expected: NDArray[np.float32], within: float) -> bool:
    """Whether the same pixels are valid, and values differ by no more than a tolerance."""
    missing = np.isnan(found) & np.isfinite(expected)
    return not missing.any() and float(np.nanmax(np.abs(found - expected))) < within


@pytest.mark.parametrize("left", [175, -185])
@pytest.mark.parametrize(
    ("bbox", "grid"),
    [
        (ACROSS, {"crs": "source"}),
        (ACROSS, {"crs": "EPSG:4326", "resolution": 0.07}),
        (ACROSS, {"crs": "EPSG:4267", "resolution": 0.07}),
        (ACROSS, {"crs": "EPSG:3857", "resolution": 8000}),
        (ACROSS, {"crs": "utm", "resolution": 8000}),
        ([176, -18, 178, -16], {"crs": "utm", "resolution": 8000}),
        ([-179, -18, -177, -16], {"crs": "utm", "resolution": 8000}),
        ([-179, -18, -177, -16], {"crs": "EPSG:4326", "resolution": 0.1}),
        ([-182, -18, -178, -16], {"crs": "EPSG:3832", "resolution": 8000}),
    ],
)
def test_reads_a_file_across_180_degrees_on_both_sides(tmp_path, left, bbox, grid):
    write_raster(tmp_path / "a.tif", ISLANDS, left=left, top=-15, resolution=0.1, crs="EPSG:4326")
    plan = planned(tmp_path, "a.tif", bbox, resampling="bilinear", **grid)
    longitudes, latitudes = places(plan.grid, "EPSG:4326")
    expected = interpolated(ISLANDS, (longitudes % 360 - 175) / 0.1, (-15 - latitudes) / 0.1)
    assert np.isfinite(expected).all()
    assert nearly_equal(pixels(tmp_path, plan), expected, 0.1)


@pytest.mark.parametrize(
    ("bbox", "grid"),
    [
        ([10, 10, 40, 30], {"crs": "EPSG:4326", "resolution": 1}),
        ([-120, 10, -100, 30], {"crs": "EPSG:4326", "resolution": 1}),
        ([-10, 10, 10, 30], {"crs": "EPSG:4326", "resolution": 1}),
        ([-10, 10, 10, 30], {"crs": "EPSG:4326", "resolution": 0.4}),
        ([170, 10, -170, 30], {"crs": "EPSG:4326", "resolution": 1}),
        ([-180, -90, 180, 90], {"crs": "EPSG:4326", "resolution": 1}),
        ([-120, 40, -118, 41], {"crs": "utm", "resolution": 20_000}),
        ([-1, 40, 1, 41], {"crs": "utm", "resolution": 20_000}),
        ([-10, 10, 10, 30], {"crs": "EPSG:3857", "resolution": 50_000}),
        ([170, 10, -170, 30], {"crs": "EPSG:3857", "resolution": 50_000}),
        ([-180, -80, 180, 80], {"crs": "EPSG:3857", "resolution": 100_000}),
        ([-180, 60, 180, 90], {"crs": "EPSG:3413", "resolution": 50_000}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_file_around_the_earth_has_no_seam(tmp_path, bbox, grid, turned):
    """A file from 0 to 360 degrees, and one from -180 to 180."""
    left, values = (-180, np.roll(GLOBE, 180, axis=1)) if turned else (0, GLOBE)
    write_raster(tmp_path / "a.tif", values, left=left, top=90, resolution=1, crs="EPSG:4326")
    plan = planned(tmp_path, "a.tif", bbox, resampling="bilinear", **grid)
    longitudes, latitudes = places(plan.grid, "EPSG:4326")
    expected = interpolated(GLOBE, longitudes % 360, 90 - latitudes, around=True)
    assert np.isfinite(expected).all()
    assert nearly_equal(pixels(tmp_path, plan), expected, 0.1)


def test_averages_around_a_pole_have_no_seam(tmp_path):
    """Compared with the mean of 15 x 15 points in each pixel; near the pole itself, a pixel is no box in longitudes."""
    write_raster(tmp_path / "globe.tif", GLOBE, left=0, top=90, resolution=1, crs="EPSG:4326")
    grid = {"crs": "EPSG:3413", "resolution": 300_000, "resampling": "average"}
    plan = planned(tmp_path, "globe.tif", [-180, 50, 180, 90], **grid)
    fine = Grid(
        plan.grid.crs, plan.grid.left, plan.grid.top, 20_000, 20_000, plan.grid.width * 15, plan.grid.height * 15
    )
    longitudes, latitudes = places(fine, "EPSG:4326")
    points = GLOBE[(90 - latitudes).astype(int).clip(0, 179), np.floor(longitudes % 360).astype(int) % 360]
    expected = points.reshape(plan.grid.height, 15, plan.grid.width, 15).mean(axis=(1, 3))
    shown = (latitudes > 52) & (latitudes < 75)
    compared = shown.reshape(plan.grid.height, 15, plan.grid.width, 15).all(axis=(1, 3))
    assert compared.sum() > 100
    assert np.abs(pixels(tmp_path, plan) - expected)[compared].max() < 8


def test_copies_pixels_that_coincide_after_a_full_turn(tmp_path):
    write_raster(tmp_path / "a.tif", GLOBE, left=0, top=90, resolution=1, crs="EPSG:4326")
    for west, east in ((-120, -100), (-10, 10), (350, 360)):
        found = pixels(tmp_path, planned(tmp_path, "a.tif", [west, 10, east, 30], crs="EPSG:4326", resolution=1))
        assert np.array_equal(found, GLOBE[60:80].take(range(west, east), axis=1, mode="wrap"))


@pytest.mark.parametrize("kernel", ["average", "cubic", "nearest"])
def test_kernels_are_continuous_across_the_antimeridian(tmp_path, kernel):
    write_raster(tmp_path / "a.tif", ISLANDS, left=175, top=-15, resolution=0.1, crs="EPSG:4326")
    resolution = 40_000 if kernel == "average" else 8000
    plan = planned(tmp_path, "a.tif", [177, -19, -177, -16], crs="utm", resolution=resolution, resampling=kernel)
    found = pixels(tmp_path, plan)
    expected = warped(ISLANDS, from_origin(175, -15, 0.1, 0.1), plan.grid, "EPSG:4326", Resampling[kernel])
    if kernel == "nearest":
        assert (found != expected).mean() < 0.1
    assert nearly_equal(found, expected, 12 if kernel == "nearest" else 3)


def test_two_files_that_end_at_180_degrees_form_one_narrow_mosaic(tmp_path):
    write_raster(tmp_path / "w.tif", ISLANDS[:, :50], left=175, top=-15, resolution=0.1, crs="EPSG:4326")
    write_raster(tmp_path / "e.tif", ISLANDS[:, 50:], left=-180, top=-15, resolution=0.1, crs="EPSG:4326")
    scenes = files(*({"bands": {"red": file}} for file in ("w.tif", "e.tif")))
    made = make(tmp_path, {"source": scenes, "product": {"bands": ["red"]}})
    assert np.array_equal(made.values(), ISLANDS)
    with made.open() as dataset:
        assert tuple(dataset.bounds) == pytest.approx((175, -21, 185, -15))
    assert made.item["bbox"] == pytest.approx([175, -21, -175, -15])
    footprint = shape(made.item["geometry"])
    assert footprint.symmetric_difference(box(175, -21, 180, -15).union(box(-180, -21, -175, -15))).area < 1e-6
    picture = made.item["assets"]["picture"]
    assert picture["proj:bbox"][0] == pytest.approx(175 / 360 * PERIOD)
    assert picture["proj:bbox"][2] == pytest.approx(185 / 360 * PERIOD, abs=12_000)  # of a pixel


@pytest.mark.parametrize(("crs", "resolution"), [("EPSG:4326", 0.025), ("utm", 3000), ("EPSG:3857", 2000)])
@pytest.mark.parametrize("side", [-1, 1])
def test_reads_a_file_in_web_mercator_beyond_its_edge(tmp_path, crs, resolution, side):
    left = side * PERIOD / 2 - 150_000
    write_raster(tmp_path / "a.tif", ISLANDS, left=left, top=-1.8e6, resolution=3000, crs="EPSG:3857")
    grid = {"crs": crs, "resolution": resolution, "resampling": "bilinear"}
    plan = planned(tmp_path, "a.tif", [179.5, -17, -179.5, -16.5], **grid)
    longitudes, latitudes = places(plan.grid, "EPSG:4326")
    x = longitudes % 360 / 360 * PERIOD
    y = 6378137 * np.log(np.tan(np.pi / 4 + np.radians(latitudes) / 2))
    expected = interpolated(ISLANDS, (x - (PERIOD / 2 - 150_000)) / 3000, (-1.8e6 - y) / 3000)
    assert np.isfinite(expected).all()
    assert nearly_equal(pixels(tmp_path, plan), expected, 0.1)


def test_reads_a_file_with_a_map_that_is_cut_at_the_antimeridian_on_both_sides(tmp_path):
    """A sinusoidal map of the whole Earth; its two sides are far apart."""
    radius = 6_371_007.181
    side = math.pi * radius / 500
    columns, rows = np.meshgrid(np.arange(1000), np.arange(500))
    values = (np.sin(columns / 30) * 100 + rows / 10).astype(np.float32)
    sinusoidal = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={radius} +units=m +no_defs"
    write_raster(tmp_path / "a.tif", values, left=-500 * side, top=250 * side, resolution=side, crs=sinusoidal)
    plan = planned(tmp_path, "a.tif", [170, -20, -170, -10], crs="EPSG:4326", resolution=0.2, resampling="bilinear")
    longitudes, latitudes = places(plan.grid, "EPSG:4326")
    x = radius * np.radians((longitudes + 180) % 360 - 180) * np.cos(np.radians(latitudes))
    expected = interpolated(values, x / side + 500, 250 - radius * np.radians(latitudes) / side)
    assert np.isfinite(expected).all()
    assert nearly_equal(pixels(tmp_path, plan), expected, 0.1)


@pytest.mark.parametrize(("crs", "degree"), [("EPSG:4326", 1.0), ("EPSG:3857", PERIOD / 360)])
@pytest.mark.parametrize(("west", "longitude"), [(178, 179.05), (178, -179.05), (-182, 179.05), (-182, -179.05)])
def test_a_map_tile_on_either_side_shows_a_mosaic_across_the_antimeridian(crs, degree, west, longitude):
    """A mosaic of 40 columns of 0.1 degrees: a map tile at a position shows the column of that position."""
    mosaic = Grid(crs, west * degree, 2 * degree, 0.1 * degree, 0.1 * degree, 40, 40)
    pixel = PERIOD / 360 / 100
    piece = Grid("EPSG:3857", longitude / 360 * PERIOD - 2 * pixel, 2 * pixel, pixel, pixel, 4, 4)
    mesh = picture_mesh(piece, mosaic)
    columns = np.tile(np.arange(40, dtype=np.uint8), (40, 1))[
        mesh.window.top : mesh.window.bottom, mesh.window.left : mesh.window.right
    ]
    expected = math.floor((longitude - west) % 360 / 0.1)
    assert np.unique(shown(mesh, columns[np.newaxis])).tolist() == [expected]
    assert pixel_at(mosaic, longitude, 1.05) == (expected, 9)
    assert pixel_at(mosaic, -longitude / 2, 1.05) is None


DISK = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +a=6378137 +rf=298.257222101 +units=m +no_defs"
HALF_DISK = 5_434_895.0


@pytest.mark.parametrize(
    ("bbox", "grid"),
    [
        (None, {}),
        (None, {"crs": "EPSG:4326", "resolution": 1}),
        ([-180, -90, 180, 90], {"crs": "EPSG:4326", "resolution": 1}),
        ([-180, -90, 180, 90], {}),
        ([-100, 10, -60, 40], {"crs": "EPSG:4326", "resolution": 0.5}),
        ([-180, -60, 0, 60], {"crs": "EPSG:3857", "resolution": 100_000}),
        ([-76, 4, -74, 6], {"crs": "utm", "resolution": 20_000}),
    ],
)
def test_uses_the_part_of_a_geostationary_image_that_shows_the_earth(tmp_path, bbox, grid):
    side = 2 * HALF_DISK / 120
    columns, rows = np.meshgrid(np.arange(120), np.arange(120))
    values = np.where(np.hypot(columns - 59.5, rows - 59.5) > 59, np.nan, columns).astype(np.float32)
    write_raster(tmp_path / "a.tif", values, left=-HALF_DISK, top=HALF_DISK, resolution=side, crs=DISK, nodata=np.nan)
    plan = planned(tmp_path, "a.tif", bbox, resampling="bilinear", **grid)
    x, y = places(plan.grid, plan.scenes[0].scene.bands["red"].header.grid.crs)
    there = np.isfinite(x) & np.isfinite(y)
    columns, rows = np.where(there, (x + HALF_DISK) / side, -9), np.where(there, (HALF_DISK - y) / side, -9)
    expected = interpolated(values, columns, rows)
    assert np.isfinite(expected).any()
    assert nearly_equal(pixels(tmp_path, plan), expected, 0.02)


def test_a_mosaic_of_a_geostationary_image_has_a_picture_and_a_footprint(tmp_path):
    columns, rows = np.meshgrid(np.arange(120), np.arange(120))
    values = np.where(np.hypot(columns - 59.5, rows - 59.5) > 59, np.nan, columns).astype(np.float32)
    side = 2 * HALF_DISK / 120
    write_raster(tmp_path / "a.tif", values, left=-HALF_DISK, top=HALF_DISK, resolution=side, crs=DISK, nodata=np.nan)
    item = make(tmp_path, {"source": files({"bands": {"red": "a.tif"}}), "product": {"bands": ["red"]}}).item
    west, south, east, north = item["bbox"]
    assert -158 < west < -150
    assert 0 < east < 8
    assert (south, north) == (pytest.approx(-81, abs=4), pytest.approx(81, abs=4))


ENGINEERING = 'LOCAL_CS["site",UNIT["metre",1]]'
UNKNOWN_METHOD = (
    'PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Foo_Bar"],PARAMETER["central_meridian",0],UNIT["metre",1]]'
)


@pytest.mark.parametrize(
    ("crs", "resolution", "left", "top"),
    [("EPSG:4326", 3, -181.5, 91.5), ("+proj=sinu +R=6371007.181 +units=m", 333_585.16, -20_015_109.4, 10_007_554.7)],
)
def test_a_file_of_the_whole_earth_has_a_valid_footprint(tmp_path, crs, resolution, left, top):
    """Even if centres of pixels are poles, or corners of the file are outside the map."""
    values = np.ones((61, 121), np.float32)
    write_raster(tmp_path / "a.tif", values, left=left, top=top, resolution=resolution, crs=crs)
    item = make(tmp_path, {"source": files({"bands": {"red": "a.tif"}}), "product": {"bands": ["red"]}}).item
    west, south, east, north = item["bbox"]
    assert (west, east) == (-180, 180)
    assert (south, north) == (pytest.approx(-90, abs=4), pytest.approx(90, abs=4))
    assert -90 <= south < north <= 90
    assert shape(item["geometry"]).is_valid


@pytest.mark.parametrize("bbox", [None, [15, 45, 15.1, 45.1]])
@pytest.mark.parametrize(
    ("crs", "reason"),
    [
        (ENGINEERING, '"site" is neither geographic nor projected; assign the right one'),
        ("EPSG:5703", "is neither geographic nor projected"),
        ("EPSG:4978", "EPSG:4978 is neither geographic nor projected"),
        ("+proj=airy +lat_b=10", "cannot be projected to EPSG:4326"),
        (UNKNOWN_METHOD, '"x" cannot be projected to EPSG:4326'),
        (DISK, "cannot be projected to EPSG:4326"),
    ],
)
def test_an_error_names_a_file_that_is_not_on_earth_with_the_reason(tmp_path, crs, reason, bbox):
    write_raster(tmp_path / "a.tif", np.ones((9, 9), np.float32), left=9e6, top=9e6, crs=crs)
    with pytest.raises(RequestError, match=rf"scenes\[0\]\.bands\.red: .*a\.tif cannot be located: .*{reason}"):
        planned(tmp_path, "a.tif", bbox)


def test_ignores_the_heights_of_a_compound_crs(tmp_path):
    write_raster(tmp_path / "a.tif", np.ones((40, 40), np.float32), left=155_000, top=463_000, crs="EPSG:7415")
    plan = planned(tmp_path, "a.tif", None, crs="utm", resolution=10)
    assert np.nanmean(pixels(tmp_path, plan)) == 1
