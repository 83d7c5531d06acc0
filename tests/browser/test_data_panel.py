"""The data panel: adding, filtering, editing, deleting and restoring datasets, and sharing on a central server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mosaic_api.postgres.server import PrivatePostgres
from PIL import Image
from playwright.sync_api import Page, expect

from support.browsers.sites import Opens, Site, serve
from support.databases import new_database
from support.scenes.rasters import noise, write_raster

SQUARE = [[-127.5, 51.5], [-127.4, 51.5], [-127.4, 51.6], [-127.5, 51.6], [-127.5, 51.5]]


def add(page: Page, kind: str, name: str, file: Path | None = None) -> None:
    """Open the form and fill in the fields that all kinds have."""
    if not page.locator("#dataset-form").is_visible():
        page.get_by_text("Add data", exact=True).click()
    form = page.get_by_role("form", name="Add data")
    form.get_by_label(kind, exact=True).check()
    if file is not None:
        form.get_by_label("File", exact=True).set_input_files(file)
    form.get_by_label("Name").fill(name)
    form.get_by_label("Creator").fill("Ann")


def submit(page: Page) -> None:
    page.get_by_role("button", name="Add dataset").click()


def open_row(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def only(site: Site) -> dict[str, Any]:
    (dataset,) = site.call("GET", "datasets")["datasets"]
    return dataset


def test_adds_an_image_and_shows_its_values(site: Site, opens: Opens, tmp_path: Path):
    image = write_raster(tmp_path / "height.tif", noise(200, 200, 1), nodata=0)
    page = opens(site, "#panel=data")
    expect(page.locator("#data-empty")).to_contain_text("No datasets yet")
    add(page, "Image", "Height", image)
    submit(page)
    expect(page.get_by_role("row", name=re.compile("^Height Ann"))).to_be_visible()
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_attached()
    expect(page.locator("#legends")).to_contain_text("Height")
    page.locator("#map").hover()
    expect(page.locator("#pointer dd")).to_have_text(re.compile(r"^[\d,.]+$"))


def test_features_show_their_attributes_as_text(site: Site, opens: Opens, tmp_path: Path):
    properties = {"name": "<img src=x onerror=alert(1)>", "area": 7.5}
    feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [SQUARE]}}
    file = tmp_path / "lakes.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    page = opens(site, "#panel=data")
    add(page, "Vector", "Lakes", file)
    submit(page)
    expect(page.locator("path.leaflet-interactive")).to_be_visible()
    page.locator("#map").click()
    popup = page.locator(".leaflet-popup-content")
    expect(popup.get_by_role("row", name=re.compile("^name"))).to_contain_text("<img src=x")
    expect(popup.locator("img")).to_have_count(0)


def test_picks_a_point_on_the_map(site: Site, opens: Opens):
    page = opens(site, "#at=48.5,-123.5,9&panel=data")
    add(page, "Point", "Camp")
    page.get_by_role("button", name="Pick on the map").click()
    expect(page.locator("#drawing")).to_contain_text("Click the position of the point")
    page.locator("#map").click()
    expect(page.locator("#drawing")).to_be_hidden()
    submit(page)
    expect(page.get_by_role("row", name=re.compile("^Camp"))).to_be_visible()
    west, south, east, north = only(site)["bounds"]
    assert (west, south) == (east, north)
    assert abs(west + 123.5) < 0.01
    assert abs(south - 48.5) < 0.01


def test_draws_the_extent_of_an_image_on_the_map(site: Site, opens: Opens, tmp_path: Path):
    picture = tmp_path / "scan.png"
    Image.new("RGB", (60, 40), "red").save(picture)
    page = opens(site, "#at=48.5,-123.5,9&panel=data")
    add(page, "Image", "Scan", picture)
    page.get_by_label("Image has no georeference").check()
    page.get_by_role("button", name="Draw extent on the map").click()
    for position in ({"x": 200, "y": 200}, {"x": 500, "y": 400}):
        page.locator("#map").click(position=position)
    submit(page)
    expect(page.get_by_role("row", name=re.compile("^Scan"))).to_be_visible()
    west, south, east, north = only(site)["bounds"]
    assert west < east
    assert south < north


def test_shows_problems_of_uploads_beside_their_field(site: Site, opens: Opens, tmp_path: Path):
    page = opens(site, "#panel=data")
    add(page, "Vector", "Nothing")
    submit(page)
    file = page.get_by_label("File", exact=True)
    expect(file).to_be_focused()
    expect(file).to_have_attribute("aria-invalid", "true")
    wrong = tmp_path / "words.geojson"
    wrong.write_text("no features here")
    add(page, "Vector", "Words", wrong)
    submit(page)
    expect(page.locator("#dataset-form .wrong, #dataset-problem:visible").first).to_contain_text(re.compile("[a-z]"))
    assert site.call("GET", "datasets")["total"] == 0


def test_edits_deletes_and_restores_a_dataset(site: Site, opens: Opens):
    point = {"kind": "point", "name": "Camp", "longitude": 1.0, "latitude": 2.0}
    site.call("POST", "datasets", json=point)
    page = opens(site, "#panel=data")
    open_row(page, "Camp")
    page.get_by_role("button", name="Edit").click()
    details = page.locator("#data-rows .details")
    details.get_by_label("Name").fill("")
    page.get_by_role("button", name="Save").click()
    expect(details.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    details.get_by_label("Name").fill("Base camp")
    details.get_by_label("Description").fill("by the lake")
    site.call("PATCH", f"datasets/{only(site)['id']}", json={"creator": "Ann"})
    page.get_by_role("button", name="Save").click()
    expect(details.get_by_role("alert")).to_contain_text("has changed in the meantime")
    page.get_by_role("button", name="Save").click()
    expect(details).to_contain_text("by the lake")
    expect(details).to_contain_text("Ann")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#data-empty")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name=re.compile("^Base camp"))).to_be_visible()


def test_filters_datasets_by_text_kind_and_view(site: Site, opens: Opens):
    for name, longitude in (("Camp", -123.5), ("Cabin", 10.0)):
        site.call("POST", "datasets", json={"kind": "point", "name": name, "longitude": longitude, "latitude": 48.5})
    page = opens(site, "#at=48.5,-123.5,9&panel=data")
    rows = page.locator("#data-rows tr:not(.more)")
    expect(rows).to_have_count(2)
    page.get_by_label("In the current view only").check()
    expect(rows).to_have_text([re.compile("Camp")])
    page.get_by_label("In the current view only").uncheck()
    page.locator("#data-text").fill("cab")
    expect(rows).to_have_text([re.compile("Cabin")])
    page.get_by_role("search", name="Data").get_by_label("Kind").select_option("images")
    expect(page.locator("#data-empty")).to_contain_text("No datasets match")


def test_explains_how_to_configure_a_central_server(site: Site, opens: Opens):
    page = opens(site, "#panel=data")
    page.get_by_label("Owner").select_option("central server")
    expect(page.locator("#data-empty")).to_contain_text("MOSAIC_CENTRAL_URL")


@pytest.fixture
def local(site: Site, postgres: PrivatePostgres, template: str, tmp_path: Path) -> Iterator[Site]:
    """A server whose central server is `site`."""
    wanted = {"label": "local", "scopes": ["write"], "days": 1}
    token = site.call("POST", "tokens", json=wanted)["secret"]
    environment = {"MOSAIC_CENTRAL_URL": site.url, "MOSAIC_CENTRAL_TOKEN": token}
    with new_database(postgres) as url, serve(url, tmp_path / "local", environment) as served:
        yield served


def test_shares_datasets_on_the_central_server_and_fetches_from_it(
    site: Site, local: Site, opens: Opens, tmp_path: Path
):
    image = write_raster(tmp_path / "height.tif", noise(64, 64, 1), nodata=0)
    page = opens(local, "#panel=data")
    add(page, "Image", "Height", image)
    submit(page)
    expect(page.get_by_role("row", name=re.compile("^Height"))).to_be_visible()
    open_row(page, "Height")
    page.get_by_role("button", name="Share on the central server").click()
    expect(page.locator(".details .terms")).to_contain_text("Central servershared")
    there = opens(site, "#panel=data")

    def arrived() -> bool:
        there.reload()
        there.wait_for_selector("body[data-ready]")
        return there.get_by_role("row", name=re.compile("^Height")).count() == 1

    until(there, arrived)
    camp = {"kind": "point", "name": "Camp", "longitude": 1.0, "latitude": 2.0, "shared": True}
    site.call("POST", "datasets", json=camp)
    page.get_by_label("Owner").select_option("central server")
    page.get_by_role("button", name="Fetch Camp").click()
    expect(page.locator("#notices")).to_contain_text("Camp copied to this server")
    expect(page.get_by_role("row", name=re.compile("^Camp"))).to_be_visible()
    names = {dataset["name"] for dataset in local.call("GET", "datasets")["datasets"]}
    assert names == {"Height", "Camp"}


def until(page: Page, condition: Any, times: int = 100) -> None:
    for _ in range(times):
        if condition():
            return
        page.wait_for_timeout(200)
    raise AssertionError("the condition was not met in time")


def test_creates_a_mosaic_on_the_central_server(site: Site, local: Site, catalogue: Any, opens: Opens):
    from test_new_mosaic import choose_scenes, type_area

    page = opens(local)
    type_area(page, catalogue.bbox)
    choose_scenes(page, catalogue)
    page.get_by_label("Resolution").fill("40")
    page.get_by_label("Run on").select_option("central server")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.locator("#notices")).to_contain_text("queued on the central server")
    assert site.call("GET", "requests")["total"] == 1
    assert local.call("GET", "requests")["total"] == 0
