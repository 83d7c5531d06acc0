"""Whole mosaics of synthetic scenes, compared with plain numpy on the same numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from mosaic_crds.errors import RequestError
from mosaic_worker.pixels import chunks, compute
from mosaic_worker.pixels.chunks import chunk_size, touching_scenes
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from PIL import Image
from rasterio.features import geometry_mask
from rasterio.warp import transform, transform_geom
from shapely.geometry import Point, mapping, shape

from support.scenes.pipeline import files, make, request_of, same
from support.scenes.rasters import noise, write_raster

OPEN_STRETCH = {"stretch": {"minmax": {}}}


def ndsi(green, swir):
    with np.errstate(all="ignore"):
        return (green.astype(float) - swir) / (green.astype(float) + swir)


def test_ndsi_of_two_files(tmp_path):
    green, swir = noise(1100, 1300, 1, low=0, high=3), noise(1100, 1300, 2, low=0, high=3)
    write_raster(tmp_path / "B03.jp2", green, driver="JP2OpenJPEG")
    write_raster(tmp_path / "B11.jp2", swir, driver="JP2OpenJPEG")
    made = make(
        tmp_path,
        {
            "source": files({"bands": {"green": "B03.jp2", "swir16": "B11.jp2"}}),
            "product": {"index": "NDSI"},
            "output": OPEN_STRETCH,
        },
    )
    assert same(made.values(), ndsi(green, swir))
    assert (green + swir == 0).any()
    statistics = made.item["assets"]["mosaic"]["bands"][0]["statistics"]
    assert (statistics["minimum"], statistics["maximum"]) == (-1, 1)
    assert statistics["mean"] == pytest.approx(float(np.nanmean(ndsi(green, swir))), abs=1e-6)
    assert statistics["stddev"] == pytest.approx(float(np.nanstd(ndsi(green, swir))), abs=1e-6)
    assert statistics["valid_percent"] == pytest.approx(100 * np.isfinite(ndsi(green, swir)).mean(), abs=1e-3)


def test_a_scene_with_bands_of_different_resolutions_gets_the_coarser_one(tmp_path):
    green, swir = noise(1000, 1200, 1), noise(500, 600, 2)
    write_raster(tmp_path / "B03.tif", green)
    write_raster(tmp_path / "B11.tif", swir, resolution=20)
    spec = {"source": files({"bands": {"green": "B03.tif", "swir16": "B11.tif"}}), "product": {"index": "NDSI"}}
    made = make(tmp_path, spec)
    assert same(made.values(), ndsi(green.reshape(500, 2, 600, 2).mean(axis=(1, 3)), swir))
    fine = make(tmp_path, spec | {"grid": {"resolution": 10, "resampling": "nearest"}}, "fine")
    assert same(fine.values(), ndsi(green, swir.repeat(2, 0).repeat(2, 1)))


def test_several_bands_in_one_file(tmp_path):
    both = np.stack([noise(300, 400, 1), noise(300, 400, 2), noise(300, 400, 3)])
    write_raster(tmp_path / "stack.tif", both)
    bands = {"nir": {"href": "stack.tif", "band": 3}, "red": {"href": "stack.tif", "band": 1}}
    made = make(tmp_path, {"source": files({"bands": bands}), "product": {"index": "NDVI"}})
    assert same(made.values(), ndsi(both[2], both[0]))


def test_an_expression_and_a_normalised_difference_out_of_range(tmp_path):
    nir = np.array([[0.4, -0.1, 0.3], [0.2, 0.0, np.nan]], np.float32)
    red = np.array([[0.1, 0.3, -0.1], [0.2, 0.0, 0.5]], np.float32)
    write_raster(tmp_path / "nir.tif", nir)
    write_raster(tmp_path / "red.tif", red)
    source = files({"bands": {"nir": "nir.tif", "red": "red.tif"}})
    made = make(tmp_path, {"source": source, "product": {"expression": "(nir - red) / (red + nir)"}})
    assert same(made.values(), np.array([[0.6, np.nan, np.nan], [0, np.nan, np.nan]]))
    assert made.item["properties"]["mosaic:out_of_range"] == 2
    made = make(tmp_path, {"source": source, "product": {"expression": "sqrt(nir) * 2 - min(red, 0.2)"}}, "other")
    with np.errstate(all="ignore"):
        assert same(made.values(), np.sqrt(nir) * 2 - np.where(np.isnan(nir), np.nan, np.minimum(red, 0.2)), 1e-6)


SHIFTS = [(0, 0), (300, 200), (-200, 500)]


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory) -> tuple[Path, list[dict], dict[str, np.ndarray]]:
    """Three overlapping scenes with clouds, and their numbers on one common grid."""
    folder = tmp_path_factory.mktemp("overlapping")
    height, width = 700, 800
    canvas = {name: np.full((3, 1200, 1300), np.nan) for name in ("red", "nir", "scl")}
    scenes = []
    for number, (row, column) in enumerate(SHIFTS):
        red, nir = noise(height, width, 10 + number), noise(height, width, 20 + number)
        red[noise(height, width, 30 + number, 0, 50) == 0] = 0
        scl = np.full((height, width), 4, np.uint8)
        rng = np.random.default_rng(40 + number)
        for _ in range(12):
            y, x = rng.integers(0, height - 60), rng.integers(0, width - 60)
            scl[y : y + 50, x : x + 50] = rng.choice([3, 8, 9, 10])
        left, top = 600_000 + column * 10, 5_100_000 - row * 10
        for name, values in (("red", red), ("nir", nir), ("scl", scl)):
            options = {"nodata": 0} if name != "scl" else {}
            write_raster(folder / f"{name}{number}.tif", values, left=left, top=top, **options)
            target = canvas[name][number, 200 + row : 200 + row + height, column : column + width]
            target[:] = np.where(values == 0, np.nan, values) if name != "scl" else values
        scenes.append(
            {
                "bands": {"red": f"red{number}.tif", "nir": f"nir{number}.tif"},
                "mask": f"scl{number}.tif",
                "datetime": f"2024-07-0{[2, 3, 1][number]}T10:00:00Z",
                "cloudCover": [30, 10, 20][number],
            }
        )
    return folder, scenes, canvas


def percentile_without_nan(stack, percentile):
    """numpy's percentile of the valid values, computed for pixels with equal counts together."""
    count = np.isfinite(stack).sum(axis=0)
    found = np.full(count.shape, np.nan)
    for valid in range(1, len(stack) + 1):
        here = count == valid
        ordered = np.sort(stack[:, here], axis=0)[:valid]
        found[here] = np.percentile(ordered, percentile, axis=0)
    return found


