"""The served page: its static files and their caching, and a form with the values that the contract allows."""

from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from mosaic_api.routes.pages import PACKAGE as FOLDER
from mosaic_crds.colormaps import Colormap
from mosaic_crds.composite import Composite
from mosaic_crds.spec import Grid, Output, Stretch


class Form(HTMLParser):
    """The values that selects and check boxes of a page offer, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.offered: dict[str, list[str]] = {}
        self._select = ""
        self.styled: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if "style" in attributes or tag == "style" or any(name.startswith("on") for name in attributes):
            self.styled.append(tag)
        if tag == "select":
            self._select = attributes.get("name") or ""
        if tag == "option" and attributes.get("value") is not None:
            self.offered.setdefault(self._select, []).append(attributes["value"] or "")
        if tag == "input" and attributes.get("type") == "checkbox" and "value" in attributes:
            self.offered.setdefault(attributes["name"] or "", []).append(attributes["value"] or "")


@pytest.fixture
def form(laptop: TestClient) -> Form:
    parsed = Form()
    parsed.feed(laptop.get("/").text)
    return parsed


def allowed(model: Any, field: str) -> set[str]:
    """The values that a field of the contract allows."""
    return {name for name in _leaves(model.model_fields[field].annotation) if isinstance(name, str)}


def _leaves(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [annotation]


def test_the_form_offers_what_the_contract_allows(form: Form):
    for model, field in ((Composite, "method"), (Composite, "mask"), (Composite, "of"), (Output, "dtype")):
        assert set(form.offered[field]) == allowed(model, field), field
    assert set(form.offered["resampling"]) == allowed(Grid, "resampling") | {""}
    assert set(form.offered["stretch"]) == set(Stretch.model_fields) | {""}
    assert set(form.offered["colormap"]) == set(get_args(Colormap)) | {""}


def test_the_page_has_no_inline_style_or_script(form: Form, laptop: TestClient):
    assert form.styled == []
    assert "<script>" not in laptop.get("/").text


def test_the_page_is_revalidated_on_each_visit(laptop: TestClient):
    answer = laptop.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_caches_vendor_files_for_a_year_and_revalidates_own_files(laptop: TestClient):
    others = laptop.get("/static/vendor/leaflet-1.9.4/leaflet.js")
    assert others.headers["cache-control"] == "public, max-age=31536000, immutable"
    own = laptop.get("/static/js/main.mjs")
    assert own.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    assert own.headers["cache-control"] == "no-cache"
    again = laptop.get("/static/js/main.mjs", headers={"If-None-Match": own.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["../settings.py", "%2e%2e/settings.py", "js/../../app.py", "js"])
def test_serves_only_static_files(laptop: TestClient, path: str):
    assert laptop.get(f"/static/{path}").status_code == 404


def test_every_vendor_folder_has_a_licence():
    for folder in (FOLDER / "static" / "vendor").iterdir():
        assert not folder.is_dir() or (folder / "LICENSE").stat().st_size > 100
