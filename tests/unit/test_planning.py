"""Plans: the grid, the scenes, the ranges, and requests that are refused before any pixel is read."""

import re
from dataclasses import replace

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import area_of
from mosaic_worker.plan.gridding import grid_over
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, make_plan, request_uid
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.sources.scenes import Found
from rasterio.warp import transform

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster


def planned(folder, spec, ranges=8, pixels=10**9, range_seconds=0) -> Plan:
    request = request_of(spec)
    bands = ("red",)
    found = resolve(request.spec, bands, own_machine(folder))
    return make_plan(request, "uid", found, Limits(pixels, range_seconds=range_seconds), ranges)


def red(*paths, **grid):
    scenes = [{"bands": {"red": str(path)}} for path in paths]
    return {"source": files(*scenes), "product": {"bands": ["red"]}, "grid": grid}


def test_without_an_area_the_grid_of_the_first_scene_covers_all_scenes(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60), left=500_005, top=5_000_003)
    two = write_raster(tmp_path / "b.tif", noise(50, 60), left=500_305, top=4_999_903)
    grid = planned(tmp_path, red(one, two)).grid
    assert (grid.left, grid.top, grid.width, grid.height) == (500_005, 5_000_003, 90, 60)


def test_grids_with_an_explicit_crs_are_aligned_to_multiples_of_the_resolution(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60), left=500_005, top=5_000_003)
    grid = planned(tmp_path, red(one, crs="EPSG:32633", resolution=10)).grid
    assert (grid.left, grid.top, grid.width, grid.height) == (500_000, 5_000_010, 61, 51)
    assert planned(tmp_path, red(one, crs="EPSG:32632")).grid.xres == 10


