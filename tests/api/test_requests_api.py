"""Requests over REST, on a real database: whose they are, what is refused, and how that is said."""

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


def ask(client: TestClient, name: str | None = None, **changes: object) -> dict:
    answer = client.post("/api/v1/requests", json={"name": name, "spec": SPEC | changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_is_asked_for_is_found_again(client: Client):
    ann = client("ann")
    asked = ask(ann, "victoria")
    found = ann.get(f"/api/v1/requests/{asked['id']}").json()
    assert found == asked
    assert (found["name"], found["phase"], found["owner"], found["mine"]) == ("victoria", "Pending", "ann", True)
    assert found["spec"] == SPEC


def test_a_request_at_the_limits_of_the_contract_is_accepted(client: Client):
    ann, spec = client("ann"), largest_request()["spec"]
    body = json.dumps({"name": "largest", "spec": spec}, separators=(",", ":"))
    answer = ann.post("/api/v1/requests", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text[:200]
    assert ann.get(f"/api/v1/requests/{answer.json()['id']}").json()["spec"] == spec


def test_a_name_is_made_from_the_product(client: Client):
    assert ask(client("ann"))["name"].startswith("ndvi-")


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
def test_a_bad_field_is_named(client: Client, spec: dict, field: str):
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
def test_a_feature_as_area_becomes_its_geometry(client: Client, area: dict):
    assert ask(client("ann"), area=area)["spec"]["area"] == {"geometry": LAKE}


@pytest.mark.parametrize(
    ("area", "field", "told"),
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
def test_a_feature_without_an_area_is_refused_with_a_sentence(client: Client, area: dict, field: str, told: str):
    answer = client("ann").post("/api/v1/requests", json={"spec": SPEC | {"area": area}})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert told in answer.json()["detail"]


def test_a_name_in_snake_case_is_refused_with_the_right_one(client: Client):
    source = {"stac": SPEC["source"]["stac"] | {"max_cloud_cover": 10}}
    answer = client("ann").post("/api/v1/requests", json={"spec": SPEC | {"source": source}})
    assert answer.status_code == 422
    assert "did you mean maxCloudCover?" in answer.json()["detail"]


def test_a_name_is_taken_once_until_it_is_free_again(client: Client):
    ann, bob = client("ann"), client("bob")
    first = ask(ann, "one")
    answer = bob.post("/api/v1/requests", json={"name": "one", "spec": SPEC})
    assert (answer.status_code, answer.json()["field"]) == (409, "name")
    assert ann.delete(f"/api/v1/requests/{first['id']}").status_code == 204
    assert ask(bob, "one")["id"] != first["id"]


def test_what_is_not_yours_answers_as_what_is_not_there(client: Client):
    ann, bob = client("ann"), client("bob")
    asked = ask(ann)
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events")]:
        of_ann = bob.request(method, f"/api/v1/requests/{asked['id']}{path}")
        nobody = uuid.uuid4()
        missing = bob.request(method, f"/api/v1/requests/{nobody}{path}")
        assert of_ann.status_code == missing.status_code == 404
        assert of_ann.text.replace(asked["id"], "") == missing.text.replace(str(nobody), "")
    assert bob.get("/api/v1/requests").json()["total"] == 0


def test_a_shared_mosaic_is_seen_and_not_changed_by_others(client: Client):
    ann, bob = client("ann"), client("bob")
    asked = ask(ann)
    ann.patch(f"/api/v1/requests/{asked['id']}", json={"shared": True})
    assert bob.get(f"/api/v1/requests/{asked['id']}").json()["mine"] is False
    assert bob.delete(f"/api/v1/requests/{asked['id']}").status_code == 404
    assert client("eve", "admin").post(f"/api/v1/requests/{asked['id']}/cancel").status_code == 202


def test_viewers_may_only_look_and_tokens_only_what_they_are_for(client: Client):
    assert client("vic", "viewer").post("/api/v1/requests", json={"spec": SPEC}).status_code == 403
    assert client("ann", "editor", ("read",)).post("/api/v1/requests", json={"spec": SPEC}).status_code == 403
    assert client("ann", "editor", ("read",)).get("/api/v1/requests").status_code == 200


def test_nobody_gets_in_without_a_valid_token(client: Client):
    answer = client().get("/api/v1/requests")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="mosaic"')
    wrong = client().get("/api/v1/requests", headers={"Authorization": "Bearer mosaic_wrong"})
    assert wrong.status_code == 401
    assert "mosaic_wrong" not in wrong.text


def test_pages_hold_each_mosaic_once(client: Client):
    ann = client("ann")
    names = [ask(ann, f"m{number}")["name"] for number in range(7)]
    seen, address = [], "/api/v1/requests?limit=3"
    while address:
        page = ann.get(address).json()
        assert page["total"] == 7
        seen += [mosaic["name"] for mosaic in page["requests"]]
        address = page["next"]
    assert seen == names[::-1]


def test_lists_are_filtered(client: Client, database: Database):
    ann = client("ann")
    for name in ("snow-2023", "snow-2024", "green"):
        ask(ann, name)
    with database.transaction() as session:
        crud.set_status(session.scalars(select(Request).where(Request.name == "green")).one(), {"phase": "Succeeded"})
    found = {each["name"] for each in ann.get("/api/v1/requests?text=snow").json()["requests"]}
    assert found == {"snow-2023", "snow-2024"}
    found = {each["name"] for each in ann.get("/api/v1/requests?phase=Succeeded").json()["requests"]}
    assert found == {"green"}
    assert ann.get("/api/v1/requests?text=%25").json()["total"] == 0


def test_too_many_at_once_are_refused(client: Client, database: Database, settings):
    ann = client("ann")
    with database.transaction() as session:
        owner = client("bob") and session.scalar(select(Request.owner_id))
        assert owner is None
    for number in range(settings.max_open_requests):
        ask(ann, f"m{number}")
    answer = ann.post("/api/v1/requests", json={"spec": SPEC})
    assert answer.status_code == 429
    with database.transaction() as session:
        crud.set_status(session.scalars(select(Request).where(Request.name == "m0")).one(), {"phase": "Failed"})
    ask(ann)


def test_who_did_what_is_written_down(client: Client, database: Database):
    ann = client("ann")
    asked = ask(ann, "one")
    ann.post(f"/api/v1/requests/{asked['id']}/cancel")
    ann.delete(f"/api/v1/requests/{asked['id']}")
    with database.transaction() as session:
        done = session.scalars(select(Audit.action).where(Audit.subject == f"request/{asked['id']}").order_by(Audit.id))
        assert list(done) == ["create", "cancel", "remove"]


def test_changes_are_told_as_they_happen(client: Client, database: Database):
    ann = client("ann")
    asked = ask(ann)
    first = threading.Event()

    def change() -> None:
        assert first.wait(20)
        for status in ({"phase": "Running", "message": "1 of 2"}, {"phase": "Succeeded"}):
            with database.transaction() as session:
                crud.set_status(session.get_one(Request, uuid.UUID(asked["id"])), status)
            time.sleep(0.2)  # apart, so that both are seen
        ann.delete(f"/api/v1/requests/{asked['id']}")

    thread = threading.Thread(target=change)
    thread.start()
    with ann.stream("GET", f"/api/v1/requests/{asked['id']}/events") as stream:
        told, kind = [], ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                told.append((kind, json.loads(line.removeprefix("data: ")).get("phase")))
                first.set()
    thread.join()
    assert told == [("request", "Pending"), ("request", "Running"), ("request", "Succeeded"), ("removed", None)]


def test_a_laptop_has_one_user_and_answers_by_loopback_names_only(laptop: TestClient):
    asked = ask(laptop)
    assert asked["owner"] == "me"
    assert laptop.get("/api/v1/requests", headers={"Host": "evil.example:8080"}).status_code == 403
    assert laptop.get("/api/v1/requests", headers={"Host": "localhost:8080"}).json()["total"] == 1
    assert laptop.get("/api/v1/requests", headers={"Host": "[::1]:8080"}).status_code == 200


def test_the_first_calls_of_a_laptop_may_come_at_once(laptop: TestClient):
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
def test_another_site_changes_nothing(laptop: TestClient, headers: dict[str, str]):
    answer = laptop.post("/api/v1/requests", json={"spec": SPEC}, headers=headers)
    assert answer.status_code == 403
    assert laptop.get("/api/v1/requests").json()["total"] == 0


def test_every_answer_guards_the_page(laptop: TestClient):
    for path in ("/healthz", "/api/v1/requests", "/nowhere"):
        headers = laptop.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_method_that_a_path_does_not_have_is_answered_by_those_that_it_has(client: Client):
    answer = client("ann").put("/api/v1/requests")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.headers["content-type"] == "application/problem+json"
