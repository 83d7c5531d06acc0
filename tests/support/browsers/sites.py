"""Running installations for tests with a browser."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from mosaic_api.app import create_app
from mosaic_api.database import Database
from mosaic_api.local.installation import InstallationPaths, running_installation
from mosaic_api.settings import Settings
from mosaic_api.web.connections import listening
from playwright.sync_api import Page

from support.scenes.served_items import COLLECTION, around
from support.servers.range_server import Gate

DESK, PHONE = (1280, 860), (390, 780)
"""Sizes of screens, in pixels."""
Opens = Callable[..., Page]
"""`opens(site, "#panel=data", scheme="dark", size=PHONE)` gives the page when it is ready."""
PATIENCE = 120
"""Timeout for a mosaic in seconds."""


@dataclass(frozen=True)
class Catalogue:
    """A STAC API.

    Attributes:
        url: URL of its landing page.
        items: Its Items.
        gate: Holds reads of its files.
    """

    url: str
    items: list[dict[str, Any]]
    gate: Gate

    @property
    def bbox(self) -> list[float]:
        """The bounding box of all scenes."""
        return around(self.items)

    def spec(self, days: str = "2024-06-01/2024-09-30", **more: Any) -> dict[str, Any]:
        """The spec of a mosaic of all scenes."""
        stac = {"url": self.url, "collection": COLLECTION, "datetime": days}
        return {
            "area": {"bbox": self.bbox},
            "source": {"stac": stac},
            "product": {"index": "NDVI"},
            "grid": {"resolution": 20},
        } | more


@dataclass(frozen=True)
class Site:
    """A running installation.

    Attributes:
        url: URL of its page.
        settings: Its settings.
        database: Its database.
    """

    url: str
    settings: Settings
    database: Database

    def call(self, method: str, path: str, **more: Any) -> Any:
        token = self.settings.local_token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.request(method, f"{self.url}/api/v1/{path}", timeout=30, headers=headers, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    @property
    def ids(self) -> dict[str, str]:
        """The ids of its requests, by name."""
        return {each["name"]: each["id"] for each in self.call("GET", "requests")["requests"]}

    def make(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Submit a request, wait until it has succeeded, and return it."""
        submitted = self.call("POST", "requests", json={"name": name, "spec": spec})
        deadline = time.monotonic() + PATIENCE
        while (read := self.call("GET", f"requests/{submitted['id']}"))["phase"] != "Succeeded":
            assert not read["terminal"], read["status"]
            assert time.monotonic() < deadline, read["status"]
            time.sleep(0.1)  # polling interval; the deadline is above
        return read


@contextmanager
def listened(settings: Settings, database: Database) -> Iterator[Site]:
    """Run a site with settings. With a login, its public URL is its own address."""
    with listening(0) as (at, *_):
        url = f"http://127.0.0.1:{at.getsockname()[1]}"
        known = settings if settings.single_user else replace(settings, public_url=url)
        configuration = uvicorn.Config(create_app(known), log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(configuration)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
        thread.start()
        try:
            yield Site(url, known, database)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serve(
    database_url: str, data: Path, environment: Mapping[str, str] | None = None, scenes: Sequence[Path] = ()
) -> Iterator[Site]:
    """Run an installation with a single user and an executor, like `mosaic serve`."""
    with running_installation(InstallationPaths(data, database=database_url, scenes=scenes), environment or {}) as here:
        with listened(here.settings, here.database) as site:
            yield site
