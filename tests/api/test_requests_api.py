"""Requests over REST with a real database: ownership, validation and error messages."""

import json
import threading
import time
import uuid

import pytest
from fastapi.testclient import TestClient
from mosaic_api.database import Audit, Database, Request
from mosaic_api.requests import crud
from sqlalchemy import select

from support.api.clients import Client
from support.scenes.large_requests import largest_request

SPEC = {
    "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
    "source": {"stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}},
    "product": {"index": "NDVI"},
}


def submit(client: TestClient, name: str | None = None, **changes: object) -> dict:
    answer = client.post("/api/v1/requests", json={"name": name, "spec": SPEC | changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_returns_a_submitted_request(client: Client):
    ann = client("ann")
    submitted = submit(ann, "victoria")
    found = ann.get(f"/api/v1/requests/{submitted['id']}").json()
    assert found == submitted
    assert (found["name"], found["phase"], found["owner"], found["mine"]) == ("victoria", "Pending", "ann", True)
    assert found["spec"] == SPEC


def test_a_request_at_the_limits_of_the_contract_is_accepted(client: Client):
    ann, spec = client("ann"), largest_request()["spec"]
    body = json.dumps({"name": "largest", "spec": spec}, separators=(",", ":"))
    answer = ann.post("/api/v1/requests", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text[:200]
    assert ann.get(f"/api/v1/requests/{answer.json()['id']}").json()["spec"] == spec


def test_derives_a_name_from_the_product(client: Client):
    assert submit(client("ann"))["name"].startswith("ndvi-")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"product": {"index": "NDVY"}}, "spec.product.index"),
        ({"product": {}}, "spec.product"),
        ({"grid": {"resolution": -1}}, "spec.grid.resolution"),
        ({"area": {"bbox": [0, 0, 1]}}, "spec.area.bbox"),
        ({"sources": {}}, "spec.sources"),
    ],
)
def test_names_an_invalid_field(client: Client, spec: dict, field: str):
    answer = client("ann").post("/api/v1/requests", json={"spec": SPEC | spec})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert field.rsplit(".", 1)[-1] in answer.json()["detail"]


LAKE = {"type": "Polygon", "coordinates": [[[-123.6, 48.3], [-123.2, 48.3], [-123.2, 48.6], [-123.6, 48.3]]]}
FEATURE = {"type": "Feature", "properties": {"name": "lake"}, "geometry": LAKE}


@pytest.mark.parametrize(
    "area",
    [
        FEATURE,
        {"geometry": FEATURE},
        {"geometry": {"type": "FeatureCollection", "features": [FEATURE], "bbox": [-123.6, 48.3, -123.2, 48.6]}},
    ],
)
def test_replaces_a_feature_as_area_with_its_geometry(client: Client, area: dict):
    assert submit(client("ann"), area=area)["spec"]["area"] == {"geometry": LAKE}


@pytest.mark.parametrize(
    ("area", "field", "expected"),
    [
        (
            {"geometry": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}},
            "spec.area.geometry",
            "a Point",
        ),
        ({"type": "FeatureCollection", "features": []}, "spec.area", "no feature has a geometry"),
        ({"geometry": {"type": {"a": 1}}}, "spec.area.geometry.type", "Polygon or MultiPolygon"),
    ],
)
def test_the_error_gives_the_reason_why_a_feature_is_not_an_area(client: Client, area: dict, field: str, expected: str):
    answer = client("ann").post("/api/v1/requests", json={"spec": SPEC | {"area": area}})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert expected in answer.json()["detail"]


def test_suggests_the_camel_case_name_of_a_field(client: Client):
    source = {"stac": SPEC["source"]["stac"] | {"max_cloud_cover": 10}}
    answer = client("ann").post("/api/v1/requests", json={"spec": SPEC | {"source": source}})
    assert answer.status_code == 422
    assert "did you mean maxCloudCover?" in answer.json()["detail"]


def test_names_are_unique_until_the_request_is_removed(client: Client):
    ann, bob = client("ann"), client("bob")
    first = submit(ann, "one")
    answer = bob.post("/api/v1/requests", json={"name": "one", "spec": SPEC})
    assert (answer.status_code, answer.json()["field"]) == (409, "name")
    assert ann.delete(f"/api/v1/requests/{first['id']}").status_code == 204
    assert submit(bob, "one")["id"] != first["id"]


def test_requests_of_others_look_like_missing_ones(client: Client):
    ann, bob = client("ann"), client("bob")
    submitted = submit(ann)
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events")]:
        of_ann = bob.request(method, f"/api/v1/requests/{submitted['id']}{path}")
        unknown_id = uuid.uuid4()
        missing = bob.request(method, f"/api/v1/requests/{unknown_id}{path}")
        assert of_ann.status_code == missing.status_code == 404
        assert of_ann.text.replace(submitted["id"], "") == missing.text.replace(str(unknown_id), "")
    assert bob.get("/api/v1/requests").json()["total"] == 0


def test_others_can_read_but_not_change_a_shared_request(client: Client):
    ann, bob = client("ann"), client("bob")
    submitted = submit(ann)
    ann.patch(f"/api/v1/requests/{submitted['id']}", json={"shared": True})
    assert bob.get(f"/api/v1/requests/{submitted['id']}").json()["mine"] is False
    assert bob.delete(f"/api/v1/requests/{submitted['id']}").status_code == 404
    assert client("eve", "admin").post(f"/api/v1/requests/{submitted['id']}/cancel").status_code == 202


