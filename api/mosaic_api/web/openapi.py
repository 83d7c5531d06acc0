"""Completes FastAPI's OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from mosaic_api.web.problem_details import MEDIA_TYPE

DESCRIPTION = """\
Create satellite mosaics, watch their progress, show them on a map, and store and share datasets.

Authenticate with a token (`Authorization: Bearer …`, see `mosaic token`) or with the session cookie of the page. On a
laptop, the link that `mosaic serve` prints logs the browser in. Errors are problem details (RFC 9457): `detail` is a
sentence, and `field` names the field of the body, or the parameter, that is wrong. Objects that you may not see return
404, as if they did not exist.
"""
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Unprocessable Content"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {
            "type": "string",
            "examples": ["the request: spec.product.index: unknown index NDVY (did you mean NDVI?)"],
        },
        "field": {"type": "string", "examples": ["spec.product.index"]},
    },
}
ANY_BYTES = "application/octet-stream"
"""Listed beside the real media types, because generated clients return bytes for it."""
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
JSON_OBJECT: dict[str, Any] = {"schema": {"type": "object"}}
KNOWN: dict[int | str, dict[str, Any]] = {304: {"description": "The client has this content already"}}
METHODS = ("get", "put", "post", "patch", "delete", "head")


def files_of(*media_types: str, ranges: bool = True) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that sends files of some types, whole or, with `Range`, in part."""
    content = {each: JSON_OBJECT if each.endswith("json") else BINARY for each in (ANY_BYTES, *media_types)}
    whole: dict[int | str, dict[str, Any]] = {200: {"description": "The whole file", "content": content}}
    part: dict[int | str, dict[str, Any]] = {206: {"description": "The requested range", "content": content}}
    return (whole | part if ranges else whole) | KNOWN


def file_in_form(formats: str) -> dict[str, Any]:
    """The schema of a form's file with the supported formats."""
    return {"file": {"type": "string", "contentMediaType": "application/octet-stream", "description": formats}}


def form_or_json(model: type[BaseModel], formats: str) -> dict[str, Any]:
    """The body of a route that accepts a form with a file, or JSON without one."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    form = schema | {"properties": schema["properties"] | file_in_form(formats)}
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def operation_id(route: APIRoute) -> str:
    """The name of an operation, which generated clients use: that of its function, a verb and an object."""
    return route.name


def describe(app: FastAPI) -> None:
    """Add problems and authentication to the OpenAPI document of an application."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    summary=app.summary,
                    description=DESCRIPTION,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"token": []}]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in schema["paths"].values():
        for operation in (operations[method] for method in METHODS if method in operations):
            operation["summary"], _, rest = operation.get("description", operation["summary"]).partition("\n\n")
            operation["summary"] = " ".join(operation["summary"].split()).removesuffix(".")
            operation.pop("description", None)
            if rest:
                operation["description"] = rest
            operation["responses"].pop("422", None)
            operation["responses"] |= {
                "4XX": {"description": "The request is invalid or not allowed", "content": content},
                "503": {
                    "description": "The database, the store or another server does not respond; retry later",
                    "headers": {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}},
                    "content": content,
                },
            }
    return schema
