"""Classes on the page: fields in the form, legend, and names of values."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from support.browsers.sites import Catalogue, Opens, Site

CLASSES = [
    {"range": {"below": 0.2}, "colour": "#4575b4", "name": "Bare"},
    {"range": {"atLeast": 0.2}, "colour": "#1a7837", "name": "Green"},
]


def spec_of(page: Page) -> dict[str, Any]:
    """The spec of the next request, which is not sent."""
    sent: list[dict[str, Any]] = []

    def refuse(route: Route) -> None:
        sent.append(route.request.post_data_json)
        problem = {"title": "Invalid", "status": 422, "detail": "not now", "field": None}
        route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/api/v1/requests", refuse)
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.locator("#request-problem")).to_be_visible()
    page.unroute("**/api/v1/requests")
    return sent[0]["spec"]


def open_classes(page: Page) -> None:
    page.get_by_text("Classes instead of values").click()


def test_classes_are_entered_as_rows_of_limits_colours_and_names(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=new")
    open_classes(page)
    expect(page.get_by_label("Stretch")).to_be_visible()
    add = page.get_by_role("button", name="Add class")
    add.click()
    expect(page.get_by_label("Name of the class")).to_be_focused()
    page.get_by_label("Name of the class").fill("Bare")
    page.get_by_label("To (not included)").fill("0.2")
    add.click()
    expect(page.get_by_label("From (included)").nth(1)).to_have_value("0.2")
    page.get_by_label("Name of the class").nth(1).fill("Green")
    page.get_by_label("Colour", exact=True).nth(1).fill("#1a7837")
    add.click()
    page.get_by_label("Kind of the class").nth(2).select_option("One value")
    page.get_by_label("Value", exact=True).nth(2).fill("-1")
    page.get_by_label("Name of the class").nth(2).fill("Water")
    expect(page.get_by_label("Stretch")).to_be_hidden()
    spec = spec_of(page)
    assert spec["product"]["classes"] == [*CLASSES, {"value": -1, "colour": "#c7e59b", "name": "Water"}]
    assert not {"colormap", "stretch"} & set(spec.get("output", {}))
    page.get_by_role("button", name="Remove class").nth(2).click()
    assert spec_of(page)["product"]["classes"] == CLASSES


def test_a_problem_is_shown_at_the_field_of_its_class(gallery: Site, catalogue: Catalogue, opens: Opens):
    page = opens(gallery, "#panel=new")
    open_classes(page)
    page.get_by_role("button", name="Add class").click()
    page.get_by_label("To (not included)").fill("1")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.get_by_label("Name of the class")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name of the class").fill("Low")
    page.get_by_role("button", name="Add class").click()
    page.get_by_label("Name of the class").nth(1).fill("High")
    page.get_by_label("From (included)").nth(1).fill("0.5")
    page.get_by_role("button", name="Create mosaic").click()
    expect(page.locator(".wrong[data-made]")).to_contain_text("Low and High, which overlap")


@pytest.mark.slow
def test_a_classified_mosaic_has_a_legend_and_names_of_values(site: Site, catalogue: Catalogue, opens: Opens):
    site.make("classified", catalogue.spec(product={"index": "NDVI", "classes": CLASSES}))
    page = opens(site)
    legend = page.locator("#legends .classes li")
    expect(legend).to_have_count(2)
    expect(legend.nth(0)).to_contain_text(re.compile(r"Bare\s*\d+(\.\d)? ?%"))
    expect(legend.nth(1).locator(".chip")).to_have_css("background-color", "rgb(26, 120, 55)")
    expect(legend.nth(1)).to_have_attribute("title", re.compile(r"km²$"))
    page.locator("#map").hover()
    expect(page.locator("#pointer dd")).to_have_text(re.compile("^(Bare|Green|no data)$"))
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#layers-list details")).to_be_hidden()
    page = opens(site, "#panel=requests")
    page.get_by_role("button", name="classified", exact=True).click()
    page.get_by_role("button", name="Duplicate and edit").click()
    assert spec_of(page)["product"] == {"index": "NDVI", "classes": CLASSES}
