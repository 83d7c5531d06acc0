"""The API does what it says of itself: schemathesis calls all of it, on a real database and a published mosaic."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import schemathesis
from conftest import PUBLIC_URL
from databases import run_on, url_of
from entry_files import feature, geojson, geotiff
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from mosaic_api.app import create_app
from mosaic_api.database import Database
from mosaic_api.identity import create_token, named_user
from mosaic_api.private_postgres import PrivatePostgres
from mosaic_api.settings import Settings
from published import Published, store_of
from schemathesis import Case
from schemathesis.python import asgi
from shapely import Point

EVENTS = "/api/v1/requests/{mosaic_id}/events"
"""Never ends where there is a mosaic."""


@dataclass(frozen=True)
class World:
    """An application with a published mosaic, and a token for it."""

    app: FastAPI
    database: Database
    mosaic: Published
    client: asgi.ASGIClient


@pytest.fixture(scope="module")
def world(postgres: PrivatePostgres, template: str, shown: dict[str, Published]) -> Iterator[World]:
    name = f"test_{uuid.uuid4().hex}"
    run_on(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(url_of(postgres, name))
    with database.transaction() as session:
        _, secret = create_token(session, named_user(session, "ann"), "test", ("admin",), None)
    settings = Settings(url_of(postgres, name), str(store_of(shown)), public_url=PUBLIC_URL)
    many = 10**9
    app = create_app(replace(settings, max_open_requests=many, max_calls=many, max_failures=many))
    with asgi.get_client(app, max_stream_events=5) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        yield World(app, database, shown["utm"], client)
    database.close()
    run_on(postgres, f"DROP DATABASE {name} WITH (FORCE)")


api = schemathesis.openapi.from_dict(
    create_app(Settings("postgresql+psycopg2://nobody", "nowhere", public_url=PUBLIC_URL)).openapi()
)


NOT_HELD = [
    schemathesis.checks.CHECKS.get_one("positive_data_acceptance"),  # a schema does not say most rules of the contract
    schemathesis.checks.CHECKS.get_one("negative_data_rejection"),  # a parameter that no route knows is left unread
]


@api.exclude(path=EVENTS).parametrize()
@hypothesis_settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_the_api_does_what_it_says(case: Case, world: World):
    case.operation.schema.app = case.operation.app = world.app
    if _is_uuid(case.path_parameters.get("mosaic_id")):
        case.path_parameters["mosaic_id"] = _a_mosaic(world, removed=case.method == "DELETE")
    if _is_uuid(case.path_parameters.get("entry_id")) and "/central/" not in case.path:
        case.path_parameters["entry_id"] = _an_entry(world, case)
    case.call_and_validate(session=world.client, base_url=PUBLIC_URL, excluded_checks=NOT_HELD)


def _is_uuid(value: Any) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except (ValueError, TypeError, AttributeError):
        return False


_known: dict[int, str] = {}


def _a_mosaic(world: World, *, removed: bool) -> str:
    """The id of a published mosaic; of one that nobody needs any more, where it is to be removed."""
    if removed:
        return world.mosaic.row(world.database, name=f"m{uuid.uuid4().hex[:20]}")
    if id(world) not in _known:
        _known[id(world)] = world.mosaic.row(world.database)
    return _known[id(world)]


def _an_entry(world: World, case: Case) -> str:
    """The id of an entry of the kind that a call is about, of its own so that it may be deleted."""
    said = {"name": "one", "kind": "point", "longitude": 1, "latitude": 2}
    sent: dict[str, Any] = {"json": said}
    if case.path.endswith(("/features", "/files/{role}")):
        sent = {"data": {"name": "one", "kind": "vector"}, "files": {"file": geojson(feature(Point(1, 2)))}}
    elif case.path.endswith(("/point", ".png")):
        sent = {"data": {"name": "one", "kind": "image"}, "files": {"file": geotiff()}}
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{case.method} {case.path}"))
    made = world.client.post(f"{PUBLIC_URL}/api/v1/entries", headers={"Idempotency-Key": key}, **sent)
    return str(made.json()["id"])


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_has_a_name_of_its_own_and_a_summary(world: World):
    found = operations(world.app)
    assert len({operation["operationId"] for _, operation in found}) == len(found)
    assert all(operation["summary"] and "_" not in operation["summary"] for _, operation in found)


def test_every_operation_says_how_problems_are_answered(world: World):
    for name, operation in operations(world.app):
        for status in ("4XX", "5XX"):
            content = operation["responses"][status]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name
        assert "422" not in operation["responses"], name


def test_what_is_sent_has_an_example(world: World):
    schemas = world.app.openapi()["components"]["schemas"]
    for name, operation in operations(world.app):
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in sent and operation["operationId"].split("_")[0] in {"requests", "planning"}:
            described = schemas[sent["$ref"].rsplit("/", 1)[1]]
            assert "examples" in described or set(described["properties"]) == {"shared"}, name