def reduced(canvas, method, mask=(), of="product", percentile=None):
    """The result of plain numpy."""
    red, nir, scl = canvas["red"].copy(), canvas["nir"].copy(), canvas["scl"]
    invalid = np.isnan(red) | np.isnan(nir) | np.isin(scl, mask)
    red[invalid] = nir[invalid] = np.nan
    order = {"latest": [1, 0, 2], "oldest": [2, 0, 1], "leastCloudy": [1, 2, 0]}.get(method)
    with np.errstate(all="ignore"):
        if order is not None:
            values = ndsi(nir, red)[order]
            first = np.argmax(np.isfinite(values), axis=0)
            return np.take_along_axis(values, first[np.newaxis], 0)[0]
        reduce = {
            "mean": np.nanmean,
            "median": np.nanmedian,
            "min": np.nanmin,
            "max": np.nanmax,
            "percentile": lambda stack, axis: percentile_without_nan(stack, percentile),
        }[method]
        if of == "bands":
            return ndsi(reduce(nir, axis=0), reduce(red, axis=0))
        return reduce(ndsi(nir, red), axis=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:(All-NaN|Mean of empty):RuntimeWarning")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("method", "of"),
    [
        (method, "product")
        for method in ("latest", "oldest", "leastCloudy", "mean", "median", "min", "max", "percentile")
    ]
    + [("median", "bands"), ("mean", "bands")],
)
def test_a_composite_of_overlapping_scenes(overlapping, tmp_path, method, of, masked):
    folder, scenes, canvas = overlapping
    composite = {"method": method, "of": of} | ({"mask": ["cloud", "shadow"]} if masked else {})
    if method == "percentile":
        composite["percentile"] = 30
    scenes = [
        {**scene, "bands": {k: str(folder / v) for k, v in scene["bands"].items()}, "mask": str(folder / scene["mask"])}
        for scene in scenes
    ]
    made = make(tmp_path, {"source": files(*scenes), "product": {"index": "NDVI"}, "composite": composite})
    expected = reduced(canvas, method, [0, 3, 8, 9] if masked else [], of, composite.get("percentile"))
    rows = np.isfinite(canvas["scl"]).any(axis=(0, 2))
    assert same(made.values(), expected[rows], 2e-6)


