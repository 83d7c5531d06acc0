"""The form for a new mosaic, filled in like a new user does."""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from mosaic_api.database import Request
from mosaic_worker.synthetic import write_scenes
from playwright.sync_api import Page, expect
from sqlalchemy import update

from support.browsers.sites import Catalogue, Opens, Site, serve
from support.servers.earth_daily import earth_daily, items_in

SLOW = 120_000
"""Timeout for a mosaic in milliseconds."""


def choose_scenes(page: Page, catalogue: Catalogue) -> None:
    page.get_by_label("Source", exact=True).select_option("Another STAC API")
    page.get_by_label("STAC API URL").fill(catalogue.url)
    page.get_by_label("From (UTC)", exact=True).fill("2024-06-01")
    page.get_by_label("To (UTC)", exact=True).fill("2024-09-30")


def type_area(page: Page, bbox: list[float]) -> None:
    form = page.get_by_role("form", name="New mosaic")
    for side, value in zip(("West", "South", "East", "North"), bbox, strict=True):
        form.get_by_label(side).fill(str(value))


def draw_around(page: Page, bbox: list[float]) -> None:
    """Move the map to a box and draw a rectangle around it."""
    west, south, east, north = bbox
    page.evaluate(
        "async ([w, s, e, n]) => { const { map } = await import('/static/js/layers/map.mjs');"
        " map.fitBounds([[s, w], [n, e]], { animate: false, padding: [60, 60] }); }",
        bbox,
    )
    corners = page.evaluate(
        "async (corners) => { const { map } = await import('/static/js/layers/map.mjs');"
        " return corners.map((place) => { const { x, y } = map.latLngToContainerPoint(place); return [x, y]; }); }",
        [[north, west], [south, east]],
    )
    page.get_by_role("button", name="Draw a rectangle").click()
    for x, y in corners:
        page.locator("#map").click(position={"x": x, "y": y})


def test_creates_a_mosaic_from_a_drawn_area_and_shows_it(site: Site, catalogue: Catalogue, opens: Opens):
    page = opens(site)
    draw_around(page, catalogue.bbox)
    expect(page.locator("#area-summary")).to_contain_text("km²")
    choose_scenes(page, catalogue)
    expect(page.locator("#found")).to_contain_text("3 scenes")
    page.get_by_label("Resolution").fill("20")
    expect(page.locator("#estimate")).to_contain_text("3 scenes")
    expect(page.locator("#estimate")).to_contain_text("Mpx (limit")
    page.get_by_label("Name (optional)").fill("seen")
    page.get_by_role("button", name="Create mosaic").click()
    row = page.get_by_role("row", name=re.compile("^seen"))
    expect(row).to_contain_text("Succeeded", timeout=SLOW)
    expect(page.locator("#legends")).to_contain_text("seen · NDVI")
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_attached()
    page.locator("#map").hover()
    expect(page.locator("#pointer")).to_contain_text(re.compile(r"NDVI-?\d"))
    drawn = site.call("GET", "requests")["requests"][0]["spec"]["area"]["bbox"]
    assert all(abs(one - other) < 0.01 for one, other in zip(drawn, catalogue.bbox, strict=True))


def test_the_form_works_with_the_keyboard_alone(site: Site, catalogue: Catalogue, opens: Opens):
    page = opens(site)

    def go_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name || document.activeElement.id") == name:
                return
        raise AssertionError(f"no Tab leads to {name}")

    values = dict(zip(("west", "south", "east", "north"), catalogue.bbox, strict=True))
    for side in ("north", "west", "east", "south"):
        go_to(side)
        page.keyboard.type(str(values[side]))
    go_to("source")
    page.keyboard.type("Another")
    go_to("url")
    page.keyboard.type(catalogue.url)
    for end, typed, day in (("from", "06012024", "2024-06-01"), ("to", "09302024", "2024-09-30")):
        go_to(end)  # the month, which is first in the date format of this Chromium
        page.keyboard.type(typed)
        expect(page.locator(f"#{end}")).to_have_value(day)
    go_to("index")
    page.keyboard.press("Control+a")
    page.keyboard.type("snow")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#index")).to_have_value("NDSI")
    expect(page.locator("#index-card")).to_contain_text("Normalized Difference Snow Index")
    go_to("resolution")
    page.keyboard.type("40")
    go_to("create-button")
    page.keyboard.press("Enter")
    expect(page.locator("#tab-requests")).to_be_focused()
    spec = site.call("GET", "requests")["requests"][0]["spec"]
    assert (spec["product"], spec["grid"]) == ({"index": "NDSI"}, {"resolution": 40})
    assert spec["area"] == {"bbox": catalogue.bbox}


