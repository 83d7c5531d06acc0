"""Classified mosaics, compared with plain numpy: values, colours, statistics, notes."""

import io
import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_crds.status import ResultStatus
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.finalize.results import Results
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.pixel_area import pixel_area
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.plan.stored import write_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import open_store
from mosaic_worker.tiles.ranges import compute_range
from PIL import Image
from pystac.extensions.classification import ClassificationExtension
from rio_cogeo import cog_validate

from support.scenes.pipeline import Made, files, make, request_of
from support.scenes.rasters import noise, write_raster

CLASSES = [
    {"name": "High", "colour": "#1A9850", "range": {"atLeast": 0.3}},
    {"name": "Low: é", "colour": "#2166ac", "range": {"below": -0.1}},
    {"name": "Middle", "colour": "#ffff00", "range": {"atLeast": -0.1, "below": 0.2}},
]
COLOURS = {1: (0x1A, 0x98, 0x50), 2: (0x21, 0x66, 0xAC), 3: (0xFF, 0xFF, 0x00)}
EQUAL_AREA = "EPSG:6933"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three scenes of red and nir; the first is smaller and has no data in a corner."""
    place = tmp_path_factory.mktemp("scenes")
    seeds = iter(range(6))
    for scene, height in {"a": 1100, "b": 1100, "c": 300}.items():
        for band in ("red", "nir"):
            values = noise(height, 650, next(seeds), 0, 10_000)
            values[:100, :80] = 0
            write_raster(place / f"{scene}-{band}.tif", values, nodata=0)
    return place


def spec(folder: Path, names: str = "abc", **more) -> dict:
    scenes = [
        {"bands": {b: {"href": str(folder / f"{n}-{b}.tif"), "scale": 1e-4, "offset": 0.0} for b in ("red", "nir")}}
        for n in names
    ]
    return {"source": files(*scenes), "product": {"index": "NDVI", "classes": CLASSES}} | more


@pytest.fixture(scope="module")
def mosaic(folder, tmp_path_factory) -> Made:
    return make(tmp_path_factory.mktemp("made"), spec(folder))


def plan_of(folder: Path, asked: dict) -> Plan:
    request, gate = request_of(asked), own_machine(folder)
    found = resolve(request.spec, input_bands(request.spec), gate, Limits.scenes)
    return make_plan(request, "one", found, Limits(), 1)


@pytest.fixture(scope="module")
def values(folder, tmp_path_factory) -> np.ndarray:
    """The median NDVI, without classes."""
    return make(tmp_path_factory.mktemp("plain"), spec(folder, product={"index": "NDVI"})).values()


def numbers_of(values: np.ndarray) -> np.ndarray:
    """The classes of values by direct comparisons with float32 limits."""
    low, middle, high = (np.float32(limit) for limit in (-0.1, 0.2, 0.3))
    found = np.where(np.isnan(values), 0, 255)
    found[values >= high] = 1
    found[values < low] = 2
    found[(values >= low) & (values < middle)] = 3
    return found.astype(np.uint8)


def test_the_composed_values_are_classified(mosaic, values):
    expected = numbers_of(values)
    assert set(np.unique(expected)) == {0, 1, 2, 3, 255}
    assert np.array_equal(mosaic.values(), expected)


def test_the_cog_has_a_colour_table_names_and_overviews_of_numbers(mosaic, values):
    path = mosaic.folder / "mosaic.tif"
    assert cog_validate(path, strict=True) == (True, [], [])
    with mosaic.open() as dataset:
        assert (dataset.dtypes, dataset.nodata, dataset.descriptions) == (("uint8",), 0, ("class",))
        assert dataset.colorinterp == (rasterio.enums.ColorInterp.palette,)
        table = dataset.colormap(1)
        assert {number: table[number][:3] for number in COLOURS} == COLOURS
        assert (table[0][3], table[255]) == (0, (192, 192, 192, 255))
        names = {name: text for name, text in dataset.tags(1).items() if name.startswith("CLASS_")}
        assert names == {"CLASS_1": "High", "CLASS_2": "Low: é", "CLASS_3": "Middle", "CLASS_255": "no class"}
        assert dataset.overviews(1) == [2, 4]
    with rasterio.open(path, overview_level=0) as overview:
        assert np.array_equal(overview.read(1), numbers_of(values)[::2, ::2])
        assert overview.colormap(1)[1][:3] == COLOURS[1]


def test_the_item_has_the_pixels_and_areas_of_the_classes(mosaic, values):
    item = pystac.Item.from_dict(json.loads((mosaic.folder / "mosaic.json").read_text()))
    assert ClassificationExtension.has_extension(item)
    band = item.to_dict()["assets"]["mosaic"]["bands"][0]
    assert (band["name"], band["data_type"], band["nodata"]) == ("class", "uint8", 0)
    listed = band["classification:classes"]
    assert listed[0] == {"value": 0, "name": "no-data", "title": "no data", "nodata": True}
    assert [(each["value"], each["name"], each["title"], each.get("color_hint")) for each in listed[1:]] == [
        (1, "High", "High", "1A9850"),
        (2, "Low-2", "Low: é", "2166AC"),
        (3, "Middle", "Middle", "FFFF00"),
        (255, "no-class", "no class", None),
    ]
    counts = dict(zip(*np.unique(numbers_of(values), return_counts=True), strict=True))
    valid = np.isfinite(values).sum()
    for each in listed[1:]:
        assert each["count"] == counts[each["value"]]
        assert each["percentage"] == pytest.approx(100 * each["count"] / valid)
        assert each["mosaic:area"] == pytest.approx(100 * each["count"], rel=0.002)
    assert band["statistics"] == {"valid_percent": pytest.approx(100 * valid / values.size)}
    assert not {name for name in item.assets["picture"].extra_fields if name in {"mosaic:stretch", "mosaic:colormap"}}
    assert item.properties["mosaic:product"]["classes"] == CLASSES


def test_status_and_notes_name_the_share_in_no_class(mosaic, folder, values):
    plan = plan_of(folder, spec(folder))
    folder_of_results = Results.of_plan(plan)
    found = folder_of_results.summary((mosaic.folder / "mosaic.json").read_bytes(), open_store(str(folder)))
    status = ResultStatus.model_validate(found)
    shares = {each.name: each.percent for each in status.classes}
    numbers = numbers_of(values)
    assert shares["no class"] == pytest.approx(100 * (numbers == 255).sum() / (numbers > 0).sum())
    assert sum(shares.values()) == pytest.approx(100)
    assert (status.statistics.minimum, status.statistics.mean) == (None, None)
    share = f"{shares['no class']:.1f} % of the pixels with data are in no class"
    assert status.notes == [f"{share}; they are 255 in the COG and transparent on maps"]


def test_the_picture_has_only_the_colours_of_the_classes(mosaic):
    picture = Image.open(io.BytesIO(mosaic.png))
    assert picture.mode == "P"
    pixels = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    opaque = {tuple(colour) for colour in np.unique(pixels[pixels[:, 3] == 255][:, :3], axis=0).tolist()}
    assert opaque == set(COLOURS.values())
    assert set(np.unique(pixels[:, 3])) == {0, 255}
    indexes = np.asarray(picture)
    assert np.array_equal(np.asarray(picture.convert("RGBA"))[..., 3] == 0, np.isin(indexes, [0, 255]))
    assert (indexes == 255).any()


def test_the_thumbnail_mixes_no_colours(folder, tmp_path):
    wide = noise(700, 1500, 3)
    write_raster(tmp_path / "red.tif", wide)
    product = {
        "bands": ["red"],
        "classes": [CLASSES[0] | {"range": {"atLeast": 5000}}, CLASSES[1] | {"range": {"below": 5000}}],
    }
    made = make(tmp_path, {"source": files({"bands": {"red": str(tmp_path / "red.tif")}}), "product": product})
    pixels = np.asarray(Image.open(made.folder / "thumbnail.png")).reshape(-1, 4)
    colours = {tuple(colour) for colour in np.unique(pixels[pixels[:, 3] > 0], axis=0).tolist()}
    assert colours == {(*COLOURS[1], 255), (*COLOURS[2], 255)}


@pytest.mark.parametrize(("method", "of"), [("median", "bands"), ("medoid", "product"), ("latest", "bands")])
def test_classifies_after_any_composite(folder, tmp_path, method, of):
    area = {"bbox": [15.0, 45.13, 15.02, 45.15]}
    dated = spec(folder, "ab", composite={"method": method, "of": of}, area=area)
    for day, scene in enumerate(dated["source"]["files"]["scenes"], 1):
        scene["datetime"] = f"2024-07-0{day}"
    plain = make(tmp_path, dated | {"product": {"index": "NDVI"}}, "plain").values()
    assert np.array_equal(make(tmp_path, dated).values(), numbers_of(plain))


def test_a_difference_is_classified(folder, tmp_path):
    earlier = spec(folder, "b")["source"]
    asked = spec(folder, "a", area={"bbox": [15.0, 45.13, 15.02, 45.15]}, minus=earlier)
    plain = make(tmp_path, asked | {"product": {"index": "NDVI"}}, "plain").values()
    made = make(tmp_path, asked)
    assert np.array_equal(made.values(), numbers_of(plain))
    assert made.item["properties"]["title"] == "NDVI difference classes mosaic test"
    lineage = "NDVI of 1 scene minus NDVI of 1 scene, composed by median per product and classified."
    assert made.item["properties"]["processing:lineage"] == lineage


def test_one_scene_in_no_class(folder, tmp_path):
    far = [{"name": "far", "colour": "#000000", "value": 7}]
    made = make(tmp_path, spec(folder, "a", product={"index": "NDVI", "classes": far}))
    assert set(np.unique(made.values())) == {0, 255}
    listed = made.item["assets"]["mosaic"]["bands"][0]["classification:classes"]
    assert (listed[1]["count"], listed[1]["percentage"]) == (0, 0.0)
    assert listed[-1]["percentage"] == 100
    assert made.item["properties"]["mosaic:notes"][0].startswith("100.0 % of the pixels with data are in no class")


def test_a_mosaic_without_data(tmp_path):
    write_raster(tmp_path / "red.tif", np.zeros((30, 40), np.uint16), nodata=0)
    source = files({"bands": {"red": str(tmp_path / "red.tif")}})
    made = make(tmp_path, {"source": source, "product": {"bands": ["red"], "classes": CLASSES}})
    assert not made.values().any()
    band = made.item["assets"]["mosaic"]["bands"][0]
    assert {each.get("count", 0) for each in band["classification:classes"]} == {0}
    assert "mosaic:notes" not in made.item["properties"]


def test_pixels_outside_the_area_are_no_data(folder, tmp_path, values):
    ring = [[15.01, 45.10], [15.03, 45.10], [15.01, 45.12], [15.01, 45.10]]
    area = {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    made = make(tmp_path, spec(folder, area=area))
    numbers = made.values()
    assert 0 < (numbers == 0).mean() < 0.9
    band = made.item["assets"]["mosaic"]["bands"][0]
    assert sum(each.get("count", 0) for each in band["classification:classes"]) == (numbers > 0).sum()


def test_the_plan_survives_the_store_and_sizes_the_result(folder):
    plan = plan_of(folder, spec(folder))
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.formula.classifier is not None
    plain = plan_of(folder, spec(folder, product={"index": "NDVI"}))
    assert plan.estimate.bytes < plain.estimate.bytes / 5


def test_limits_that_are_too_close_are_refused_when_the_request_is_planned(folder):
    close = [{"name": "a", "colour": "#000000", "range": {"atLeast": 0.1, "below": 0.100000001}}]
    with pytest.raises(RequestError, match="the limits of a are too close"):
        plan_of(folder, spec(folder, product={"index": "NDVI", "classes": close}))


def zone(south: float, north: float) -> float:
    """The area between two latitudes on the ellipsoid of WGS 84, square metres (Snyder 1987, equation 3-12)."""
    e2 = 0.00669437999014
    e = np.sqrt(e2)

    def q(latitude: float) -> float:
        sine = np.sin(np.radians(latitude))
        return (1 - e2) * (sine / (1 - e2 * sine**2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))

    return np.pi * 6378137.0**2 * (q(north) - q(south))


def test_the_area_of_a_pixel_is_that_on_the_ground():
    degrees = Grid("EPSG:4326", 15.0, 45.1, 0.001, 0.001, 100, 100)
    assert pixel_area(degrees) == pytest.approx(zone(45.0, 45.1) / 360 * 0.1 / 100**2, rel=1e-5)
    assert pixel_area(Grid(EQUAL_AREA, 0, 5_000_000, 100, 100, 9000, 9000)) == pytest.approx(10_000, rel=1e-4)
    mercator = Grid("EPSG:3857", 0, 6_446_275, 10, 10, 200, 200)
    assert pixel_area(mercator) == pytest.approx(100 * np.cos(np.radians(50)) ** 2, rel=0.01)


@pytest.mark.parametrize(
    "grid",
    [
        Grid("EPSG:3857", 0, 6_446_275, 1000, 1000, 1000, 1000),
        Grid("EPSG:4326", -180, 90, 0.5, 0.5, 720, 360),
        Grid("EPSG:32633", 30_000_000, 5_000_000, 10, 10, 10, 10),
    ],
)
def test_there_is_no_area_where_pixels_differ(grid):
    assert pixel_area(grid) is None


@pytest.mark.parametrize("ranges", [1, 2])
def test_any_number_of_ranges_gives_the_same_bytes(folder, tmp_path, mosaic, ranges):
    store, gate = open_store(str(tmp_path)), own_machine(folder)
    request = request_of(spec(folder))
    found = resolve(request.spec, input_bands(request.spec), gate, Limits.scenes)
    plan = write_plan(make_plan(request, "one", found, Limits(), ranges), store)
    assert (len(plan.ranges), len(plan.tiles)) == (ranges, 2)
    for index in reversed(range(ranges)):
        compute_range(plan, index, store, OpenSources(gate))
    finalize_step(plan, store)
    made = Made(tmp_path / Results.of_plan(plan).folder, {})
    assert (made.cog, made.png) == (mosaic.cog, mosaic.png)
    ours, theirs = made.timeless_item["assets"], mosaic.timeless_item["assets"]
    assert ours == theirs
