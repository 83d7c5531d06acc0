"""Malicious JSON and text are refused with the name of the field, and change nothing."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.database import Database, Request
from mosaic_api.settings import Settings

from support.api.clients import Client

STAC = '{"url": "earth-search", "collection": "c", "datetime": "2024-06-01", "query": {"p": {"eq": %s}}}'
SPEC = '{"area": {"bbox": [15, 45, 16, 46]}, "source": {"stac": ' + STAC + '}, "product": {"index": "NDVI"}}'
QUERY = "spec.source.stac.query.p.eq"
VALUES = {
    r'"\u0000"': QUERY,
    r'"\ud800"': QUERY,
    "1e400": QUERY,
    "1" + "0" * 400: QUERY,
    "9" * 5000: None,
    "NaN": None,
    "-Infinity": None,
    '{"a": 1, "a": 2}': None,
    "[" * 300 + "]" * 300: QUERY,
    "[" * 200_000: None,
}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("value", "field"), VALUES.items(), ids=[value[:12] for value in VALUES])
def test_refuses_a_request_with_malicious_json(client: Client, value: str, field: str | None):
    ann = client("ann")
    spec = SPEC % value
    for path, body in {
        "requests": f'{{"name": "a", "spec": {spec}}}',
        "estimate": f'{{"spec": {spec}}}',
        "scenes": f'{{"source": {{"stac": {STAC % value}}}}}',
    }.items():
        answer = ann.post(f"/api/v1/{path}", content=body, headers=JSON)
        assert answer.status_code == 422, (path, answer.text)
        where = field and (field if path != "scenes" else field.removeprefix("spec."))
        assert (answer.json().get("field") or "").startswith(where or ""), answer.text
    assert ann.get("/api/v1/requests").json()["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "datasets", r'{"kind": "point", "name": "a\u0000", "longitude": 1, "latitude": 2}'),
        ("POST", "datasets", '{"kind": "point", "name": "a", "longitude": NaN, "latitude": 2}'),
        ("POST", "datasets", '{"kind": "point", "name": "a", "longitude": 1, "latitude": 2, "\\ud800": 1}'),
        ("POST", "tokens", r'{"label": "a\u0000", "scopes": ["read"]}'),
        ("POST", "tokens", r'{"label": "\udfff", "scopes": ["read"]}'),
        ("POST", "requests", r'{"name": "a\u0000", "spec": {}}'),
        ("POST", "requests", r'{"name": "a", "spec": {"area\ud800": 1}}'),
        ("POST", "requests", '\xff{"name": "a", "spec": {}}'),
        ("PATCH", "datasets/6ab7d3f2-6f0f-4a54-9d6c-6c1c6a5cbb52", r'{"name": "a\u0000"}'),
    ],
)
def test_refuses_malicious_json_in_any_body(client: Client, method: str, path: str, body: str):
    for kind in ("application/json", "application/geo+json; charset=utf-8"):
        headers = {"Content-Type": kind}
        answer = client("ann").request(method, f"/api/v1/{path}", content=body.encode("latin-1"), headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["requests?text=a%00b", "datasets?text=%00", "requests?a%00=1", "datasets?bbox=%00"])
def test_refuses_nul_in_a_query(client: Client, path: str):
    assert client("ann").get(f"/api/v1/{path}").status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/requests/%00", "/static/%00.js", "/%00", "/static/a%00/../b"])
def test_nul_in_a_path_is_not_found(client: Client, path: str):
    assert client("ann").get(path).status_code in {404, 422}


def test_stores_any_text_and_numbers_from_a_cluster(database: Database):
    spec: dict[str, Any] = {"source": {"stac": {"query": {"a": "\0\ud800", "b": float("inf"), "c": r"\u0000"}}}}
    with database.transaction() as session:
        session.add(Request(namespace="default", name="kept", spec=spec, status={"phase": "Pending"}))
    with database.transaction() as session:
        kept = session.query(Request).one().spec["source"]["stac"]["query"]
    assert kept == {"a": "\ufffd\ufffd", "b": None, "c": r"\u0000"}


def test_passes_valid_bodies_on_to_authentication(settings: Settings, database: Database):
    with TestClient(create_app(settings), base_url=settings.public_url) as anybody:
        answer = anybody.post("/api/v1/requests", content='{"name": "a", "spec": {}}', headers=JSON)
        assert answer.status_code == 401
