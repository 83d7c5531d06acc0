"""The responses to errors: problem details (RFC 9457)."""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from mosaic_crds.errors import PassingError, RequestError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from mosaic_api.web.problems import Invalid, Problem, Unavailable

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MEDIA_TYPE = "application/problem+json"
_NAMED = re.compile(r"(spec(?:\.\w+|\[\d+\])+): ")
"""The beginning of a message about a field of a request."""
_log = logging.getLogger(__name__)


def answer(status: int, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a JSON response."""
    content: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    content |= {"detail": detail} | ({} if field is None else {"field": field})
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def explain(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""

    @app.exception_handler(Problem)
    async def on_problem(_: Request, error: Problem) -> Response:
        return answer(error.status, str(error), error.field, error.headers)

    @app.exception_handler(RequestError)
    async def on_request_error(_: Request, error: RequestError) -> Response:
        named = _NAMED.match(str(error))
        return answer(Invalid.status, str(error), error.field or (named and named.group(1)))

    @app.exception_handler(PassingError)
    async def on_passing_error(_: Request, error: PassingError) -> Response:
        _log.warning("%s", error)
        return answer(Unavailable.status, str(error), headers={"Retry-After": "5"})

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> Response:
        invalid = error.errors()[0]
        field = _path(invalid["loc"])
        return answer(Invalid.status, f"{field or 'the body'}: {invalid['msg']}", field)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(_allowed(app, request))}
        return answer(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = "internal error; details are in the log of this installation; try again later"
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """The methods of all routes with a path; each route only knows its own."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in app.routes)
    ]


def _path(location: Sequence[int | str]) -> str:
    """The location of a validation error without the library's "body" or "query"."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location[1:])
    return "".join(steps).removeprefix(".")