def placed(scenes, folder):
    return [
        {**scene, "bands": {k: str(folder / v) for k, v in scene["bands"].items()}, "mask": str(folder / scene["mask"])}
        for scene in scenes
    ]


def test_bands_for_the_number_of_scenes_and_the_chosen_scene(overlapping, tmp_path):
    folder, scenes, canvas = overlapping
    made = make(
        tmp_path,
        {
            "source": files(*placed(scenes, folder)),
            "product": {"index": "NDVI"},
            "composite": {"method": "latest", "mask": ["cloud"], "count": True, "chosen": True},
        },
    )
    with made.open() as dataset:
        assert dataset.descriptions == ("NDVI", "count", "scene")
    valid = np.isfinite(canvas["red"]) & np.isfinite(canvas["nir"]) & ~np.isin(canvas["scl"], [8, 9])
    assert np.array_equal(made.values(2), valid.sum(axis=0))
    listed = [scene["id"] for scene in made.item["properties"]["mosaic:scenes"]]
    assert listed == ["scene-2", "scene-1", "scene-3"]
    order = np.array([1, 0, 2])
    first = np.where(valid.any(axis=0), np.argmax(valid[order], axis=0) + 1.0, np.nan)
    assert same(made.values(3), first)


def compared(canvas, method):
    """The scene that plain numpy chooses for each pixel, 0-based, the newest of equal ones; and the number of valid
    scenes.
    """
    newest_first = [1, 0, 2]
    red, nir = canvas["red"][newest_first].copy(), canvas["nir"][newest_first].copy()
    valid = ~(np.isnan(red) | np.isnan(nir) | np.isin(canvas["scl"][newest_first], [0, 8, 9]))
    if method == "greenest":
        measure = np.where(valid, -ndsi(nir, red), 9.0)
    else:
        apart = np.hypot(red[:, np.newaxis] - red, nir[:, np.newaxis] - nir)
        apart[~(valid[:, np.newaxis] & valid)] = 0
        measure = np.where(valid, apart.sum(axis=1), np.inf)
    return np.array(newest_first)[measure.argmin(axis=0)], valid.sum(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["product", "bands"])
