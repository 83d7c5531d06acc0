"""All panels with keyboard and screen reader, light and dark, on a phone, with and without a login."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from playwright.sync_api import Page, expect

from support.browsers.sites import PHONE, Opens, Site, listened

PANELS = ("new", "requests", "data", "layers")


def open_all(page: Page, panel: str) -> None:
    """Open all details in a panel."""
    if panel == "requests":
        page.get_by_role("button", name="snow", exact=True).click()
        page.get_by_role("button", name="early", exact=True).click()
    if panel == "data":
        page.get_by_text("Add data", exact=True).click()
        page.get_by_role("button", name="A camp", exact=True).click()
    for summary in page.locator(f"#panel-{panel} details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("panel", PANELS)
def test_axe_finds_no_violations(gallery: Site, opens: Opens, panel: str, scheme: str):
    ids = gallery.ids
    layers = f"layer=m.{ids['snow']},0.8,1&layer=m.{ids['green']},1,1&compare=m.{ids['snow']},m.{ids['green']},40"
    page = opens(gallery, f"#{layers}&panel={panel}", scheme)
    expect(page.locator("#legends")).to_contain_text("green")
    open_all(page, panel)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_axe_finds_no_violations_on_an_empty_page_and_in_a_list_of_indices(site: Site, opens: Opens):
    page = opens(site)
    page.locator("#index").click()
    expect(page.locator("#index-list [role=option]").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    for panel in PANELS:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.locator(f"#tab-{panel}").click()


def test_arrow_keys_move_between_tabs(gallery: Site, opens: Opens):
    page = opens(gallery)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the map")).to_be_focused()
    page.get_by_role("tab", name="New mosaic").focus()
    for key, name in (
        ("ArrowRight", "Mosaics"),
        ("End", "Layers"),
        ("ArrowRight", "New mosaic"),
        ("ArrowLeft", "Layers"),
    ):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


@pytest.mark.parametrize("panel", PANELS)
def test_a_phone_shows_map_and_panel_without_overflow(gallery: Site, opens: Opens, panel: str):
    page = opens(gallery, f"#layer=m.{gallery.ids['snow']},1,1&panel={panel}", size=PHONE)
    open_all(page, panel)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    panels = "document.getElementById('panels')"
    assert page.evaluate(f"{panels}.scrollWidth <= {panels}.clientWidth")
    height = page.locator("#map").bounding_box()["height"]
    assert height > 200
    page.get_by_role("button", name="Panel").click()
    expect(page.get_by_role("tabpanel")).to_be_hidden()
    assert page.locator("#map").bounding_box()["height"] > 1.5 * height
    page.get_by_role("tab", name="Mosaics").click()
    expect(page.get_by_role("tabpanel", name="Mosaics")).to_be_visible()


def test_formats_numbers_in_the_language_of_the_browser(gallery: Site, chromium):
    context = chromium.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(f"{gallery.url}/")
    formatted = "[l.integer(1234567), l.bytes(1.5e6), l.duration(7500)]"
    assert page.evaluate(f"import('/static/js/lib/locale.mjs').then((l) => {formatted})") == [
        "1.234.567",
        "1,5 MB",
        "2 Std., 5 Min.",
    ]
    context.close()


@pytest.fixture
def with_login(site: Site) -> Iterator[Site]:
    """The same server with a login."""
    settings = replace(site.settings, single_user=False, session_secret=uuid.uuid4().hex)
    with listened(settings, site.database) as served:
        yield served


def secret_of(database: Database, name: str, role: str) -> str:
    with database.transaction() as session:
        return create_token(session, named_user(session, name, role), "test", ("admin",), None)[1]


def log_in(page: Page, secret: str) -> None:
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("body[data-ready]")


def test_a_user_creates_and_revokes_tokens_and_logs_out(with_login: Site, opens: Opens):
    page = opens(with_login)
    expect(page.locator("#notices")).to_contain_text("Log in")
    log_in(page, secret_of(with_login.database, "ann", "editor"))
    page.get_by_role("button", name="ann").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Label of the new token").fill("nightly")
    dialog.get_by_role("button", name="Create token").click()
    expect(dialog.locator(".secret")).to_have_text(re.compile("^mosaic_"))
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    dialog.get_by_role("button", name="Revoke nightly").click()
    expect(dialog.get_by_role("button", name="Revoke nightly")).to_have_count(0)
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{with_login.url}/")
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


def test_tells_a_viewer_why_creating_is_disabled(with_login: Site, opens: Opens):
    page = opens(with_login)
    log_in(page, secret_of(with_login.database, "vic", "viewer"))
    expect(page.get_by_role("button", name="Create mosaic")).to_be_disabled()
    expect(page.locator("#notices")).to_contain_text("editor role")
