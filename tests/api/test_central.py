"""Share, list, fetch and withdraw datasets with a real local and a real central installation."""

import json
import logging
import re
import threading
import uuid
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from mosaic_api.database import Dataset, Request
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from rasterio import warp
from shapely import Point
from sqlalchemy import select

from support.api.central_pair import Pair, keep, shared
from support.api.dataset_files import feature, geojson, geotiff, picture
from support.api.installations import serving, until
from support.api.published import Published, store_of
from support.databases import new_database
from support.ports import free_port


def test_names_the_missing_settings_without_a_central_installation(laptop: TestClient):
    dataset = laptop.post("/api/v1/datasets", json={"kind": "point", "name": "x", "longitude": 1, "latitude": 1}).json()
    state = laptop.get("/api/v1/central").json()
    assert (state["configured"], state["reachable"], state["url"]) == (False, False, None)
    calls = [
        ("POST", f"datasets/{dataset['id']}/share", None),
        ("DELETE", f"datasets/{dataset['id']}/share", None),
        ("GET", "central/datasets", None),
        ("GET", f"central/datasets/{uuid.uuid4()}", None),
        ("POST", f"central/datasets/{uuid.uuid4()}/fetch", None),
        ("POST", "central/requests", {"spec": {}}),
        ("GET", "central/requests", None),
        ("POST", f"central/requests/{uuid.uuid4()}/fetch", None),
    ]
    for method, path, body in calls:
        answer = laptop.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == 409, path
        assert "MOSAIC_CENTRAL_URL" in answer.json()["detail"]
        assert "MOSAIC_CENTRAL_TOKEN" in answer.json()["detail"]


def test_lists_and_fetches_shared_datasets_on_another_laptop(
    pair: Pair, postgres: PrivatePostgres, template: str, tmp_path: Path
):
    """The research system's workflow: upload, list and share a dataset; list, view and fetch it on another laptop."""
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
        for dataset in made:
            assert laptop.post(f"datasets/{dataset['id']}/share").status_code == 202
        for dataset in made:
            shared(laptop, dataset)
        with new_database(postgres) as url:
            second = replace(pair.laptop.settings, database=url, store=str(tmp_path / "second"))
            second = replace(second, central_token=central.token("other lab"))
            with serving(second, free_port()) as other, other.client() as bob:
                listed = bob.get("central/datasets").json()
                assert {dataset["name"] for dataset in listed["datasets"]} == {"lake", "map", "towns", "camp"}
                assert {dataset["owner"] for dataset in listed["datasets"]} == {"lab"}
                near = bob.get("central/datasets", params={"bbox": "15,47,17,49"}).json()["datasets"]
                assert [dataset["name"] for dataset in near] == ["towns"]
                page = bob.get("central/datasets", params={"limit": 3}).json()
                assert page["next"].startswith("/api/v1/central/datasets?")
                assert len(bob.get(f"{other.url}{page['next']}").json()["datasets"]) == 1
                for dataset in listed["datasets"]:
                    first = bob.post(f"central/datasets/{dataset['id']}/fetch")
                    again = bob.post(f"central/datasets/{dataset['id']}/fetch")
                    assert (first.status_code, again.status_code) == (201, 200), first.text
                    fetched = first.json()
                    assert again.json() == fetched
                    mine = next(each for each in made if each["name"] == dataset["name"])
                    for same in ("name", "description", "kind", "bounds", "footprint", "details"):
                        assert fetched[same] == mine[same], same
                    assert fetched["creator"] == (mine["creator"] or "lab")
                    assert fetched["central"]["id"] == dataset["id"]
                    if "original" in mine["files"]:
                        assert fetched["files"]["original"] == mine["files"]["original"]
                        content = bob.get(f"datasets/{fetched['id']}/files/original").content
                        assert content == laptop.get(f"datasets/{mine['id']}/files/original").content
                assert bob.get("datasets").json()["total"] == 4
                fetched = bob.get("datasets", params={"text": "lake"}).json()["datasets"][0]
                refused = bob.post(f"datasets/{fetched['id']}/share")
                assert (refused.status_code, "fetched from" in refused.text) == (409, True)
                assert bob.get("datasets", params={"text": "private"}).json()["total"] == 0


