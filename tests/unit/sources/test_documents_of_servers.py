"""References in documents of servers, and the origins that receive a token."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from mosaic_api.commands.backends.rest import RestBackend
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.sources.access.gate import own_folders, own_machine
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.kinds.planetary_computer import planetary_computer_signer
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.sources.search.catalogue import Catalogue, ItemQuery
from shapely.geometry import box

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving

GEOJSON = "application/geo+json"
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]


def item(href: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "SCENE",
        "collection": "c",
        "geometry": {"type": "Point", "coordinates": [15, 45]},
        "bbox": [15, 45, 15, 45],
        "properties": {"datetime": "2024-07-01T10:00:00Z"},
        "links": [],
        "assets": {"red": {"href": href}},
    } | more


@contextmanager
def answering(answers: dict[str, Any], seen: list[tuple[str, str | None]]) -> Iterator[str]:
    """A server that returns JSON by path, or redirects to a path given as text. Records the token of each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            seen.append((path, self.headers.get("Authorization")))
            found = answers.get(path)
            content = json.dumps(found).encode()
            self.send_response(307 if isinstance(found, str) else 200 if found is not None else 404)
            if isinstance(found, str):
                self.send_header("Location", found)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 (so the library calls it)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "FILE://{}"])
def test_a_remote_item_cannot_refer_to_local_files(tmp_path: Path, form: str):
    secret = tmp_path / "private" / "secret.tif"
    secret.parent.mkdir()
    write_raster(secret, noise(10, 10))
    web = tmp_path / "web"
    web.mkdir()
    (web / "item.json").write_text(json.dumps(item(form.format(secret))))
    with serving(web) as address:
        request = request_of({"source": files({"item": f"http://{address}/item.json"}), "product": {"bands": ["red"]}})
        for gate in (own_machine(tmp_path), own_folders([tmp_path])):
            with pytest.raises(RequestError, match="a document on a server may contain only URLs"):
                resolve(request.spec, ("red",), gate)


def test_an_item_on_disk_can_only_refer_to_files_below_the_folders(tmp_path: Path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    write_raster(scenes / "red.tif", noise(10, 10))
    write_raster(tmp_path / "outside.tif", noise(10, 10))
    for href, fails in (("red.tif", False), (f"file://{scenes}/red.tif", False), ("../outside.tif", True)):
        (scenes / "item.json").write_text(json.dumps(item(href)))
        request = request_of({"source": files({"item": str(scenes / "item.json")}), "product": {"bands": ["red"]}})
        if fails:
            with pytest.raises(RequestError, match="is outside the folders"):
                resolve(request.spec, ("red",), own_folders([scenes]))
        else:
            resolve(request.spec, ("red",), own_folders([scenes]))


@pytest.mark.parametrize("place", ["/etc/item.json", "file:///etc/item.json", "../../../../etc/item.json"])
def test_an_api_cannot_place_its_items_on_this_machine(tmp_path: Path, place: str):
    answers: dict[str, Any] = {}
    with answering(answers, []) as api:
        answers["/"] = landing(api)
        answers["/search"] = found(item("passwd.tif", links=[{"rel": "self", "href": place}]))
        catalogue = Catalogue(api, "spec.source.stac", Client(own_machine(tmp_path)))
        (scene,) = catalogue.search(ItemQuery("c", "2024-07-01", box(14, 44, 16, 46)), 5).items
        assert scene.place.startswith(f"{api}/")
        assert scene.place_of("red").startswith(f"{api}/")


def landing(api: str, search: str | None = None) -> dict[str, Any]:
    links = [
        {"rel": "search", "href": search or f"{api}/search", "method": "POST", "type": GEOJSON},
        {"rel": "self", "href": api},
    ]
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "api",
        "description": "a",
        "links": links,
        "conformsTo": CONFORMS,
    }


def found(*items: dict[str, Any], links: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items), "links": links or []}


