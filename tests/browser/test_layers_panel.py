"""The layers panel: order and appearance of layers, comparing two of them, and links to a view."""

import re
import uuid
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from support.browsers.sites import Opens, Site, serve
from support.servers.range_server import serving_by


def show_both(page: Page) -> None:
    for name in ("snow", "green"):
        page.get_by_role("button", name=f"Show {name}").click()
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#layers-list > li")).to_have_count(2)


def layers_on_map(page: Page) -> list[Any]:
    """The layers and their appearance on the map, from top to bottom."""
    return page.evaluate(
        "async () => { const { layers } = await import('/static/js/layers/layers.mjs');"
        " const { map } = await import('/static/js/layers/map.mjs');"
        " return layers.list.map(({ title, pane, colours }) => {"
        "  const { style } = map.getPane(pane);"
        "  return [title, style.opacity, style.display, style.clipPath !== '', colours]; }); }"
    )


def test_without_a_link_the_page_shows_the_newest_mosaic(gallery: Site, opens: Opens):
    page = opens(gallery)
    assert [title for title, *_ in layers_on_map(page)] == ["green"]
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_visible()
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert [title for title, *_ in layers_on_map(page)] == ["green"]
    page = opens(gallery, "#panel=new")
    assert layers_on_map(page) == []


def test_numbers_of_a_legend_do_not_overlap(gallery: Site, opens: Opens):
    page = opens(gallery, f"#layer=m.{gallery.ids['snow']},1,1,viridis,-0.50123,0.20123")
    expect(page.locator("#legends .scale span")).not_to_have_count(0)
    marks = [mark.bounding_box() for mark in page.locator("#legends .scale span").all()]
    assert len(marks) > 2
    assert all(one["x"] + one["width"] < other["x"] for one, other in pairwise(marks))


def test_changes_order_opacity_and_visibility(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=requests")
    show_both(page)
    assert layers_on_map(page) == [["green", "1", "", False, {}], ["snow", "1", "", False, {}]]
    page.get_by_role("button", name="Move green down").click()
    page.get_by_label("Opacity of snow").fill("40")
    page.get_by_role("checkbox", name=re.compile("green")).uncheck()
    assert layers_on_map(page) == [["snow", "0.4", "", False, {}], ["green", "1", "none", False, {}]]
    expect(page.locator("#legends")).to_contain_text("snow")
    expect(page.locator("#legends")).not_to_contain_text("green")
    page.locator("#layers-list .head").last.drag_to(page.locator("#layers-list > li").first)
    assert [title for title, *_ in layers_on_map(page)] == ["green", "snow"]
    page.get_by_role("button", name="Remove snow from the map").click()
    assert len(layers_on_map(page)) == 1
    page.get_by_role("button", name="Undo").click()
    assert [title for title, *_ in layers_on_map(page)] == ["green", "snow"]


def test_changes_colours_and_updates_the_legend(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=requests")
    show_both(page)
    page.get_by_role("checkbox", name=re.compile("snow")).uncheck()
    item = page.locator("#layers-list > li").first
    item.locator("summary").click()
    with page.expect_response(re.compile(r"tiles/.*colormap=viridis.*minimum=-0.25.*maximum=0.75")) as started:
        item.get_by_label("Colour map").select_option("viridis")
        item.get_by_label("Minimum").fill("-0.25")
        item.get_by_label("Maximum").fill("0.75")
        item.get_by_label("Maximum").blur()
    assert started.value.ok
    expect(page.locator("#legends .first")).to_have_text("-0.25")
    expect(page.locator("#legends .last")).to_have_text("0.75")
    item.get_by_label("Minimum").fill("2")
    item.get_by_label("Minimum").blur()
    expect(item.locator(".wrong")).to_have_text("The minimum must be less than the maximum.")


def test_compares_two_layers_by_mouse_and_keyboard(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=requests")
    show_both(page)
    page.get_by_role("button", name="Swipe").click()
    assert all(clipped for _, _, _, clipped, _ in layers_on_map(page))
    slider = page.get_by_role("slider", name=re.compile("^Swipe"))
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^0 % snow, then green"))
    page.get_by_role("button", name="Stop swiping").click()
    assert not any(clipped for _, _, _, clipped, _ in layers_on_map(page))


def test_a_link_shows_the_same_view(gallery: Site, opens: Opens):
    page = opens(gallery, "#panel=requests")
    show_both(page)
    page.get_by_label("Opacity of green").fill("60")
    item = page.locator("#layers-list > li").first
    item.locator("summary").click()
    item.get_by_label("Colour map").select_option("magma")
    page.get_by_role("button", name="Swipe").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#notices")).to_contain_text("copied")
    link = page.evaluate("navigator.clipboard.readText()")
    other = opens(gallery, link.removeprefix(f"{gallery.url}/"))
    expect(other.get_by_role("tab", name="Layers")).to_have_attribute("aria-selected", "true")
    assert (
        layers_on_map(other)
        == layers_on_map(page)
        == [["green", "0.6", "", True, {"colormap": "magma"}], ["snow", "1", "", True, {}]]
    )
    where = "async () => (await import('/static/js/layers/map.mjs')).map.getCenter().lat.toFixed(4)"
    assert other.evaluate(where) == page.evaluate(where)


def test_reports_a_deleted_layer_of_a_link(gallery: Site, opens: Opens):
    there = gallery.ids["green"]
    page = opens(gallery, f"#layer=m.{uuid.uuid4()},1,1&layer=m.{there},1,1")
    expect(page.locator("#notices")).to_contain_text("1 layer in this link was deleted")
    assert [title for title, *_ in layers_on_map(page)] == ["green"]


def test_downloads_files_with_their_names(gallery: Site, opens: Opens):
    page = opens(gallery, f"#layer=m.{gallery.ids['snow']},1,1&panel=layers")
    for label, name in (("COG (values)", "snow.tif"), ("PNG (picture)", "snow.png"), ("STAC Item", "snow.json")):
        with page.expect_download() as started:
            page.get_by_role("link", name=label).click()
        assert started.value.suggested_filename == name
        assert started.value.failure() is None


def test_requests_the_basemap_from_a_tile_server_with_the_referer(
    database_url: str, opens: Opens, servers: ExitStack, tmp_path: Path
):
    seen: list[str | None] = []

    class Tiles(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Referer"])
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            Image.new("RGB", (256, 256), "teal").save(self.wfile, "PNG")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    tiles = servers.enter_context(serving_by(Tiles))
    environment = {
        "MOSAIC_TILE_SERVER": f"http://{tiles}/{{z}}/{{x}}/{{y}}.png",
        "MOSAIC_TILE_ATTRIBUTION": "Tiles by the makers",
    }
    site = servers.enter_context(serve(database_url, tmp_path / "data", environment))
    page = opens(site)
    tile = page.locator(f"img.leaflet-tile-loaded[src^='http://{tiles}/']").first
    expect(tile).to_be_visible()
    expect(page.locator(".leaflet-control-attribution")).to_contain_text("Tiles by the makers")
    assert tile.evaluate("image => image.naturalWidth") == 256
    assert set(seen) == {f"{site.url}/"}
