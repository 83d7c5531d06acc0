"""The one tree of what can be wrong with a call, and how it is answered: problem details (RFC 9457)."""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from starlette.exceptions import HTTPException
from starlette.routing import Match

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MEDIA_TYPE = "application/problem+json"
_NAMED = re.compile(r"(spec(?:\.\w+|\[\d+\])+): ")
"""How sentences about a field of a request begin."""
_log = logging.getLogger(__name__)


class Problem(MosaicError):  # noqa: N818 (what it is called in RFC 9457)
    """A call that cannot be answered as it was meant; its text is for the person who made it.

    Attributes:
        status: of HTTP.
        field: the field of the body, or the parameter, that is to blame.
        headers: that the answer has too.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.field = field
        self.headers = headers or {}


class Invalid(Problem):
    """What was sent cannot be what was meant."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unauthorized(Problem):
    """Nobody knows who asks."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="mosaic"'})


class Forbidden(Problem):
    """Who asks may not."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """There is no such thing, or not for who asks: the answer is the same."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Problem):
    """It stands against what is there."""

    status = HTTPStatus.CONFLICT


class Outdated(Problem):
    """What is to be changed is not any more as whoever changes it saw it."""

    status = HTTPStatus.PRECONDITION_FAILED


class TooLarge(Problem):
    """More was sent than this installation takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooMany(Problem):
    """More at once than a user may have."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class NoRoom(Problem):
    """The server's disk is too full for it now."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class Unavailable(Problem):
    """What is needed does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})


def answer(status: int, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as JSON."""
    content: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    content |= {"detail": detail} | ({} if field is None else {"field": field})
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def explain(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""

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
        told = error.errors()[0]
        field = _path(told["loc"])
        return answer(Invalid.status, f"{field or 'the body'}: {told['msg']}", field)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(_allowed(app, request))}
        return answer(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the program, and is in its log; try again later"
        )


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """The methods of all routes to a path; each route knows its own only."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in app.routes)
    ]


def _path(location: Sequence[int | str]) -> str:
    """Where a validation error lies: without "body" or "query", which only the library calls so."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location[1:])
    return "".join(steps).removeprefix(".")
