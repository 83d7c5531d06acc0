"""The page's pure modules, run in the browser: boxes across the antimeridian, specs, messages of problems."""

from typing import Any

import pytest
from playwright.sync_api import Page

from support.browsers.sites import Opens, Site


@pytest.fixture
def page(gallery: Site, opens: Opens) -> Page:
    return opens(gallery)


def run(page: Page, module: str, expression: str, *given: Any) -> Any:
    """The value of an expression, in which `m` is a module and `g` the list of arguments."""
    return page.evaluate(f"(g) => import('/static/js/lib/{module}.mjs').then((m) => {expression})", given)


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ([-10, 0, 10, 5], [-10, 0, 10, 5]),
        ([170, 0, 190, 5], [170, 0, -170, 5]),
        ([-190, 0, -170, 5], [170, 0, -170, 5]),
        ([530, 0, 550, 5], [170, 0, -170, 5]),
        ([-300, -95, 300, 95], [-180, -90, 180, 90]),
    ],
)
def test_normalizes_corners_anywhere_on_the_map_to_a_box(page: Page, corners: list[float], box: list[float]):
    assert run(page, "geo", "m.boxOfCorners(...g[0])", corners) == box


@pytest.mark.parametrize(("middle", "west"), [(179, 170), (-179, -190), (541, 530)])
def test_shows_a_box_on_the_nearest_copy_of_the_world(page: Page, middle: float, west: float):
    assert run(page, "geo", "m.boundsNear([170, -5, -170, 5], g[0])", middle) == [[-5, west], [5, west + 20]]


@pytest.mark.parametrize(("longitude", "inside"), [(175, True), (-175, True), (185, True), (-165, False), (160, False)])
def test_a_box_across_the_antimeridian_contains_both_sides(page: Page, longitude: float, inside: bool):
    assert run(page, "geo", "m.contains([170, -5, -170, 5], 0, g[0])", longitude) is inside


def test_a_polygon_drawn_across_the_antimeridian_has_its_box(page: Page):
    corners = [{"lat": 0, "lng": 170}, {"lat": 0, "lng": 190}, {"lat": 9, "lng": 180}]
    polygon = run(page, "geo", "m.polygonOf(g[0])", corners)
    assert polygon["coordinates"] == [[[170, 0], [-170, 0], [180, 9], [170, 0]]]
    assert run(page, "geo", "m.boxOfGeometry(g[0])", polygon) == [170, 0, -170, 9]


@pytest.mark.parametrize("longitude", [179.5, -179.5])
def test_shows_tiles_on_both_sides_of_the_antimeridian(page: Page, longitude: float):
    count = page.evaluate(
        """async (longitude) => {
            const { map } = await import('/static/js/layers/map.mjs');
            const { Tiles } = await import('/static/js/layers/layers.mjs');
            map.setView([0, longitude], 6, { animate: false });
            const tiles = new Tiles('/static/icon.svg?{z}/{x}/{y}', [178, -2, -178, 2], {}).addTo(map);
            await new Promise((done) => tiles.once('load', done));
            const inside = [...tiles.getContainer().querySelectorAll('img')].map((image) => image.src.split('?')[1]);
            return new Set(inside).size;
        }""",
        longitude,
    )
    assert count == 4  # one tile on each side of the antimeridian, above and below the equator


def test_sends_an_incomplete_spec_unchanged_so_that_the_api_names_missing_fields(page: Page):
    form = {"source": "stac", "url": "", "collection": "", "from": "", "to": ""}
    form |= {
        "cloud": "",
        "query": "{",
        "assets": "",
        "product": "bands",
        "bands": " nir ,, red",
        "mask": [],
        "method": "median",
        "of": "product",
        "crs": "",
    }
    form |= {"stretch": "fixed", "lower": "", "upper": "1", "colormap": "viridis"}
    spec = run(page, "spec", "m.specOf(g[0], null, [])", form)
    assert spec == {
        "source": {"stac": {"query": "{"}},
        "product": {"bands": ["nir", "red"]},
        "composite": {"method": "median"},
        "output": {"colormap": "viridis", "stretch": {"fixed": {"upper": 1}}},
    }


def test_automatic_colours_are_not_in_the_spec(page: Page):
    form = {"source": "earth-search", "product": "bands", "bands": "red, green, blue", "mask": []}
    form |= {"colormap": "", "stretch": "", "gamma": ""}
    spec = run(page, "spec", "m.specOf(g[0], null, [])", form)
    assert "output" not in spec
    spec["source"]["stac"]["datetime"] = "2024-07-01"
    again = run(page, "spec", "m.formOf(g[0])", spec)
    assert (again["colormap"], again["stretch"], again["gamma"]) == ("", "", "")
    assert run(page, "spec", "m.specOf(g[0], null, [])", form | {"gamma": "2"})["output"] == {"gamma": 2}
    assert "output" not in run(page, "spec", "m.specOf(g[0], null, [])", form | {"gamma": "2", "bands": "red"})


def test_the_check_box_for_unreadable_scenes_sets_a_field_of_the_source(page: Page):
    form = {"source": "earth-search", "product": "index", "index": "NDVI", "mask": [], "stretch": "minmax"}
    for checked in (True, False):
        spec = run(page, "spec", "m.specOf(g[0], null, [])", form | {"skip": checked})
        assert spec["source"].get("onUnreadable") == ("skip" if checked else None)
        spec["source"]["stac"]["datetime"] = "2024-07-01"
        assert run(page, "spec", "m.formOf(g[0]).skip", spec) is checked


MINUS = [
    {"datetime": "2023-06-01T12:00:00Z/2023-08-31"},
    {"files": {"scenes": [{"item": "https://example.org/item.json"}]}},
    {"stac": {"url": "earth-search", "collection": "c", "datetime": "2023-07-01"}},
]


@pytest.mark.parametrize("minus", MINUS, ids=lambda minus: next(iter(minus)))
def test_a_copied_request_keeps_what_it_subtracts(page: Page, minus: dict[str, Any]):
    source = {"stac": {"url": "earth-search", "collection": "c", "datetime": "2024-06-01/2024-08-31"}}
    spec = {"source": source, "minus": minus, "product": {"index": "NDVI"}}
    copied = run(page, "spec", "m.specOf(m.formOf(g[0]), null, [], g[0])", spec)
    assert copied["minus"] == minus
    assert run(page, "spec", "m.productName(g[0])", spec) == "NDVI difference"


def test_the_dates_to_subtract_are_an_interval_of_searches_only(page: Page):
    form = {"source": "earth-search", "product": "index", "index": "NDVI", "mask": [], "stretch": "minmax", "minus": ""}
    form |= {"minusFrom": "2023-06-01", "minusTo": "2023-08-31"}
    spec = run(page, "spec", "m.specOf(g[0], null, [])", form)
    assert spec["minus"] == {"datetime": "2023-06-01/2023-08-31"}
    assert "minus" not in run(page, "spec", "m.specOf(g[0], null, [])", form | {"source": "files"})
    assert "minus" not in run(page, "spec", "m.specOf(g[0], null, [])", form | {"minusFrom": "", "minusTo": ""})