@pytest.mark.parametrize(
    ("method", "product"),
    [("greenest", {"bands": ["red"]}), ("greenest", {"index": "NDVI"}), ("medoid", {"index": "NDVI"})],
)
def test_a_composite_that_compares_scenes(overlapping, tmp_path, monkeypatch, method, product, of):
    """Once with a tile at a time and once, with little memory, in strips."""
    folder, scenes, canvas = overlapping
    composite = {"method": method, "of": of, "mask": ["cloud"], "count": True, "chosen": True}
    spec = {"source": files(*placed(scenes, folder)), "product": product, "composite": composite}
    made = make(tmp_path, spec)
    taken, count = compared(canvas, method)
    layers = canvas["red"] if "bands" in product else ndsi(canvas["nir"], canvas["red"])
    rows = np.isfinite(canvas["scl"]).any(axis=(0, 2))
    expected = np.where(count > 0, np.take_along_axis(layers, taken[np.newaxis], 0)[0], np.nan)[rows]
    listed = [scene["id"] for scene in made.item["properties"]["mosaic:scenes"]]
    assert listed == ["scene-2", "scene-1", "scene-3"]
    number = np.array([2, 1, 3])[taken].astype(float)
    assert same(made.values(1), expected, 2e-6)
    assert np.array_equal(made.values(2), count[rows])
    assert same(made.values(3), np.where(count > 0, number, np.nan)[rows])

    request = request_of(spec)
    plan = make_plan(
        request, "uid", resolve(request.spec, input_bands(request.spec), own_machine(tmp_path)), Limits(), 1
    )
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1_000_000)
    assert chunk_size(plan, plan.tiles[0], touching_scenes(plan, plan.tiles[0]))[1] < 50
    tile = plan.tiles[0]
    found = compute.compute_tile(plan, tile, OpenSources(own_machine(tmp_path))).values
    assert same(found[0], made.values(1)[: tile.height, : tile.width], 0)
    assert same(found[2], made.values(3)[: tile.height, : tile.width], 0)


def test_methods_that_compare_scenes_refuse_a_mix_of_reflectances_and_stored_numbers(tmp_path):
    for name in ("red", "nir"):
        write_raster(tmp_path / f"{name}.tif", noise(20, 20))
    plain = {"bands": {"red": "red.tif", "nir": "nir.tif"}}
    scaled = {"bands": {name: {"href": f"{name}.tif", "scale": 0.0001} for name in ("red", "nir")}}
    for product in ({"index": "NDVI"}, {"bands": ["red"]}):
        spec = {"source": files(scaled, plain), "product": product, "composite": {"method": "greenest"}}
        with pytest.raises(RequestError, match="scene-2 has uncalibrated numbers and other scenes have reflectances"):
            make(tmp_path, spec)


def test_greenest_names_the_missing_band(tmp_path):
    write_raster(tmp_path / "red.tif", noise(20, 20))
    spec = {
        "source": files({"bands": {"red": "red.tif"}}),
        "product": {"bands": ["red"]},
        "composite": {"method": "greenest"},
    }
    with pytest.raises(RequestError, match=r"needs nir, but this scene has red"):
        make(tmp_path, spec)


def test_the_quality_band_of_landsat_masks_its_bits_and_its_fill(tmp_path):
    nir = noise(200, 300)
    quality = np.random.default_rng(1).integers(0, 1 << 16, (100, 150)).astype(np.uint16)
    write_raster(tmp_path / "nir.tif", nir)
    write_raster(tmp_path / "qa.tif", quality, resolution=20, nodata=1)
    spec = {
        "source": files({"bands": {"nir": "nir.tif"}, "mask": {"href": "qa.tif", "values": "qaPixel"}}),
        "product": {"bands": ["nir"]},
        "composite": {"mask": ["cloud", "shadow", "snow"]},
    }
    hidden = (quality & 0b111011 != 0).repeat(2, 0).repeat(2, 1)
    assert same(make(tmp_path, spec).values(), np.where(hidden, np.nan, nir))