def test_the_central_server_follows_changes_and_withdrawals(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        dataset = keep(laptop, geotiff(), kind="image")
        laptop.post(f"datasets/{dataset['id']}/share")
        central_id = shared(laptop, dataset)["central"]["id"]
        laptop.patch(f"datasets/{dataset['id']}", json={"name": "renamed"})
        until(lambda: there.get(f"datasets/{central_id}").json()["name"] == "renamed")
        shared(laptop, dataset)
        laptop.delete(f"datasets/{dataset['id']}/share")
        until(lambda: laptop.get(f"datasets/{dataset['id']}").json()["central"] is None)
        assert there.get(f"datasets/{central_id}").status_code == 404
        laptop.post(f"datasets/{dataset['id']}/share")
        assert shared(laptop, dataset)["central"]["id"] == central_id
        assert there.get(f"datasets/{central_id}").json()["name"] == "renamed"
        assert there.get("datasets").json()["total"] == 1


def test_reports_the_reason_why_the_central_server_refuses_a_dataset(pair: Pair):
    small = replace(pair.central, max_stored_bytes=1000)
    with serving(small, pair.port), pair.laptop.client() as laptop:
        dataset = keep(laptop, geotiff(), kind="image")
        laptop.post(f"datasets/{dataset['id']}/share")
        failed = shared(laptop, dataset, "failed")
        assert "your datasets use" in failed["central"]["message"]
    with pair.central_up():
        with pair.laptop.client() as laptop:
            laptop.post(f"datasets/{dataset['id']}/share")
            shared(laptop, dataset)


def test_reports_a_rejected_token_without_revealing_it(
    pair: Pair, postgres: PrivatePostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    wrong = "mosaic_wrong-and-secret"
    with new_database(postgres) as url, pair.central_up():
        local = replace(pair.laptop.settings, database=url, store=str(tmp_path / "x"), central_token=wrong)
        with serving(local, free_port()) as installation, installation.client() as laptop:
            dataset = keep(laptop, kind="point", longitude=0, latitude=0)
            laptop.post(f"datasets/{dataset['id']}/share")
            sharing = until(
                lambda: (found := laptop.get(f"datasets/{dataset['id']}").json()["central"])["message"] and found
            )
            assert sharing["state"] == "waiting"
            answers = [laptop.get(path) for path in ("central", "central/datasets", "openapi.json", "datasets")]
            assert "does not accept the token" in answers[0].json()["message"]
            assert answers[1].status_code == 409
            with installation.database.transaction() as session:
                rows = json.dumps([row.sharing for row in session.scalars(select(Dataset))])
            for text in (*[answer.text for answer in answers], rows, caplog.text, repr(local)):
                assert wrong not in text


def test_reports_another_program_at_the_central_address(postgres: PrivatePostgres, template: str, tmp_path: Path):
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
            state = laptop.get("central").json()
            assert (state["reachable"], "not a mosaic-operator" in state["message"]) == (False, True)
    server.shutdown()
    server.server_close()
    thread.join()


SPEC = {
    "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
    "source": {"stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}},
    "product": {"index": "NDVI"},
}


def test_submits_requests_to_the_central_server(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        submitted = laptop.post("central/requests", json={"name": "victoria", "spec": SPEC})
        assert submitted.status_code == 201, submitted.text
        assert there.get(f"requests/{submitted.json()['id']}").json()["owner"] == "lab"
        assert [each["name"] for each in laptop.get("central/requests").json()["requests"]] == ["victoria"]
        bad = laptop.post("central/requests", json={"spec": SPEC | {"product": {"index": "NDVY"}}})
        assert (bad.status_code, bad.json()["field"]) == (422, "spec.product.index")
        early = laptop.post(f"central/requests/{submitted.json()['id']}/fetch")
        assert (early.status_code, "not published" in early.text) == (409, True)
        with central.database.transaction() as session:
            crud.set_status(session.scalars(select(Request)).one(), {"phase": "Running", "message": "1 of 2"})
        seen = laptop.get(f"central/requests/{submitted.json()['id']}").json()
        assert (seen["phase"], seen["status"]["message"]) == ("Running", "1 of 2")
        assert re.fullmatch(r"[0-9a-f-]{36}", seen["id"])


def test_fetches_a_mosaic_of_the_central_server(pair: Pair, shown: dict[str, Published]):
    central_settings = replace(pair.central, store=str(store_of(shown)))
    with serving(central_settings, pair.port) as central, pair.laptop.client() as laptop:
        mosaic = shown["utm"].row(central.database, owner="lab")
        fetched = laptop.post(f"central/requests/{mosaic}/fetch")
        assert fetched.status_code == 201, fetched.text
        dataset = fetched.json()
        assert laptop.post(f"central/requests/{mosaic}/fetch").json()["id"] == dataset["id"]
        assert laptop.get(f"datasets/{dataset['id']}/files/original").content == shown["utm"].cog.read_bytes()
        assert (dataset["name"], dataset["details"]["colormap"]) == ("utm", "Blues")
        assert_same_values(laptop, dataset, shown["utm"])


def test_keeps_a_published_mosaic_as_an_image(pair: Pair, shown: dict[str, Published]):
    local = replace(pair.laptop.settings, store=str(store_of(shown)))
    with serving(local, free_port()) as installation, installation.client() as laptop:
        mosaic = shown["utm"].row(installation.database, owner="me")
        dataset = keep(laptop, from_request=mosaic, name="mine")
        assert (dataset["kind"], dataset["name"], set(dataset["files"])) == ("image", "mine", {"original"})
        picture = shown["utm"].item["assets"]["picture"]
        assert dataset["details"]["limits"] == picture["mosaic:stretch"][0]
        assert dataset["details"]["colormap"] == picture["mosaic:colormap"]
        assert laptop.get(f"datasets/{dataset['id']}/files/original").content == shown["utm"].cog.read_bytes()
        assert_same_values(laptop, dataset, shown["utm"])
        unpublished = shown["utm"].row(installation.database, owner="me", name="open", item=None)
        refused = laptop.post("datasets", json={"from_request": unpublished})
        assert (refused.status_code, refused.json()["field"]) == (409, "from_request")
        assert laptop.post("datasets", json={"from_request": str(uuid.uuid4())}).status_code == 404


def assert_same_values(client: httpx.Client, dataset: dict[str, Any], mosaic: Published) -> None:
    """Check that an image has the values of a mosaic."""
    values, transform = mosaic.read()
    rows, columns = np.nonzero(np.isfinite(values[0]))
    row, column = int(rows[len(rows) // 2]), int(columns[len(columns) // 2])
    crs = mosaic.item["properties"]["proj:code"]
    (lon,), (lat,) = warp.transform(crs, "EPSG:4326", *([each] for each in transform @ (column + 0.5, row + 0.5)))
    found = client.get(f"datasets/{dataset['id']}/point", params={"lon": lon, "lat": lat}).json()["bands"]
    assert found[0]["value"] == pytest.approx(values[0, row, column], rel=1e-6)