def test_enter_in_the_list_of_indices_chooses_the_best_match_without_submitting(site: Site, opens: Opens):
    page = opens(site)
    page.locator("#index").fill("snow")
    page.keyboard.press("Enter")
    expect(page.locator("#index")).to_have_value("NDSI")
    expect(page.locator("#index-list")).to_be_hidden()
    expect(page.locator("#request-problem")).to_be_hidden()


def test_names_the_usual_colours_of_the_product(site: Site, opens: Opens):
    page = opens(site)
    colormap, stretch, gamma = (page.locator(f"#{name}") for name in ("colormap", "stretch", "gamma"))
    assert (colormap.input_value(), stretch.input_value()) == ("", "")
    expect(colormap.locator("option").first).to_have_text("automatic: RdYlGn")
    expect(stretch.locator("option").first).to_have_text("automatic: -0.2 to 0.9")
    page.locator("#index").fill("SR")
    expect(stretch.locator("option").first).to_have_text("automatic: percentiles 2 to 98")
    page.get_by_label("Formula", exact=True).check()
    expect(colormap.locator("option").first).to_have_text("automatic: viridis")
    page.get_by_label("Bands", exact=True).check()
    expect(colormap).to_be_hidden()
    expect(stretch.locator("option").first).to_contain_text("automatic: reflectance 0 to 0.3")
    page.get_by_text("Advanced colours").click()
    expect(gamma).to_have_attribute("placeholder", "1.4")
    stretch.select_option("minmax")
    expect(gamma).to_have_attribute("placeholder", "1")
    page.locator("#bands").fill("nir")
    expect(colormap.locator("option").first).to_have_text("automatic: gray")
    expect(gamma).to_be_hidden()


def test_shows_problems_beside_their_field(site: Site, catalogue: Catalogue, opens: Opens):
    page = opens(site)
    type_area(page, catalogue.bbox)
    choose_scenes(page, catalogue)
    for label, wrong, right, message in (
        ("Resolution", "-3", "40", "must be from 1e-9 to 1e9"),
        ("Index name or topic", "NDVY", "NDVI", "Unknown index NDVY"),
        ("Name (optional)", "Not A Name", "a-name", "lower-case letters"),
    ):
        field = page.get_by_label(label)
        field.fill(wrong)
        page.get_by_role("button", name="Create mosaic").click()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        expect(page.locator(".wrong:visible")).to_contain_text(message)
        described = field.get_attribute("aria-describedby") or ""
        assert page.locator(".wrong:visible").get_attribute("id") in described.split()
        field.fill(right)
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.get_by_role("row", name=re.compile("^a-name"))).to_be_visible()


def test_duplicates_and_edits_a_request(site: Site, catalogue: Catalogue, opens: Opens):
    polygon = {"type": "Polygon", "coordinates": [corners_of(catalogue.bbox)]}
    spec = catalogue.spec(
        area={"geometry": polygon},
        product={"expression": "(nir - red) / (nir + red + 0.1)"},
        composite={"method": "percentile", "percentile": 75.0, "mask": ["cloud"], "count": True}
        | {"detect": "s2cloudless", "above": 65.0, "open": 2, "dilate": 3, "enough": 4}
        | {"prefer": "clear", "harmonise": "gain"},
        grid={"resolution": 40.0, "crs": "EPSG:3005", "resampling": "cubic"},
        output={"dtype": "int16", "colormap": "viridis", "stretch": {"fixed": {"lower": -0.5, "upper": 0.5}}},
        execution={"parallelism": 3},
    )
    spec["source"]["stac"] |= {"maxCloudCover": 90.0, "datetime": "2024-06-01T00:00:00Z/2024-09-30T12:00:00Z"}
    site.call("POST", "requests", json={"name": "first", "spec": spec})
    page = opens(site, "#panel=requests")
    page.get_by_role("button", name="first", exact=True).click()
    page.get_by_role("button", name="Duplicate and edit").click()
    expect(page.locator("#area-summary")).to_contain_text("Polygon, 4 vertices")
    page.get_by_label("Name (optional)").fill("second")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.get_by_role("row", name=re.compile("^second"))).to_be_visible()
    specs = {each["name"]: each["spec"] for each in site.call("GET", "requests")["requests"]}
    assert specs["second"] == specs["first"]