def test_dilates_masks_in_pixels_of_the_grid_without_seams(tmp_path, monkeypatch):
    """Across the edges of tiles and, with little memory, of chunks."""
    radius, height, width = 7, 1100, 1300
    nir = noise(height, width)
    scl = np.where(noise(height, width, 1, 0, 4000) == 0, 9, 4).astype(np.uint8)
    scl[1015:1035:9, 1000:1050:8] = 8
    write_raster(tmp_path / "nir.tif", nir)
    write_raster(tmp_path / "scl.tif", scl)
    spec = {
        "source": files({"bands": {"nir": "nir.tif"}, "mask": "scl.tif"}),
        "product": {"bands": ["nir"]},
        "composite": {"mask": ["cloud"], "dilate": radius},
    }
    ys, xs = np.nonzero(scl >= 8)
    grown = np.zeros((height, width), bool)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                y, x = ys + dy, xs + dx
                keep = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                grown[y[keep], x[keep]] = True
    expected = np.where(grown, np.nan, nir)
    assert same(make(tmp_path, spec).values(), expected)

    request = request_of(spec)
    found = resolve(request.spec, ("nir",), own_machine(tmp_path))
    plan = make_plan(request, "uid", found, Limits(), 1)
    for size, limits in ((2_000_000, (512, 200)), (20_000_000, (600, 512)), (40_000_000, (1024, 512))):
        monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
        columns, rows = chunk_size(plan, plan.tiles[0], touching_scenes(plan, plan.tiles[0]))
        assert columns <= limits[0]
        assert rows <= limits[1]
        for tile in plan.tiles:
            found = compute.compute_tile(plan, tile, OpenSources(own_machine(tmp_path))).values[0]
            assert same(found, expected[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width])


def test_the_memory_of_a_chunk_does_not_grow_with_the_scenes(tmp_path):
    write_raster(tmp_path / "red.tif", noise(20, 20))
    scene = {"bands": {"red": "red.tif"}}
    write_raster(tmp_path / "nir.tif", noise(20, 20))
    scene["bands"]["nir"] = "nir.tif"
    for method in ("median", "percentile", "mean", "latest", "greenest", "medoid"):
        for count in (1, 40):
            spec = {
                "source": files(*[scene | {"datetime": f"{2000 + year}-07-01"} for year in range(count)]),
                "product": {"index": "NDVI"},
                "composite": {"method": method} | ({"percentile": 5} if method == "percentile" else {}),
            }
            request = request_of(spec)
            found = resolve(request.spec, ("red", "nir"), own_machine(tmp_path))
            plan = make_plan(request, "uid", found, Limits(), 1)
            large = replace(plan.tiles[0], width=2048, height=2048)
            columns, rows = chunk_size(plan, large, touching_scenes(plan, plan.tiles[0]))
            stacked = {"median": count, "percentile": count, "medoid": 3 * count}.get(method, 1)
            assert 1 <= rows <= 2048
            assert columns == 2048 or columns % plan.block == 0
            assert rows * columns * 4 * stacked < chunks.CHUNK_BYTES


def test_the_memory_of_a_chunk_does_not_grow_with_the_pixels_that_an_average_covers(tmp_path, monkeypatch):
    values = noise(300, 400)
    write_raster(tmp_path / "red.tif", values)
    request = request_of(
        {
            "source": files({"bands": {"red": "red.tif"}}),
            "product": {"bands": ["red"]},
            "grid": {"resolution": 100, "resampling": "average"},
        }
    )
    plan = make_plan(request, "uid", resolve(request.spec, ("red",), own_machine(tmp_path)), Limits(), 1)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10_000)
    columns, rows = chunk_size(plan, plan.tiles[0], touching_scenes(plan, plan.tiles[0]))
    assert columns < 40
    assert 12 * 100 * columns * rows <= 10_000
    found = compute.compute_tile(plan, plan.tiles[0], OpenSources(own_machine(tmp_path))).values[0]
    assert same(found, values.reshape(30, 10, 40, 10).mean(axis=(1, 3)), 0.01)