def test_degrees_need_a_resolution(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    with pytest.raises(RequestError, match=r"spec\.grid\.resolution: the unit of EPSG:4326 is degrees"):
        planned(tmp_path, red(one, crs="EPSG:4326"))
    assert planned(tmp_path, red(one, crs="EPSG:4326", resolution=0.0001)).grid.xres == 0.0001


AREA = {"area": {"bbox": [15, 45.12, 15.05, 45.15]}}


@pytest.mark.parametrize(
    ("crs", "resolution", "sentence"),
    [
        (
            "EPSG:4326",
            10,
            "10 means 10 degrees in EPSG:4326, but the area is only 0.05 degrees .* about 9e-05",
        ),
        ("EPSG:4258", 1000, "1000 means 1000 degrees in EPSG:4258, .* 1000 m are about 0.009 degrees"),
        ("EPSG:4807", 30, "30 means 30 grads in EPSG:4807, .* 30 m are about 0.0003 grads"),
    ],
)
def test_refuses_metres_in_a_crs_of_degrees_with_the_value_in_degrees(tmp_path, crs, resolution, sentence):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    with pytest.raises(RequestError, match=f"spec.grid.resolution: {sentence}"):
        planned(tmp_path, red(one, crs=crs, resolution=resolution) | AREA)
    with pytest.raises(RequestError, match=f"spec.grid.resolution: {sentence}"):
        grid_over(area_of(AREA["area"]["bbox"], None), crs, resolution, 10**9)


def test_refuses_metres_in_a_crs_of_degrees_for_a_large_area_too(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    spec = red(one, crs="EPSG:4326", resolution=10) | {"area": {"bbox": [-20, 0, 40, 60]}}
    with pytest.raises(RequestError, match="10 m are about 9e-05 degrees"):
        planned(tmp_path, spec)


@pytest.mark.parametrize("crs", ["EPSG:5703", "EPSG:4978", "EPSG:5800"])
def test_refuses_a_vertical_or_engineering_crs(tmp_path, crs):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    for area in ({}, AREA):
        with pytest.raises(RequestError, match=f"spec.grid.crs: {crs} is neither geographic nor projected; choose"):
            planned(tmp_path, red(one, crs=crs, resolution=10) | area)


def test_accepts_degrees_of_a_coarse_file(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(36, 72), left=-180, top=90, resolution=5, crs="EPSG:4326")
    assert planned(tmp_path, red(one, crs="EPSG:4326", resolution=10)).grid.pixels == 36 * 18


def test_warns_about_mosaics_of_one_pixel_and_units_of_feet(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    warnings = planned(tmp_path, red(one, crs="EPSG:32633", resolution=10_000)).warnings
    assert warnings == ("the mosaic has one pixel: the area is no larger than the resolution of 10000 metres",)
    feet = write_raster(tmp_path / "b.tif", noise(50, 60), crs="EPSG:2263", left=980_000, top=200_000, resolution=100)
    warnings = planned(tmp_path, red(feet, crs="EPSG:2263", resolution=10)).warnings
    assert warnings == ("the unit of EPSG:2263 is US survey feet: a resolution of 10 is 3.05 m",)


def test_the_resolution_that_an_error_suggests_is_accepted(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    with pytest.raises(RequestError, match=r"at 1e-09 metres the mosaic would have .* use (\S+) or more") as refused:
        planned(tmp_path, red(one, crs="EPSG:32633", resolution=1e-9), pixels=77_777)
    least = float(re.search(r"use (\S+) or more", str(refused.value))[1])
    assert planned(tmp_path, red(one, crs="EPSG:32633", resolution=least), pixels=77_777).grid.pixels > 60_000


def test_warns_about_an_edge_that_takes_the_long_way_around_the_earth(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(90, 180), left=-180, top=90, resolution=2, crs="EPSG:4326")
    ring = [[179, -17], [-179, -17], [-179, -13], [178, -13], [179, -17]]
    spec = red(one) | {"area": {"geometry": {"type": "Polygon", "coordinates": [ring]}}}
    (warning,) = planned(tmp_path, spec).warnings
    assert warning.startswith("an edge of the area spans 358 degrees of longitude; if it should cross")
    band = [[-179, -17], [179, -17], [179, -13], [-179, -13], [-179, -17]]
    spec["area"]["geometry"]["coordinates"] = [band]
    assert planned(tmp_path, spec).warnings == ()


def test_converts_feet_to_metres_if_the_resolution_is_omitted(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60), crs="EPSG:2263", left=980_000, top=200_000, resolution=100)
    assert planned(tmp_path, red(one, crs="EPSG:32618")).grid.xres == pytest.approx(30.5, abs=0.2)


@pytest.mark.parametrize(("lefts", "zone"), [((300_000, 310_000), "EPSG:32633"), ((820_000, 830_000), "EPSG:32634")])
def test_utm_without_an_area_is_the_zone_of_the_centre_of_the_scenes(tmp_path, lefts, zone):
    paths = [write_raster(tmp_path / f"{left}.tif", noise(50, 60), left=left) for left in lefts]
    assert planned(tmp_path, red(*paths, crs="utm")).grid.crs == zone


def test_utm_without_an_area_across_the_antimeridian(tmp_path):
    (x,), (y,) = transform("EPSG:4326", "EPSG:32601", [-179.99], [10])
    one = write_raster(tmp_path / "a.tif", noise(50, 60), left=x - 2500, top=y, crs="EPSG:32601")
    two = write_raster(tmp_path / "b.tif", noise(50, 60), left=x, top=y, crs="EPSG:32601")
    plan = planned(tmp_path, red(one, two, crs="utm"))
    assert plan.grid.crs in {"EPSG:32601", "EPSG:32660"}
    assert plan.grid.width < 400


def test_omits_scenes_outside_the_area_with_a_warning(tmp_path):
    near = write_raster(tmp_path / "a.tif", noise(50, 60))
    far = write_raster(tmp_path / "b.tif", noise(50, 60), left=600_000)
    plan = planned(tmp_path, red(near, far) | {"area": {"bbox": [15.0, 45.145, 15.005, 45.15]}})
    assert [item.scene.id for item in plan.scenes] == ["scene-1"]
    assert plan.warnings == ("skipped 1 scene outside the area",)


def test_warns_about_an_area_far_outside_its_zone(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    spec = red(one, crs="utm", resolution=1000) | {"area": {"bbox": [8, 44, 22, 46]}}
    assert planned(tmp_path, spec).warnings == (
        "the area reaches 4 degrees beyond its UTM zone, where distances are distorted",
    )


def test_has_the_requested_number_of_ranges_with_all_tiles(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(4100, 3100))
    plan = planned(tmp_path, red(one), ranges=8)
    assert (len(plan.tiles), len(plan.ranges)) == (20, 8)
    assert [stop for _, stop in plan.ranges][-1] == 20
    assert planned(tmp_path, red(one), ranges=50).summary()["ranges"] == 20


def test_a_job_has_at_most_a_thousand_ranges_with_all_tiles(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(40, 40), resolution=2048)
    plan = planned(tmp_path, red(one, resolution=1), ranges=4000, pixels=10**10)
    assert (len(plan.tiles), len(plan.ranges)) == (1024, 1000)
    assert {stop - start for start, stop in plan.ranges} == {1, 2}
    assert plan.ranges[-1][1] == 1024


def test_small_mosaics_have_fewer_ranges(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(4100, 3100))
    seconds = planned(tmp_path, red(one, resolution=2.5)).estimate.core_seconds
    assert 15 < seconds < 18
    ranges = [planned(tmp_path, red(one, resolution=2.5), range_seconds=each).ranges for each in (1, 5, 10, 60)]
    assert [len(each) for each in ranges] == [8, 3, 1, 1]


def test_large_mosaics_have_ranges_for_workers_that_are_added_later(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(4100, 3100))
    spec = red(one, resolution=2.5)
    ranges = [planned(tmp_path, spec, ranges=1, range_seconds=each).ranges for each in (0, 1, 5)]
    assert [len(each) for each in ranges] == [1, 2, 1]


def test_a_serialised_plan_is_the_same_when_parsed(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60), nodata=0)
    plan = planned(tmp_path, red(one) | {"area": {"bbox": [15.0, 45.14, 15.01, 45.15]}})
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.digest == plan.digest


def test_an_error_names_the_limit_of_pixels_and_a_resolution_that_fits(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(500, 600))
    with pytest.raises(RequestError, match="600 x 500 pixels, but only 75,000 are allowed; use 20 or more"):
        planned(tmp_path, red(one), pixels=75_000)


def test_refuses_a_mix_of_calibrated_and_uncalibrated_scenes(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))
    spec = red(one, one)
    spec["source"]["files"]["scenes"][0]["bands"]["red"] = {"href": str(one), "scale": 0.0001}
    with pytest.raises(RequestError, match="scene-2 has uncalibrated numbers and other scenes have reflectances"):
        planned(tmp_path, spec)


def test_the_identity_depends_only_on_what_changes_the_mosaic(tmp_path):
    one = write_raster(tmp_path / "a.tif", noise(50, 60))

    def uid(spec, **changes):
        request = request_of(spec)
        scene = resolve(request.spec, ("red",), own_machine(tmp_path)).scenes[0]
        band = replace(scene.bands["red"], **changes)
        return request_uid(request, Found([replace(scene, bands={"red": band})]))

    same = uid(red(one))
    assert uid(red(one) | {"execution": {"parallelism": 3}}) == same
    assert uid(red(one), href="https://h.org/a.tif?file=1") != uid(red(one), href="https://h.org/a.tif?file=2") != same
    header = resolve(request_of(red(one)).spec, ("red",), own_machine(tmp_path)).scenes[0].bands["red"].header
    assert uid(red(one), header=replace(header, identity="other")) != same
    assert uid(red(one) | {"output": {"dtype": "int16"}}) != same
    assert uid(red(one), offset=1.0) != same


def test_a_scene_in_degrees_on_both_sides_of_the_antimeridian_is_not_lost(tmp_path):
    (x,), (y,) = transform("EPSG:4326", "EPSG:32601", [180.0], [10])
    values = np.full((200, 200), 7, np.uint16)
    one = write_raster(tmp_path / "a.tif", values, left=x - 1000, top=y, crs="EPSG:32601")
    spec = red(one, crs="EPSG:4326", resolution=0.0001) | {"area": {"bbox": [179.995, 9.985, 180, 9.995]}}
    assert len(planned(tmp_path, spec).scenes) == 1


def masked(folder, values, classes, dtype=np.uint8):
    write_raster(folder / "mask.tif", np.ones((50, 60), dtype))
    spec = red(write_raster(folder / "a.tif", noise(50, 60)))
    spec["source"]["files"]["scenes"][0]["mask"] = {"href": "mask.tif", "values": values}
    return planned(folder, spec | {"composite": {"mask": classes}})


def test_a_class_that_no_mask_has_causes_an_error_or_a_warning(tmp_path):
    with pytest.raises(RequestError, match=r"scenes\[0\]\.mask: spec\.composite\.mask has snow, water, but"):
        masked(tmp_path, "earthDaily", ["cloud", "snow", "water"])
    (warning,) = masked(tmp_path, "nonzero", ["cloud", "snow"]).warnings
    assert warning.startswith("the masks of 1 scene have no classes: everything that they flag is masked, whether")
    assert masked(tmp_path, "nonzero", []).warnings == ()
    assert masked(tmp_path, "scl", ["cloud", "snow"]).warnings == ()
    (warning,) = masked(tmp_path, "earthDaily", ["cloud"]).warnings
    assert "1 clear, 2 cloud, 3 shadow, 4 thin cloud" in warning


@pytest.mark.parametrize("values", ["scl", "qaPixel", "earthDaily"])
def test_a_mask_with_classes_must_be_integer_and_is_ignored_without_classes(tmp_path, values):
    with pytest.raises(RequestError, match=rf"mask\.tif has the type float32, but a mask of kind {values} has"):
        masked(tmp_path, values, ["cloud"], np.float32)
    assert masked(tmp_path, values, []).scenes[0].scene.mask is None