def test_reports_redacted_urls_in_a_copy_of_another_users_request(site: Site, opens: Opens):
    address = "https://nowhere.invalid/item.json"
    scenes = [{"item": f"{address}?sig=secret", "assets": {"nir": "nir08"}}]
    spec = {"source": {"files": {"scenes": scenes}}, "product": {"index": "NDVI"}, "execution": {"suspend": True}}
    site.call("POST", "requests", json={"name": "theirs", "spec": spec})
    with site.database.transaction() as session:
        session.execute(update(Request).values(owner_id=None, shared=True))
    page = opens(site, "#panel=requests")
    page.get_by_role("button", name="theirs", exact=True).click()
    page.get_by_role("button", name="Duplicate and edit").click()
    expect(page.get_by_label("URL or path", exact=True)).to_have_value(address)
    assets = page.get_by_role("group", name="Scene 1").get_by_label("Band to asset mapping")
    expect(assets).to_have_value('{"nir":"nir08"}')
    expect(page.locator("#copied-from")).to_contain_text("shown without their query")


def corners_of(bbox: list[float]) -> list[list[float]]:
    west, south, east, north = bbox
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def test_creates_a_mosaic_of_urls(site: Site, catalogue: Catalogue, opens: Opens):
    page = opens(site)
    page.get_by_label("Source", exact=True).select_option("URLs")
    scene = page.get_by_role("group", name="Scene 1")
    scene.get_by_label("Kind").select_option("one file per band")
    hrefs = {band: catalogue.items[0]["assets"][band]["href"] for band in ("red", "nir")}
    for number, band in enumerate(("red", "nir")):
        scene.get_by_label("URL or path of the band").nth(number).fill(hrefs[band])
    read = page.get_by_role("button", name="Read files now")
    expect(read).to_be_visible()
    page.clock.install()
    page.evaluate("document.querySelector('#request-form').dispatchEvent(new Event('input'))")  # an estimate waits
    read.click()
    expect(page.locator("#estimate")).to_contain_text("pixels")
    page.clock.run_for(1000)
    expect(page.locator("#estimate")).to_contain_text("pixels")
    page.get_by_label("Name (optional)").fill("files")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.get_by_role("row", name=re.compile("^files"))).to_be_visible()
    (requested,) = site.call("GET", "requests")["requests"]
    bands = {band: {"href": href} for band, href in hrefs.items()}
    assert requested["spec"]["source"] == {"files": {"scenes": [{"bands": bands}]}}
    assert "area" not in requested["spec"]


