"""A local installation and a central one, both real: shared, browsed, fetched, taken back; also when one is away."""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from databases import TEMPLATE, run_on, url_of
from entry_files import feature, geojson, geotiff, picture
from fastapi.testclient import TestClient
from installations import PATIENCE_SECONDS, Installation, serving, until
from mosaic_api import mosaics
from mosaic_api.central.outbox import LEASE, Outbox
from mosaic_api.context import FETCHES, UPLOADS
from mosaic_api.database import Entry, Mosaic
from mosaic_api.database.models import now
from mosaic_api.private_postgres import PrivatePostgres
from mosaic_api.settings import Settings
from mosaic_worker.store import open_store
from published import Published, store_of
from rasterio import warp
from running import free_port
from shapely import Point
from sqlalchemy import select


@contextmanager
def new_database(server: PrivatePostgres) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    run_on(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield url_of(server, name)
    finally:
        run_on(server, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Pair:
    """A laptop, and the central installation that it shares with as the user "lab"."""

    laptop: Installation
    central: Settings
    port: int
    token: str

    @contextmanager
    def central_up(self) -> Iterator[Installation]:
        with serving(self.central, self.port) as central:
            yield central


@pytest.fixture
def central_settings(postgres: PrivatePostgres, template: str, tmp_path: Path) -> Iterator[Settings]:
    with new_database(postgres) as url:
        yield Settings(url, str(tmp_path / "central"), public_url="http://central.example", session_secret="s" * 32)


@pytest.fixture
def pair(postgres: PrivatePostgres, template: str, tmp_path: Path, central_settings: Settings) -> Iterator[Pair]:
    port = free_port()
    with serving(central_settings, port) as central:
        token = central.token("lab")
    with new_database(postgres) as url:
        local = Settings(
            url, str(tmp_path / "local"), single_user=True, central_url=f"http://127.0.0.1:{port}", central_token=token
        )
        with serving(local, free_port()) as laptop:
            yield Pair(laptop, central_settings, port, token)


def keep(client: httpx.Client, content: bytes | None = None, **said: Any) -> dict[str, Any]:
    said = {"name": "one"} | said
    if content is None:
        answer = client.post("entries", json=said)
    else:
        fields = {name: str(value) for name, value in said.items()}
        answer = client.post("entries", data=fields, files={"file": ("my file.tif", content)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def shared(client: httpx.Client, entry: dict[str, Any], state: str = "done") -> dict[str, Any]:
    """An entry, when sharing it has come so far."""

    def look() -> dict[str, Any] | None:
        told = client.get(f"entries/{entry['id']}").json()
        return told if (told["central"] or {}).get("state") == state else None

    return until(look)


def test_without_a_central_installation_it_is_said_what_to_configure(laptop: TestClient):
    entry = laptop.post("/api/v1/entries", json={"kind": "point", "name": "x", "longitude": 1, "latitude": 1}).json()
    standing = laptop.get("/api/v1/central").json()
    assert (standing["configured"], standing["reachable"], standing["url"]) == (False, False, None)
    calls = [
        ("POST", f"entries/{entry['id']}/share", None),
        ("DELETE", f"entries/{entry['id']}/share", None),
        ("GET", "central/entries", None),
        ("GET", f"central/entries/{uuid.uuid4()}", None),
        ("POST", f"central/entries/{uuid.uuid4()}/fetch", None),
        ("POST", "central/requests", {"spec": {}}),
        ("GET", "central/requests", None),
        ("POST", f"central/requests/{uuid.uuid4()}/fetch", None),
    ]
    for method, path, body in calls:
        answer = laptop.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == 409, path
        assert "MOSAIC_CENTRAL_URL" in answer.json()["detail"]
        assert "MOSAIC_CENTRAL_TOKEN" in answer.json()["detail"]


def test_what_is_shared_here_is_browsed_and_fetched_elsewhere(
    pair: Pair, postgres: PrivatePostgres, template: str, tmp_path: Path
):
    """The research system's flows: new entry, upload, local list, share; shared list, view, fetch on another laptop."""
    with pair.central_up() as central, pair.laptop.client() as laptop:
        image = keep(
            laptop, geotiff(), kind="image", name="lake", creator="Ann", colormap="magma", minimum=0, maximum=9
        )
        placed = keep(laptop, picture(), kind="image", name="map", west=179, south=40, east=-179, north=41)
        lakes = keep(laptop, geojson(feature(Point(16, 48), name="Wien")), kind="vector", name="towns")
        point = keep(laptop, kind="point", name="camp", longitude=-123.4, latitude=48.4, description="by the river")
        made = [image, placed, lakes, point]
        keep(laptop, kind="point", name="private", longitude=0, latitude=0)
        assert laptop.get("central").json()["reachable"] is True
        for entry in made:
            assert laptop.post(f"entries/{entry['id']}/share").status_code == 202
        for entry in made:
            shared(laptop, entry)
        with new_database(postgres) as url:
            second = replace(pair.laptop.settings, database=url, store=str(tmp_path / "second"))
            second = replace(second, central_token=central.token("other lab"))
            with serving(second, free_port()) as other, other.client() as bob:
                listed = bob.get("central/entries").json()
                assert {entry["name"] for entry in listed["entries"]} == {"lake", "map", "towns", "camp"}
                assert {entry["owner"] for entry in listed["entries"]} == {"lab"}
                near = bob.get("central/entries", params={"bbox": "15,47,17,49"}).json()["entries"]
                assert [entry["name"] for entry in near] == ["towns"]
                page = bob.get("central/entries", params={"limit": 3}).json()
                assert page["next"].startswith("/api/v1/central/entries?")
                assert len(bob.get(f"{other.url}{page['next']}").json()["entries"]) == 1
                for entry in listed["entries"]:
                    first = bob.post(f"central/entries/{entry['id']}/fetch")
                    again = bob.post(f"central/entries/{entry['id']}/fetch")
                    assert (first.status_code, again.status_code) == (201, 200), first.text
                    fetched = first.json()
                    assert again.json() == fetched
                    mine = next(each for each in made if each["name"] == entry["name"])
                    for same in ("name", "description", "kind", "bounds", "footprint", "details"):
                        assert fetched[same] == mine[same], same
                    assert fetched["creator"] == (mine["creator"] or "lab")
                    assert fetched["central"]["id"] == entry["id"]
                    if "original" in mine["files"]:
                        assert fetched["files"]["original"] == mine["files"]["original"]
                        content = bob.get(f"entries/{fetched['id']}/files/original").content
                        assert content == laptop.get(f"entries/{mine['id']}/files/original").content
                assert bob.get("entries").json()["total"] == 4
                fetched = bob.get("entries", params={"text": "lake"}).json()["entries"][0]
                refused = bob.post(f"entries/{fetched['id']}/share")
                assert (refused.status_code, "fetched from" in refused.text) == (409, True)
                assert bob.get("entries", params={"text": "private"}).json()["total"] == 0


def test_nothing_is_lost_while_the_central_installation_is_away(pair: Pair):
    with pair.laptop.client() as laptop:
        entry = keep(laptop, geotiff(), kind="image")
        assert laptop.post(f"entries/{entry['id']}/share").json()["central"]["state"] == "waiting"

        def told() -> dict[str, Any] | None:
            sharing = laptop.get(f"entries/{entry['id']}").json()["central"]
            return sharing if sharing["message"] else None

        away = until(told)
        assert (away["state"], away["id"]) == ("waiting", None)
        assert "does not answer" in away["message"]
        assert away["next"] is not None
        standing = laptop.get("central").json()
        assert (standing["configured"], standing["reachable"]) == (True, False)
        asked = laptop.post("central/requests", json={"spec": {}})
        assert (asked.status_code, asked.headers["content-type"]) == (503, "application/problem+json")
        with pair.central_up() as central, central.client(pair.token) as there:
            done = shared(laptop, entry)
            assert there.get(f"entries/{done['central']['id']}").json()["shared"] is True
            assert there.get("entries").json()["total"] == 1


def test_what_is_changed_or_taken_back_here_is_there_too(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        entry = keep(laptop, geotiff(), kind="image")
        laptop.post(f"entries/{entry['id']}/share")
        central_id = shared(laptop, entry)["central"]["id"]
        laptop.patch(f"entries/{entry['id']}", json={"name": "renamed"})
        until(lambda: there.get(f"entries/{central_id}").json()["name"] == "renamed")
        shared(laptop, entry)
        laptop.delete(f"entries/{entry['id']}/share")
        until(lambda: laptop.get(f"entries/{entry['id']}").json()["central"] is None)
        assert there.get(f"entries/{central_id}").status_code == 404
        laptop.post(f"entries/{entry['id']}/share")
        assert shared(laptop, entry)["central"]["id"] == central_id
        assert there.get(f"entries/{central_id}").json()["name"] == "renamed"
        assert there.get("entries").json()["total"] == 1


def test_an_upload_whose_answer_is_lost_makes_one_entry(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        entry = keep(laptop, geotiff(), kind="image")
        laptop.post(f"entries/{entry['id']}/share")
        first = shared(laptop, entry)["central"]["id"]
        with pair.laptop.database.transaction() as session:  # as if the process had died before it wrote this down
            row = session.get_one(Entry, uuid.UUID(entry["id"]))
            row.central_id = None
            row.sharing = row.sharing | {"state": "waiting", "next": "2024-01-01T00:00:00+00:00"}
        assert shared(laptop, entry)["central"]["id"] == first
        assert there.get("entries").json()["total"] == 1


def test_many_outboxes_share_each_entry_once(pair: Pair):
    with pair.laptop.client() as laptop:
        entries = [keep(laptop, kind="point", name=f"p{number}", longitude=0, latitude=0) for number in range(12)]
        for entry in entries:
            laptop.post(f"entries/{entry['id']}/share")
        until(lambda: all(laptop.get(f"entries/{entry['id']}").json()["central"]["message"] for entry in entries))
        with pair.laptop.database.transaction() as session:
            for row in session.scalars(select(Entry)):
                row.sharing = row.sharing | {"next": "2024-01-01T00:00:00+00:00"}
        with pair.central_up() as central, central.client(pair.token) as there:
            settings = pair.laptop.settings
            outbox = Outbox(settings, pair.laptop.database, open_store(settings.store))
            threads = [threading.Thread(target=outbox.work_off) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for entry in entries:
                shared(laptop, entry)
            assert there.get("entries").json()["total"] == 12


def test_what_one_process_has_begun_another_takes_over_when_its_time_is_over(pair: Pair, monkeypatch):
    with pair.laptop.client() as laptop, monkeypatch.context() as dying:
        begun: list[uuid.UUID] = []
        dying.setattr(Outbox, "_try", lambda _, entry: begun.append(entry.id))  # as if it died then
        entry = keep(laptop, kind="point", longitude=0, latitude=0)
        laptop.post(f"entries/{entry['id']}/share")
        until(lambda: begun)
        settings, database = pair.laptop.settings, pair.laptop.database
        outbox = Outbox(settings, database, open_store(settings.store))
        assert (outbox.work_off(), len(begun)) == (0, 1)
        with database.transaction() as session:
            row = session.get_one(Entry, uuid.UUID(entry["id"]))
            leased = datetime.fromisoformat(row.sharing["next"]) - now()
            assert timedelta(0) < leased <= LEASE
            row.sharing = row.sharing | {"next": (now() - timedelta(seconds=1)).isoformat()}
        until(lambda: outbox.work_off() or len(begun) > 1)
        assert begun == [uuid.UUID(entry["id"])] * 2


def test_what_is_wished_while_an_entry_is_brought_there_is_done_next(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    bring = Outbox._share
    taken_back: list[int] = []

    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:

        def bring_slowly(outbox: Outbox, *arguments: Any) -> uuid.UUID:
            brought = bring(outbox, *arguments)
            taken_back.append(laptop.delete(f"entries/{entry['id']}/share").status_code)
            return brought

        monkeypatch.setattr(Outbox, "_share", bring_slowly)
        entry = keep(laptop, kind="point", longitude=0, latitude=0)
        laptop.post(f"entries/{entry['id']}/share")
        until(lambda: taken_back and laptop.get(f"entries/{entry['id']}").json()["central"] is None)
        assert taken_back == [202]
        assert there.get("entries").json()["total"] == 0


def test_what_the_central_installation_refuses_is_said(pair: Pair):
    small = replace(pair.central, max_stored_bytes=1000)
    with serving(small, pair.port), pair.laptop.client() as laptop:
        entry = keep(laptop, geotiff(), kind="image")
        laptop.post(f"entries/{entry['id']}/share")
        failed = shared(laptop, entry, "failed")
        assert "your entries fill" in failed["central"]["message"]
    with pair.central_up():
        with pair.laptop.client() as laptop:
            laptop.post(f"entries/{entry['id']}/share")
            shared(laptop, entry)


def test_a_token_that_is_not_accepted_is_said_and_told_nowhere(
    pair: Pair, postgres: PrivatePostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    wrong = "mosaic_wrong-and-secret"
    with new_database(postgres) as url, pair.central_up():
        local = replace(pair.laptop.settings, database=url, store=str(tmp_path / "x"), central_token=wrong)
        with serving(local, free_port()) as installation, installation.client() as laptop:
            entry = keep(laptop, kind="point", longitude=0, latitude=0)
            laptop.post(f"entries/{entry['id']}/share")
            sharing = until(
                lambda: (told := laptop.get(f"entries/{entry['id']}").json()["central"])["message"] and told
            )
            assert sharing["state"] == "waiting"
            answers = [laptop.get(path) for path in ("central", "central/entries", "openapi.json", "entries")]
            assert "does not accept the token" in answers[0].json()["message"]
            assert answers[1].status_code == 409
            with installation.database.transaction() as session:
                rows = json.dumps([row.sharing for row in session.scalars(select(Entry))])
            for text in (*[answer.text for answer in answers], rows, caplog.text, repr(local)):
                assert wrong not in text


@contextmanager
def unreliable(target: str, cut_after: int) -> Iterator[str]:
    """A way to a server on which the first answer with a file breaks off, and later ones too, each a bit further."""
    ranges: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: self.headers[name] for name in ("Authorization", "Range") if self.headers[name]}
            answer = httpx.get(f"{target}{self.path}", headers=headers)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Content-Range", "Content-Length"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            cut = "/files/" in self.path and len(ranges) < 2
            if "/files/" in self.path:
                ranges.append(self.headers["Range"])
            self.wfile.write(answer.content[: cut_after if cut else None])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
        assert ranges == [None, f"bytes={cut_after}-", f"bytes={2 * cut_after}-"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_download_that_breaks_off_goes_on(pair: Pair, postgres: PrivatePostgres, template: str, tmp_path: Path):
    with pair.central_up() as central, central.client(pair.token) as there:
        entry = keep(there, geotiff(), kind="image", shared=True)
        with new_database(postgres) as url, unreliable(central.url, 70_000) as way:
            local = replace(pair.laptop.settings, database=url, store=str(tmp_path / "x"), central_url=way)
            with serving(local, free_port()) as installation, installation.client() as laptop:
                fetched = laptop.post(f"central/entries/{entry['id']}/fetch")
                assert fetched.status_code == 201, fetched.text
                assert laptop.get(f"entries/{fetched.json()['id']}/files/original").content == geotiff()


@contextmanager
def altering(target: str, alter: Callable[[bytes], bytes]) -> Iterator[str]:
    """A way to a server on which something is done with every file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(f"{target}{self.path}", headers={"Authorization": self.headers["Authorization"]})
            content = alter(answer.content) if "/files/" in self.path else answer.content
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def laptop_by(way: str, pair: Pair, postgres: PrivatePostgres, folder: Path) -> Iterator[httpx.Client]:
    """Another laptop, which reaches the central installation on a way."""
    with new_database(postgres) as url:
        local = replace(pair.laptop.settings, database=url, store=str(folder / "x"), central_url=way)
        with serving(local, free_port()) as installation, installation.client() as client:
            client.get("me")
            yield client


def test_a_file_that_was_damaged_on_the_way_is_not_kept(pair: Pair, postgres: PrivatePostgres, tmp_path: Path):
    with pair.central_up() as central, central.client(pair.token) as there:
        entry = keep(there, geotiff(), kind="image", shared=True)["id"]
        with altering(central.url, lambda content: content[:-1] + bytes([content[-1] ^ 1])) as way:
            with laptop_by(way, pair, postgres, tmp_path) as laptop:
                fetched = laptop.post(f"central/entries/{entry}/fetch")
                assert (fetched.status_code, "damaged" in fetched.json()["detail"]) == (503, True)
                assert laptop.get("entries").json()["total"] == 0


def test_fetches_that_are_stuck_hold_no_upload_up(pair: Pair, postgres: PrivatePostgres, tmp_path: Path):
    waiting, end = [], threading.Event()

    def wait(content: bytes) -> bytes:
        waiting.append(content)
        end.wait(PATIENCE_SECONDS)
        return content

    with pair.central_up() as central, central.client(pair.token) as there:
        entries = [keep(there, geotiff(), kind="image", shared=True)["id"] for _ in range(FETCHES + 1)]
        with altering(central.url, wait) as way, laptop_by(way, pair, postgres, tmp_path) as laptop:
            with ThreadPoolExecutor() as others:
                try:
                    fetches = [others.submit(laptop.post, f"central/entries/{each}/fetch") for each in entries]
                    until(lambda: len(waiting) == FETCHES)
                    for _ in range(UPLOADS):
                        keep(laptop, geotiff(), kind="image")
                    assert len(waiting) == FETCHES
                finally:
                    end.set()
                assert [fetch.result().status_code for fetch in fetches] == [201] * len(entries)


def test_what_is_at_the_address_must_be_this_program(postgres: PrivatePostgres, template: str, tmp_path: Path):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with new_database(postgres) as url:
        local = Settings(url, str(tmp_path / "x"), single_user=True, central_url=address, central_token="t")
        with serving(local, free_port()) as installation, installation.client() as laptop:
            told = laptop.get("central").json()
            assert (told["reachable"], "no mosaic-operator" in told["message"]) == (False, True)
    server.shutdown()
    server.server_close()
    thread.join()


SPEC = {
    "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
    "source": {"stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}},
    "product": {"index": "NDVI"},
}


def test_the_central_installation_is_asked_for_mosaics(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        asked = laptop.post("central/requests", json={"name": "victoria", "spec": SPEC})
        assert asked.status_code == 201, asked.text
        assert there.get(f"requests/{asked.json()['id']}").json()["owner"] == "lab"
        assert [each["name"] for each in laptop.get("central/requests").json()["requests"]] == ["victoria"]
        bad = laptop.post("central/requests", json={"spec": SPEC | {"product": {"index": "NDVY"}}})
        assert (bad.status_code, bad.json()["field"]) == (422, "spec.product.index")
        early = laptop.post(f"central/requests/{asked.json()['id']}/fetch")
        assert (early.status_code, "not published" in early.text) == (409, True)
        with central.database.transaction() as session:
            mosaics.tell(session.scalars(select(Mosaic)).one(), {"phase": "Running", "message": "1 of 2"})
        seen = laptop.get(f"central/requests/{asked.json()['id']}").json()
        assert (seen["phase"], seen["status"]["message"]) == ("Running", "1 of 2")
        assert re.fullmatch(r"[0-9a-f-]{36}", seen["id"])


def test_a_mosaic_that_the_central_installation_made_is_fetched(pair: Pair, shown: dict[str, Published]):
    central_settings = replace(pair.central, store=str(store_of(shown)))
    with serving(central_settings, pair.port) as central, pair.laptop.client() as laptop:
        mosaic = shown["utm"].row(central.database, owner="lab")
        fetched = laptop.post(f"central/requests/{mosaic}/fetch")
        assert fetched.status_code == 201, fetched.text
        entry = fetched.json()
        assert laptop.post(f"central/requests/{mosaic}/fetch").json()["id"] == entry["id"]
        assert laptop.get(f"entries/{entry['id']}/files/original").content == shown["utm"].cog.read_bytes()
        assert (entry["name"], entry["details"]["colormap"]) == ("utm", "nipy_spectral")
        assert_same_values(laptop, entry, shown["utm"])


def test_a_published_mosaic_becomes_an_image(pair: Pair, shown: dict[str, Published]):
    local = replace(pair.laptop.settings, store=str(store_of(shown)))
    with serving(local, free_port()) as installation, installation.client() as laptop:
        mosaic = shown["utm"].row(installation.database, owner="me")
        entry = keep(laptop, from_request=mosaic, name="mine")
        assert (entry["kind"], entry["name"], set(entry["files"])) == ("image", "mine", {"original"})
        picture = shown["utm"].item["assets"]["picture"]
        assert entry["details"]["limits"] == picture["mosaic:stretch"][0]
        assert entry["details"]["colormap"] == picture["mosaic:colormap"]
        assert laptop.get(f"entries/{entry['id']}/files/original").content == shown["utm"].cog.read_bytes()
        assert_same_values(laptop, entry, shown["utm"])
        unpublished = shown["utm"].row(installation.database, owner="me", name="open", item=None)
        refused = laptop.post("entries", json={"from_request": unpublished})
        assert (refused.status_code, refused.json()["field"]) == (409, "from_request")
        assert laptop.post("entries", json={"from_request": str(uuid.uuid4())}).status_code == 404


def assert_same_values(client: httpx.Client, entry: dict[str, Any], mosaic: Published) -> None:
    """The values of an image are those of a mosaic."""
    values, transform = mosaic.read()
    rows, columns = np.nonzero(np.isfinite(values[0]))
    row, column = int(rows[len(rows) // 2]), int(columns[len(columns) // 2])
    crs = mosaic.item["properties"]["proj:code"]
    (lon,), (lat,) = warp.transform(crs, "EPSG:4326", *([each] for each in transform @ (column + 0.5, row + 0.5)))
    found = client.get(f"entries/{entry['id']}/point", params={"lon": lon, "lat": lat}).json()["bands"]
    assert found[0]["value"] == pytest.approx(values[0, row, column], rel=1e-6)
