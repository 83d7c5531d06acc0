"""The API does what it says of itself: schemathesis calls all of it, on a real database and a published mosaic."""

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

from support.api.entry_files import feature, geojson, geotiff
from support.api.published import Published, store_of
from support.databases import new_database

EXAMPLES = int(os.environ.get("MOSAIC_TEST_EXAMPLES", "10"))
"""Of each operation, beside the cases that its description gives (each bound, what is missing, other methods)."""
EVENTS = "/api/v1/requests/{request_id}/events"
"""Never ends where there is a mosaic."""

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
    """The ids of what calls are about, by name or kind."""


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
"""Take the spec of a request as /requests does, where every rule of it is tried; here only some examples are."""
api = schemathesis.openapi.from_dict(
    create_app(Settings("postgresql+psycopg2://nobody", "nowhere", public_url=PUBLIC_URL)).openapi(),
    config=schemathesis.Config.from_dict(
        {
            "generation": {
                "mode": "all",  # half of the examples break the description
                "with-security-parameters": False,  # the client has a token, and others end at the door
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
_LIMITS = "minimum and maximum are told together, and the one is less than the other"
UNSAID = {
    "POST /api/v1/requests": _SPEC,
    "POST /api/v1/estimate": _SPEC,
    "POST /api/v1/scenes": f"{_SPEC}; and from which hosts this installation reads",
    "POST /api/v1/areas": "which bytes are a vector file with polygons",
    "POST /api/v1/datasets": "which fields belong to which kind, and which files are of it",
    "PATCH /api/v1/datasets/{dataset_id}": "which fields belong to which kind, and where web maps end",
    "GET /api/v1/datasets": "of a box, that south is not above north, and that degrees end",
    "GET /api/v1/datasets/{dataset_id}/tiles/{z}/{x}/{y}.png": _LIMITS,
    "GET /api/v1/requests/{request_id}/tiles/{z}/{x}/{y}.png": _LIMITS,
    "GET /api/v1/requests/{request_id}/legend": _LIMITS,
}
"""What the description of an operation cannot say, so that what fits it may be refused; all others take what fits."""
TAKES_WHAT_FITS = schemathesis.checks.CHECKS.get_one("positive_data_acceptance")


@api.exclude(path=EVENTS).parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_the_api_does_what_it_says(case: Case, world: World):
    case.operation.schema.app = case.operation.app = world.app
    if _is_uuid(case.path_parameters.get("request_id")):
        case.path_parameters["request_id"] = _a_mosaic(world, removed=case.method == "DELETE")
    if _is_uuid(case.path_parameters.get("dataset_id")) and "/central/" not in case.path:
        case.path_parameters["dataset_id"] = _an_entry(world, case)
    excluded = [TAKES_WHAT_FITS] if f"{case.method} {case.path}" in UNSAID else []
    case.call_and_validate(session=world.client, base_url=PUBLIC_URL, excluded_checks=excluded)


def _is_uuid(value: Any) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except (ValueError, TypeError, AttributeError):
        return False


def _a_mosaic(world: World, *, removed: bool) -> str:
    """The id of a published mosaic; of one that nobody needs any more, where it is to be removed."""
    name = f"m{uuid.uuid4().hex[:20]}" if removed else "utm"
    if removed or name not in world.made:
        world.made[name] = world.mosaic.row(world.database, name=name)
    return world.made[name]


def _an_entry(world: World, case: Case) -> str:
    """The id of an entry of the kind that a call is about; of one that nobody needs, where it is to be deleted."""
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


def test_what_is_unsaid_is_so_of_operations_that_there_are(world: World):
    assert {name.split()[1] for name in UNSAID} <= set(world.app.openapi()["paths"])


def test_every_operation_has_a_name_of_its_own_and_a_summary(world: World):
    found = operations(world.app)
    names = [operation["operationId"] for _, operation in found]
    assert len(set(names)) == len(names)
    assert [name for name in names if not VERB.match(name)] == []
    assert all(operation["summary"] and "_" not in operation["summary"] for _, operation in found)


def test_schemas_have_names_that_do_not_change_when_modules_do(world: World):
    names = world.app.openapi()["components"]["schemas"]
    assert [name for name in names if not NOUN.fullmatch(name)] == []
    assert {"Request", "RequestList", "Dataset", "DatasetList", "Token", "User", "Problem"} <= names.keys()


def test_every_operation_says_how_problems_are_answered(world: World):
    for name, operation in operations(world.app):
        assert {status for status in operation["responses"] if status.startswith("5")} == {"503"}, name
        for status in ("4XX", "503"):
            content = operation["responses"][status]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name
        assert "422" not in operation["responses"], name


def test_what_is_sent_has_an_example(world: World):
    schemas = world.app.openapi()["components"]["schemas"]
    for name, operation in operations(world.app):
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in sent and set(operation["tags"]) & {"requests", "planning"}:
            described = schemas[sent["$ref"].rsplit("/", 1)[1]]
            assert "examples" in described or set(described["properties"]) == {"shared"}, name