def test_nodata_outside_a_polygon(tmp_path):
    write_raster(tmp_path / "red.tif", noise(400, 500))
    ring = [[15.01, 45.13], [15.05, 45.12], [15.04, 45.15], [15.01, 45.13]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    made = make(
        tmp_path,
        {
            "area": {"geometry": geometry},
            "source": files({"bands": {"red": "red.tif"}}),
            "product": {"bands": ["red"]},
        },
    )
    with made.open() as dataset:
        found = dataset.read(1)
        fine = mapping(shapely.segmentize(shape(geometry), 0.0002))
        place = transform_geom("EPSG:4326", dataset.crs, fine)
        outside = geometry_mask([place], dataset.shape, dataset.transform)
        column, row = ~dataset.transform @ (500_000, 5_000_000)
    whole = np.full((2000, 2000), np.nan)
    whole[800 : 800 + 400, 800 : 800 + 500] = noise(400, 500)
    y, x = 800 - round(row), 800 - round(column)
    expected = np.where(outside, np.nan, whole[y : y + found.shape[0], x : x + found.shape[1]])
    assert (np.isnan(found) != np.isnan(expected)).sum() <= 2
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.sum() > 1000
    assert np.array_equal(found[both], expected[both])


def test_scenes_of_different_zones_share_one_grid(tmp_path):
    """Two scenes in two zones have the same ramp, a function of the coordinates; so has the mosaic."""

    def ramp(crs, left, top, height, width):
        xs, ys = np.meshgrid(left + 10 * np.arange(width) + 5, top - 10 * np.arange(height) - 5)
        lon, lat = transform(crs, "EPSG:4326", xs.ravel().tolist(), ys.ravel().tolist())
        return ((np.array(lon) - 17.9) * 10000 + (np.array(lat) - 45) * 3000).reshape(height, width).astype(np.float32)

    write_raster(tmp_path / "a.tif", ramp("EPSG:32633", 735_000, 5_000_000, 300, 200), left=735_000)
    write_raster(tmp_path / "b.tif", ramp("EPSG:32634", 263_000, 5_000_000, 300, 300), left=263_000, crs="EPSG:32634")
    made = make(
        tmp_path,
        {
            "source": files({"bands": {"red": "a.tif"}}, {"bands": {"red": "b.tif"}}),
            "product": {"bands": ["red"]},
            "composite": {"method": "mean"},
            "grid": {"crs": "EPSG:32633", "resolution": 10},
        },
    )
    with made.open() as dataset:
        found, (height, width) = dataset.read(1), dataset.shape
        expected = ramp("EPSG:32633", dataset.transform.c, dataset.transform.f, height, width)
    assert np.isfinite(found).mean() > 0.8
    difference = np.abs(found - expected)
    assert np.nanquantile(difference, 0.98) < 0.01
    assert np.nanmax(difference) < 0.7  # half a pixel at the edge of a scene


def test_across_the_antimeridian(tmp_path):
    """A scene on each side of 180 degrees in its own zone; each has a bright pixel that keeps its position."""
    marks = {"EPSG:32760": (815_005.0, 8_123_995.0), "EPSG:32701": (185_005.0, 8_123_995.0)}
    for number, (crs, (x, y)) in enumerate(marks.items()):
        values = np.full((500, 500), 100, np.uint16)
        left, top = x - 5 - (2000 if number == 0 else 3000), y + 5 + 2000
        values[round((top - y - 5) / 10), round((x - 5 - left) / 10)] = 9000
        write_raster(tmp_path / f"{number}.tif", values, left=left, top=top, crs=crs, nodata=0)
    made = make(
        tmp_path,
        {
            "area": {"bbox": [179.9, -17.0, -179.9, -16.9]},
            "source": files({"bands": {"red": "0.tif"}}, {"bands": {"red": "1.tif"}}),
            "product": {"bands": ["red"]},
            "grid": {"crs": "utm", "resolution": 10, "resampling": "nearest"},
        },
    )
    with made.open() as dataset:
        found = dataset.read(1)
        assert dataset.width * 10 < 25_000
        for crs, (x, y) in marks.items():
            xs, ys = transform(crs, dataset.crs, [x], [y])
            row, column = dataset.index(xs[0], ys[0])
            assert found[row - 1 : row + 2, column - 1 : column + 2].max() == 9000
    item = made.item
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"][0] > 179 > -179 > item["bbox"][2]
    picture = item["assets"]["picture"]
    assert picture["proj:shape"][1] < 4 * picture["proj:shape"][0]


def test_the_footprint_of_a_mosaic_around_a_pole_contains_it(tmp_path: Path):
    path = write_raster(tmp_path / "B.tif", noise(400, 400), left=-2e6, top=2e6, resolution=10_000, crs="EPSG:3413")
    item = make(tmp_path, {"source": files({"bands": {"red": str(path)}}), "product": {"bands": ["red"]}}).item
    footprint = shape(item["geometry"])
    assert footprint.is_valid
    assert item["bbox"] == [-180, pytest.approx(64.3, abs=0.1), 180, 90]
    assert all(
        footprint.covers(Point(longitude, latitude)) for longitude in range(-180, 181, 30) for latitude in (72, 90)
    )
    assert not any(footprint.covers(Point(longitude, 60)) for longitude in range(-180, 181, 30))


def test_the_position_of_the_picture_matches_the_item_to_half_a_pixel(tmp_path):
    values = np.full((900, 900), 10, np.uint16)
    values[444:447, 613:616] = 1000
    write_raster(tmp_path / "red.tif", values, left=500_000, top=5_700_000, crs="EPSG:32609")
    made = make(
        tmp_path,
        {"source": files({"bands": {"red": "red.tif"}}), "product": {"bands": ["red"]}, "output": OPEN_STRETCH},
    )
    picture = Image.open(made.folder / "mosaic.png")
    assert picture.mode == "P"
    rows, columns = np.nonzero(np.asarray(picture) == 255)
    a, _, c, _, e, f = made.item["assets"]["picture"]["proj:transform"][:6]
    x, y = c + a * (columns.mean() + 0.5), f + e * (rows.mean() + 0.5)
    expected = transform("EPSG:32609", "EPSG:3857", [500_000 + 614.5 * 10], [5_700_000 - 445.5 * 10])
    assert abs(x - expected[0][0]) < a / 2
    assert abs(y - expected[1][0]) < a / 2


def test_three_bands_have_a_picture_with_transparency(tmp_path):
    for number, name in enumerate(("red", "green", "blue")):
        values = noise(200, 200, number)
        values[:50] = 0
        write_raster(tmp_path / f"{name}.tif", values, nodata=0)
    bands = {name: f"{name}.tif" for name in ("red", "green", "blue")}
    made = make(tmp_path, {"source": files({"bands": bands}), "product": {"bands": ["red", "green", "blue"]}})
    picture = Image.open(made.folder / "mosaic.png")
    assert picture.mode == "RGBA"
    alpha = np.asarray(picture)[..., 3]
    assert (alpha[: picture.height // 5, picture.width // 2] == 0).all()
    assert (alpha[picture.height // 3 : -20, picture.width // 2] == 255).all()
    with made.open() as dataset:
        assert dataset.count == 3


def test_int16_has_the_same_values_to_half_a_step(tmp_path):
    red, nir = noise(600, 600, 1), noise(600, 600, 2)
    write_raster(tmp_path / "red.tif", red, nodata=1)
    write_raster(tmp_path / "nir.tif", nir)
    spec = {"source": files({"bands": {"red": "red.tif", "nir": "nir.tif"}}), "product": {"index": "NDVI"}}
    made = make(tmp_path, spec | {"output": {"dtype": "int16"}})
    with made.open() as dataset:
        assert (dataset.dtypes[0], dataset.nodata, dataset.scales[0]) == ("int16", -32768, 0.0001)
        found = np.where(dataset.read(1) == -32768, np.nan, dataset.read(1) * 0.0001)
    expected = np.where(red == 1, np.nan, ndsi(nir, red))
    assert same(found, expected, 0.0000501)


def test_an_index_with_constants_refuses_uncalibrated_numbers(tmp_path):
    for name in ("nir", "red", "blue"):
        write_raster(tmp_path / f"{name}.tif", noise(20, 20))
    bands = {name: f"{name}.tif" for name in ("nir", "red", "blue")}
    with pytest.raises(RequestError, match="EVI needs reflectances, but scene-1 has uncalibrated numbers"):
        make(tmp_path, {"source": files({"bands": bands}), "product": {"index": "EVI"}})
    calibrated = {name: {"href": path, "scale": 0.0001, "offset": -0.1} for name, path in bands.items()}
    made = make(tmp_path, {"source": files({"bands": calibrated}), "product": {"index": "EVI"}})
    value = noise(20, 20).astype(float) * 0.0001 - 0.1
    assert same(made.values(), 2.5 * 0 / (value + 6 * value - 7.5 * value + 1))


def test_a_method_that_needs_dates_refuses_scenes_without_dates(tmp_path):
    for name in "ab":
        write_raster(tmp_path / f"{name}.tif", noise(20, 20))
    scenes = [{"bands": {"red": f"{name}.tif"}} for name in "ab"]
    spec = {"source": files(*scenes), "product": {"bands": ["red"]}, "composite": {"method": "latest"}}
    with pytest.raises(RequestError, match=r"latest.*scene-1"):
        make(tmp_path, spec)


def test_the_item_describes_the_mosaic_and_its_scenes(tmp_path):
    write_raster(tmp_path / "red.tif", noise(20, 20))
    write_raster(tmp_path / "nir.tif", noise(20, 20, 1))
    scene = {"bands": {"red": "red.tif", "nir": "nir.tif"}, "datetime": "2024-07-01T10:00:00Z", "cloudCover": 3}
    made = make(tmp_path, {"source": files(scene), "product": {"index": "NDVI"}})
    item = json.loads((made.folder / "mosaic.json").read_text())
    properties = item["properties"]
    assert properties["datetime"] == "2024-07-01T10:00:00Z"
    assert properties["proj:code"] == "EPSG:32633"
    assert properties["processing:lineage"] == "NDVI of 1 scene, composed by median per product."
    assert properties["mosaic:scenes"][0]["bands"]["red"] == {
        "href": str(tmp_path / "red.tif"),
        "band": 1,
        "scale": 1.0,
        "offset": 0.0,
    }
    assert properties["mosaic:scenes"][0]["eo:cloud_cover"] == 3
    asset = item["assets"]["mosaic"]
    assert asset["file:size"] == (made.folder / "mosaic.tif").stat().st_size
    assert asset["proj:shape"] == [20, 20]
    assert asset["bands"][0]["name"] == "NDVI"
    assert sum(asset["bands"][0]["raster:histogram"]["buckets"]) == 400
    assert {"mosaic", "picture", "thumbnail"} == set(item["assets"])
    picture = item["assets"]["picture"]
    assert (picture["mosaic:stretch"], picture["mosaic:colormap"]) == ([[-0.2, 0.9]], "RdYlGn")
    assert (picture["mosaic:reduction"], "mosaic:stretch_error" in picture) == (1, False)


def test_the_whole_result_is_valid_for_the_fields_own_validators(tmp_path):
    from hashlib import sha256

    import pystac
    from rio_cogeo import cog_validate

    write_raster(tmp_path / "red.tif", noise(1500, 1100))
    made = make(tmp_path, {"source": files({"bands": {"red": "red.tif"}}), "product": {"bands": ["red"]}})
    assert cog_validate(made.folder / "mosaic.tif", strict=True) == (True, [], [])
    item = pystac.Item.from_file(str(made.folder / "mosaic.json"))
    item.stac_extensions = []  # their schemas are on the internet, which is not always reachable
    item.validate()
    for asset in made.item["assets"].values():
        content = (made.folder / asset["href"]).read_bytes()
        assert asset["file:checksum"] == "1220" + sha256(content).hexdigest()
        assert asset["file:size"] == len(content)
    with rasterio.open(made.folder / "mosaic.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert np.array_equal(dataset.read(1), noise(1500, 1100))
