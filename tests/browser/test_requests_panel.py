"""The requests panel: progress, cancelling, deleting and searching."""

import re
from typing import Any

from playwright.sync_api import expect
from test_new_mosaic import SLOW

from support.browsers.sites import Catalogue, Opens, Site


def fine_spec(catalogue: Catalogue) -> dict[str, Any]:
    """The spec of a mosaic with several tiles, which takes a while."""
    return catalogue.spec(grid={"resolution": 1.5})


def test_shows_tiles_on_the_map_while_a_mosaic_is_computed(site: Site, catalogue: Catalogue, opens: Opens):
    with catalogue.gate.closed("S2_SYNTHETIC_3/"):
        site.call("POST", "requests", json={"name": "fine", "spec": fine_spec(catalogue)})
        page = opens(site, "#panel=requests")
        page.get_by_role("button", name="Show fine").click()
        row = page.get_by_role("row", name=re.compile("^fine"))
        expect(row.get_by_role("progressbar")).to_be_visible(timeout=SLOW)
        expect(page.locator(".leaflet-image-layer").first).to_be_attached(timeout=SLOW)
        expect(row).to_contain_text("Running")
    expect(row).to_contain_text("Succeeded", timeout=SLOW)
    expect(page.locator(".leaflet-image-layer")).to_have_count(0)
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_attached()
    expect(page.locator("#notices")).to_contain_text("fine is ready")


def test_cancels_and_deletes_a_request(site: Site, catalogue: Catalogue, opens: Opens):
    with catalogue.gate.closed("S2_SYNTHETIC"):
        site.call("POST", "requests", json={"name": "fine", "spec": fine_spec(catalogue)})
        page = opens(site, "#panel=requests")
        page.get_by_role("button", name="fine", exact=True).click()
        page.get_by_role("button", name="Cancel").click()
        row = page.get_by_role("row", name=re.compile("^fine"))
        expect(row).to_contain_text("Cancelled", timeout=SLOW)
    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(page.locator("#requests-empty")).to_contain_text("No mosaics yet")
    assert site.call("GET", "requests")["total"] == 0


def test_a_failed_request_shows_the_reason_in_its_row(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=requests")
    row = page.get_by_role("row", name=re.compile("^early"))
    expect(row).to_contain_text("Failed", timeout=SLOW)
    expect(row).to_contain_text("no scene")


def test_filters_requests_by_name_and_state_and_pages_them(site: Site, catalogue: Catalogue, opens: Opens):
    for number in range(30):
        requested = site.call("POST", "requests", json={"name": f"m{number}", "spec": catalogue.spec()})
        site.call("POST", f"requests/{requested['id']}/cancel")
    page = opens(site, "#panel=requests")
    rows = page.locator("#requests-rows tr:not(.more)")
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(30)
    expect(rows.last).to_contain_text("m0")
    page.get_by_label("Search by name").fill("m2")
    expect(rows).to_have_count(11)
    page.get_by_label("State").select_option("failed")
    expect(page.locator("#requests-empty")).to_contain_text("No mosaics match")