def test_creates_a_mosaic_of_earthdaily(
    database_url: str, opens: Opens, servers: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    list(write_scenes(tmp_path / "eds", count=1, side=512))
    with earth_daily(tmp_path / "eds", items_in(tmp_path / "eds")) as account:
        for name, value in account.environment.items():
            monkeypatch.setenv(name, value)
        site = servers.enter_context(serve(database_url, tmp_path / "data"))  # its executor keeps the environment
        page = opens(site)
        with monkeypatch.context() as without_account:
            for name in account.environment:
                without_account.delenv(name)
            type_area(page, account.items[0]["bbox"])
            page.get_by_label("Source", exact=True).select_option("EarthDaily mosaics")
            page.get_by_label("From (UTC)", exact=True).fill("2024-06-01")
            page.get_by_label("To (UTC)", exact=True).fill("2024-09-30")
            missing = "et EDS_CLIENT_ID and EDS_SECRET of an EarthDaily account"
            expect(page.locator("#found")).to_contain_text(missing)
        page.get_by_label("From (UTC)", exact=True).fill("2024-06-02")
        expect(page.locator("#found")).to_contain_text("1 scene, ")
        page.get_by_label("Resolution").fill("20")
        page.get_by_label("Name (optional)").fill("daily")
        page.get_by_role("button", name="Create mosaic").click()
        expect(page.get_by_role("row", name=re.compile("^daily"))).to_contain_text("Succeeded", timeout=SLOW)
        expect(page.locator("#legends")).to_contain_text("daily · NDVI")


def test_selects_local_scenes_in_a_list(database_url: str, opens: Opens, servers: ExitStack, tmp_path: Path):
    items = list(write_scenes(tmp_path / "scenes", count=3, side=512))
    (tmp_path / "scenes" / "deep.json").write_text("[" * 200_000)
    site = servers.enter_context(serve(database_url, tmp_path / "data", scenes=[tmp_path / "scenes"]))
    page = opens(site)
    page.get_by_label("Source", exact=True).select_option("Local files or URLs")
    listed = page.get_by_role("list", name="Local scenes")
    expect(listed.get_by_role("listitem")).to_have_count(3)
    expect(page.locator("#local-scenes-summary")).to_have_text(
        re.compile("^3 of 3 scenes, 0 selected. 1 file cannot be read: deep.json .*64 levels")
    )
    for name in ("S2_SYNTHETIC_1", "S2_SYNTHETIC_3"):
        listed.get_by_role("checkbox", name=name).check()
    listed.get_by_role("checkbox", name="S2_SYNTHETIC_3").uncheck()
    page.get_by_label("Local scenes", exact=True).first.fill("2024-07-06")
    expect(listed.get_by_role("listitem")).to_have_count(1)
    listed.get_by_role("checkbox", name="S2_SYNTHETIC_2").focus()
    page.keyboard.press("Space")
    expect(listed.get_by_role("checkbox", name="S2_SYNTHETIC_2")).to_be_focused()
    expect(page.get_by_role("group", name=re.compile("^Scene [0-9]"))).to_have_count(2)
    expect(page.locator("#estimate")).to_contain_text("2 scenes")
    page.get_by_label("Name (optional)").fill("mine")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.get_by_role("row", name=re.compile("^mine"))).to_contain_text("Succeeded", timeout=SLOW)
    (requested,) = site.call("GET", "requests")["requests"]
    assert requested["spec"]["source"] == {"files": {"scenes": [{"item": str(item)} for item in items[:2]]}}


def test_reads_the_area_from_a_file_in_another_crs(site: Site, opens: Opens, tmp_path: Path):
    page = opens(site)
    (tmp_path / "zone.csv").write_text(
        'wkt\n"SRID=32610;POLYGON ((450000 5400000, 451000 5400000, 451000 5401000, 450000 5400000))"\n'
    )
    page.get_by_label("Area from a file").set_input_files(tmp_path / "zone.csv")
    expect(page.locator("#area-summary")).to_contain_text("Polygon, 3 vertices")
    west = float(page.get_by_role("form", name="New mosaic").get_by_label("West").input_value())
    assert abs(west - -123.681) < 0.01  # 50 km west of the zone's centre
    expect(page.locator("path.area-shape")).to_be_attached()
    triangles = [[[[x, 2], [x + 1, 2], [x + 1, 3], [x, 2]]] for x in (1, 5)]
    shapes = [{"type": "Polygon", "coordinates": rings} for rings in triangles] + [
        {"type": "Point", "coordinates": [1, 2]}
    ]
    (tmp_path / "two.geojsonl").write_text("\n".join(map(json.dumps, shapes)))
    page.get_by_label("Area from a file").set_input_files(tmp_path / "two.geojsonl")
    expect(page.locator("#area-summary")).to_contain_text("2 polygons, 6 vertices")
    expect(page.locator("#area-summary")).to_contain_text("1 feature skipped")


def test_shows_the_problem_of_a_file_without_polygons_at_its_field(site: Site, opens: Opens, tmp_path: Path):
    page = opens(site)
    (tmp_path / "point.csv").write_text("lon,lat\n1,2\n")
    chosen = page.get_by_label("Area from a file")
    chosen.set_input_files(tmp_path / "point.csv")
    expect(page.locator(".field:has(#area-file) .wrong")).to_contain_text("It has no polygon")
    expect(chosen).to_be_focused()