def test_a_token_is_sent_only_to_the_origin_of_its_api(tmp_path: Path):
    ours: list[tuple[str, str | None]] = []
    theirs: list[tuple[str, str | None]] = []
    answers: dict[str, Any] = {}
    stolen: dict[str, Any] = {"/next": found(item("b.tif", id="B")), "/items/A": item("a.tif", id="A")}
    with answering(answers, ours) as api, answering(stolen, theirs) as other:
        following = {"rel": "next", "href": f"{other}/next", "method": "POST", "body": {}}
        own_item = item("a.tif", id="A", links=[{"rel": "self", "href": f"{other}/items/A"}])
        answers["/"] = landing(api)
        answers["/search"] = found(own_item, links=[following])
        answers["/away"] = f"{other}/items/A"
        catalogue = Catalogue(
            api, "spec.source.earthDaily", Client(own_machine(tmp_path)), lambda _: {"Authorization": "Bearer secret"}
        )
        items = catalogue.search(ItemQuery("c", "2024-07-01", box(14, 44, 16, 46)), 5).items
        assert [each.id for each in items] == ["A", "B"]
        catalogue.item(items[0].place)
        catalogue.item(f"{api}/away")
    assert {token for _, token in ours} == {"Bearer secret"}
    assert [path for path, _ in theirs] == ["/next", "/items/A", "/items/A"]
    assert {token for _, token in theirs} == {None}


def test_a_search_on_another_server_sends_no_token(tmp_path: Path):
    theirs: list[tuple[str, str | None]] = []
    answers: dict[str, Any] = {}
    with answering(answers, []) as api, answering({"/search": found(item("a.tif"))}, theirs) as other:
        answers["/"] = landing(api, search=f"{other}/search")
        catalogue = Catalogue(api, "w", Client(own_machine(tmp_path)), lambda _: {"Authorization": "Bearer secret"})
        catalogue.search(ItemQuery("c", "2024-07-01", box(14, 44, 16, 46)), 5)
    assert theirs == [("/search", None)]


def test_the_command_does_not_send_its_token_to_servers_of_next_links():
    theirs: list[tuple[str, str | None]] = []
    answers: dict[str, Any] = {}
    page = {"requests": [], "total": 0}
    with answering(answers, []) as api, answering({"/steal": page | {"next": None}}, theirs) as other:
        for address in (f"{other}/steal", other.removeprefix("http:") + "/steal"):
            answers["/api/v1/requests"] = page | {"next": address}
            with pytest.raises((PassingError, RequestError)):
                RestBackend(api, "secret").find("a")
    assert theirs == []


@pytest.mark.parametrize(
    "href",
    [
        "http://account.blob.core.windows.net/container/a.tif",
        "https://a.b.blob.core.windows.net/container/a.tif",
        "https://account.blob.core.windows.net.example.org/container/a.tif",
    ],
)
def test_tokens_of_the_planetary_computer_are_used_only_for_its_storage_over_https(href: str, tmp_path: Path):
    log: list[tuple[str, str | None]] = []
    with answering({}, log) as tokens:
        assert planetary_computer_signer(own_machine(tmp_path), tokens).sign(href) == href
    assert log == []


@pytest.mark.parametrize("value", ['"\\u0000"', "NaN", "1e400", "[" * 300 + "]" * 300])
def test_reports_invalid_json_as_an_invalid_stac_response(tmp_path: Path, value: str, monkeypatch):
    answers: dict[str, Any] = {}
    with answering(answers, []) as api:
        answers["/"] = landing(api)
        answers["/search"] = found(item("a.tif")) | {"context": "VALUE"}
        real = json.dumps
        monkeypatch.setattr(json, "dumps", lambda given, **more: real(given, **more).replace('"VALUE"', value))
        catalogue = Catalogue(api, "spec.source.stac", Client(own_machine(tmp_path)))
        with pytest.raises(PassingError, match="returned invalid STAC"):
            catalogue.search(ItemQuery("c", "2024-07-01", box(14, 44, 16, 46)), 5)