def test_roles_and_scopes_limit_access(client: Client):
    assert client("vic", "viewer").post("/api/v1/requests", json={"spec": SPEC}).status_code == 403
    assert client("ann", "editor", ("read",)).post("/api/v1/requests", json={"spec": SPEC}).status_code == 403
    assert client("ann", "editor", ("read",)).get("/api/v1/requests").status_code == 200


def test_refuses_calls_without_a_valid_token(client: Client):
    answer = client().get("/api/v1/requests")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="mosaic"')
    wrong = client().get("/api/v1/requests", headers={"Authorization": "Bearer mosaic_wrong"})
    assert wrong.status_code == 401
    assert "mosaic_wrong" not in wrong.text


def test_pages_contain_each_request_once(client: Client):
    ann = client("ann")
    names = [submit(ann, f"m{number}")["name"] for number in range(7)]
    seen, address = [], "/api/v1/requests?limit=3"
    while address:
        page = ann.get(address).json()
        assert page["total"] == 7
        seen += [mosaic["name"] for mosaic in page["requests"]]
        address = page["next"]
    assert seen == names[::-1]


def test_filters_lists(client: Client, database: Database):
    ann = client("ann")
    for name in ("snow-2023", "snow-2024", "green"):
        submit(ann, name)
    with database.transaction() as session:
        crud.set_status(session.scalars(select(Request).where(Request.name == "green")).one(), {"phase": "Succeeded"})
    found = {each["name"] for each in ann.get("/api/v1/requests?text=snow").json()["requests"]}
    assert found == {"snow-2023", "snow-2024"}
    found = {each["name"] for each in ann.get("/api/v1/requests?phase=Succeeded").json()["requests"]}
    assert found == {"green"}
    assert ann.get("/api/v1/requests?text=%25").json()["total"] == 0


def test_limits_the_open_requests_of_a_user(client: Client, database: Database, settings):
    ann = client("ann")
    with database.transaction() as session:
        owner = client("bob") and session.scalar(select(Request.owner_id))
        assert owner is None
    for number in range(settings.max_open_requests):
        submit(ann, f"m{number}")
    answer = ann.post("/api/v1/requests", json={"spec": SPEC})
    assert answer.status_code == 429
    with database.transaction() as session:
        crud.set_status(session.scalars(select(Request).where(Request.name == "m0")).one(), {"phase": "Failed"})
    submit(ann)


def test_records_changes_in_the_audit_log(client: Client, database: Database):
    ann = client("ann")
    submitted = submit(ann, "one")
    ann.post(f"/api/v1/requests/{submitted['id']}/cancel")
    ann.delete(f"/api/v1/requests/{submitted['id']}")
    with database.transaction() as session:
        done = session.scalars(
            select(Audit.action).where(Audit.subject == f"request/{submitted['id']}").order_by(Audit.id)
        )
        assert list(done) == ["create", "cancel", "remove"]


def test_streams_changes_as_they_happen(client: Client, database: Database):
    ann = client("ann")
    submitted = submit(ann)
    first = threading.Event()

    def change() -> None:
        assert first.wait(20)
        for status in ({"phase": "Running", "message": "1 of 2"}, {"phase": "Succeeded"}):
            with database.transaction() as session:
                crud.set_status(session.get_one(Request, uuid.UUID(submitted["id"])), status)
            time.sleep(0.2)  # a pause, so that both changes are seen
        ann.delete(f"/api/v1/requests/{submitted['id']}")

    thread = threading.Thread(target=change)
    thread.start()
    with ann.stream("GET", f"/api/v1/requests/{submitted['id']}/events") as stream:
        events, kind = [], ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((kind, json.loads(line.removeprefix("data: ")).get("phase")))
                first.set()
    thread.join()
    assert events == [("request", "Pending"), ("request", "Running"), ("request", "Succeeded"), ("removed", None)]


def test_a_laptop_has_one_user_and_accepts_only_loopback_names(laptop: TestClient):
    submitted = submit(laptop)
    assert submitted["owner"] == "me"
    assert laptop.get("/api/v1/requests", headers={"Host": "evil.example:8080"}).status_code == 403
    assert laptop.get("/api/v1/requests", headers={"Host": "localhost:8080"}).json()["total"] == 1
    assert laptop.get("/api/v1/requests", headers={"Host": "[::1]:8080"}).status_code == 200


def test_accepts_concurrent_first_calls_of_a_laptop(laptop: TestClient):
    barrier, seen = threading.Barrier(8), []

    def call() -> None:
        barrier.wait()
        seen.append(laptop.get("/api/v1/me").json().get("name"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["me"] * 8


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_refuses_changes_from_another_site(laptop: TestClient, headers: dict[str, str]):
    answer = laptop.post("/api/v1/requests", json={"spec": SPEC}, headers=headers)
    assert answer.status_code == 403
    assert laptop.get("/api/v1/requests").json()["total"] == 0


def test_every_response_has_security_headers(laptop: TestClient):
    for path in ("/healthz", "/api/v1/requests", "/nowhere"):
        headers = laptop.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_names_the_allowed_methods_of_a_path(client: Client):
    answer = client("ann").put("/api/v1/requests")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.headers["content-type"] == "application/problem+json"
