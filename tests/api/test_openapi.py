"""The API conforms to its OpenAPI document: schemathesis calls all operations, with a real database and a mosaic."""

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import schemathesis
from conftest import PUBLIC_URL
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.settings import Settings
from schemathesis import Case
from schemathesis.python import asgi
from shapely import Point

from support.api.dataset_files import feature, geojson, geotiff
from support.api.published import Published, store_of
from support.databases import new_database

EXAMPLES = int(os.environ.get("MOSAIC_TEST_EXAMPLES", "10"))
"""Examples of each operation, in addition to the cases from its description (bounds, missing fields, other methods)."""
EVENTS = "/api/v1/requests/{request_id}/events"
"""The stream does not end while the request exists."""

VERB = re.compile(
    "(cancel|count|create|delete|estimate|fetch|get|list|read|restore|revoke|share|unshare|update|watch)_[a-z_]+$"
)
NOUN = re.compile("([A-Z][a-z0-9]+)+")


@dataclass(frozen=True)
class World:
    """An application with a published mosaic, and a token for it."""

    app: FastAPI
    database: Database
    mosaic: Published
    client: asgi.ASGIClient
    made: dict[str, str] = field(default_factory=dict)
    """The ids of requests and datasets for the calls, by name or kind."""


@pytest.fixture(scope="module")
def world(postgres: PrivatePostgres, template: str, shown: dict[str, Published]) -> Iterator[World]:
    with new_database(postgres) as url:
        database = Database(url)
        with database.transaction() as session:
            _, secret = create_token(session, named_user(session, "ann"), "test", ("admin",), None)
        settings = Settings(url, str(store_of(shown)), public_url=PUBLIC_URL)
        many = 10**9
        app = create_app(replace(settings, max_open_requests=many, max_calls=many, max_failures=many))
        with asgi.get_client(app, max_stream_events=5) as client:
            client.headers["Authorization"] = f"Bearer {secret}"
            yield World(app, database, shown["utm"], client)
        database.close()


SAME_SPEC = r"^/api/v1/(estimate|scenes|central/requests)$"
"""These accept the spec of a request like /requests. All its rules are tested there, and only some examples here."""
api = schemathesis.openapi.from_dict(
    create_app(Settings("postgresql+psycopg2://nobody", "nowhere", public_url=PUBLIC_URL)).openapi(),
    config=schemathesis.Config.from_dict(
        {
            "generation": {
                "mode": "all",  # half of the examples violate the description
                "with-security-parameters": False,  # the client has a token; without one all calls are refused
            },
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2XX", "3XX", "4XX", 503]},  # as described
                "positive_data_acceptance": {"expected-statuses": ["2XX", "3XX", 401, 403, 404, 409, 412, 429, 503]},
            },
            "operations": [{"include-path-regex": SAME_SPEC, "phases": {"coverage": {"enabled": False}}}],
        }
    ),
)


_SPEC = "the rules of the contract on several fields together: exactly one source, lower less than upper"
_LIMITS = "minimum and maximum are given together, and minimum is less than maximum"
INEXPRESSIBLE = {
    "POST /api/v1/requests": _SPEC,
    "POST /api/v1/estimate": _SPEC,
    "POST /api/v1/scenes": f"{_SPEC}; and from which hosts this installation reads",
    "POST /api/v1/central/requests": _SPEC,
    "POST /api/v1/areas": "which bytes are a vector file with polygons",
    "POST /api/v1/datasets": "which fields belong to which kind, and which files are of it",
    "PATCH /api/v1/datasets/{dataset_id}": "which fields belong to which kind, and where web maps end",
    "GET /api/v1/datasets": "of a box, that south is not above north, and that degrees end",
    "GET /api/v1/datasets/{dataset_id}/tiles/{z}/{x}/{y}.png": _LIMITS,
    "GET /api/v1/requests/{request_id}/tiles/{z}/{x}/{y}.png": _LIMITS,
    "GET /api/v1/requests/{request_id}/legend": _LIMITS,
}
"""Rules that the description of an operation cannot express: it may refuse matching input. All others accept it."""
ACCEPTS_VALID_INPUT = schemathesis.checks.CHECKS.get_one("positive_data_acceptance")


@api.exclude(path=EVENTS).parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_the_api_does_what_it_says(case: Case, world: World):
    case.operation.schema.app = case.operation.app = world.app
    if _is_uuid(case.path_parameters.get("request_id")):
        case.path_parameters["request_id"] = _a_request(world, removed=case.method == "DELETE")
    if _is_uuid(case.path_parameters.get("dataset_id")) and "/central/" not in case.path:
        case.path_parameters["dataset_id"] = _a_dataset(world, case)
    excluded = [ACCEPTS_VALID_INPUT] if f"{case.method} {case.path}" in INEXPRESSIBLE else []
    case.call_and_validate(session=world.client, base_url=PUBLIC_URL, excluded_checks=excluded)


def _is_uuid(value: Any) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except (ValueError, TypeError, AttributeError):
        return False


def _a_request(world: World, *, removed: bool) -> str:
    """The id of a request with a published mosaic; for a deletion, of one that no other call uses."""
    name = f"m{uuid.uuid4().hex[:20]}" if removed else "utm"
    if removed or name not in world.made:
        world.made[name] = world.mosaic.row(world.database, name=name)
    return world.made[name]


def _a_dataset(world: World, case: Case) -> str:
    """The id of a dataset of the kind that a call needs; for a deletion, of one that no other call uses."""
    kind, sent = "point", dict[str, Any](json={"name": "one", "kind": "point", "longitude": 1, "latitude": 2})
    if case.path.endswith(("/features", "/files/{role}")):
        kind, sent = "vector", {"files": {"file": geojson(feature(Point(1, 2)))}}
    elif case.path.endswith(("/point", ".png")):
        kind, sent = "image", {"files": {"file": geotiff()}}
    if case.method == "DELETE" or kind not in world.made:
        data = {} if kind == "point" else {"data": {"name": "one", "kind": kind}}
        made = world.client.post(f"{PUBLIC_URL}/api/v1/datasets", **sent, **data)
        world.made[kind] = str(made.json()["id"])
    return world.made[kind]


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_exceptions_name_existing_operations(world: World):
    assert {name.split()[1] for name in INEXPRESSIBLE} <= set(world.app.openapi()["paths"])


def test_every_operation_has_a_unique_name_and_a_summary(world: World):
    found = operations(world.app)
    names = [operation["operationId"] for _, operation in found]
    assert len(set(names)) == len(names)
    assert [name for name in names if not VERB.match(name)] == []
    assert all(operation["summary"] and "_" not in operation["summary"] for _, operation in found)


def test_names_of_schemas_do_not_depend_on_modules(world: World):
    names = world.app.openapi()["components"]["schemas"]
    assert [name for name in names if not NOUN.fullmatch(name)] == []
    assert {"Request", "RequestList", "Dataset", "DatasetList", "Token", "User", "Problem"} <= names.keys()


def test_every_operation_describes_problem_responses(world: World):
    for name, operation in operations(world.app):
        assert {status for status in operation["responses"] if status.startswith("5")} == {"503"}, name
        for status in ("4XX", "503"):
            content = operation["responses"][status]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name
        assert "422" not in operation["responses"], name


def test_request_bodies_have_examples(world: World):
    schemas = world.app.openapi()["components"]["schemas"]
    for name, operation in operations(world.app):
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in sent and set(operation["tags"]) & {"requests", "planning"}:
            described = schemas[sent["$ref"].rsplit("/", 1)[1]]
            assert "examples" in described or set(described["properties"]) == {"shared"}, name
