"""The page in a real Chromium, with a real server, its database, its executor and a catalogue of scenes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mosaic_api.auth.local_token import link
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_worker.synthetic import write_scenes
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from support.browsers.sites import DESK, Catalogue, Opens, Site, serve
from support.databases import database_url, new_database, postgres, template  # noqa: F401 (fixtures)
from support.scenes.served_items import served_item
from support.servers import running
from support.servers.range_server import Gate, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
SECONDS = 30
"""Timeout of a test for a change on the page, long enough for a busy machine."""
expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        reason = "chromium is not installed; `make browser-test` does it as root on Debian"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """A STAC API with three synthetic scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    list(write_scenes(folder, count=3, side=512))
    gate = Gate()
    with serving(folder, gate=gate) as files:
        items = [served_item(path, folder, files) for path in sorted(folder.glob("*/item.json"))]
        with running.stac_api(items, tmp_path_factory.mktemp("rustac")) as url:
            yield Catalogue(url, items, gate)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A server with a single user."""
    with serve(database_url, tmp_path / "data") as served:
        yield served


@pytest.fixture(scope="session")
def gallery(
    postgres: PrivatePostgres,
    template: str,
    catalogue: Catalogue,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A server with requests and datasets of every kind, which tests do not change."""
    with new_database(postgres) as url, serve(url, tmp_path_factory.mktemp("gallery")) as served:
        served.make("snow", catalogue.spec(product={"index": "NDSI"}))
        served.make("green", catalogue.spec())
        served.call("POST", "requests", json={"name": "early", "spec": catalogue.spec(days="1999-01-01/1999-01-31")})
        west, south, _, _ = catalogue.bbox
        point = {"kind": "point", "name": "A camp", "description": "by the lake", "creator": "Ann"}
        served.call("POST", "datasets", json=point | {"longitude": west, "latitude": south})
        yield served


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """For servers that a test starts. They end after the pages are closed, which would report that they are gone."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def opens(chromium: Browser, servers: ExitStack) -> Iterator[Opens]:
    """A function that opens pages. The test fails if one had an error or violated the Content-Security-Policy."""
    faults: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        refused = "the server responded with a status of 4" in message.text  # tests cause these
        if message.type in {"error", "warning"} and not refused:
            faults.append(message.text)

    def open_page(site: Site, at: str = "", scheme: str = "light", size: tuple[int, int] = DESK) -> Page:
        width, height = size
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-CA",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        page.on("console", collect)
        page.on("pageerror", lambda error: faults.append(str(error)))
        if site.settings.local_token:
            expect(context.request.get(link(site.url, site.settings.local_token))).to_be_ok()
        page.goto(f"{site.url}/{at}")
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in chromium.contexts:
        context.close()
    assert faults == []
