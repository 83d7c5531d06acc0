"""The errors of calls, without the libraries that answer calls: the executor raises them too."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from mosaic_crds.errors import MosaicError


class Problem(MosaicError):  # noqa: N818 (its name in RFC 9457)
    """A call that cannot be answered as intended. Its text is for users.

    Attributes:
        status: of HTTP.
        field: the invalid field of the body, or the invalid parameter.
        headers: additional headers of the response.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.field = field
        self.headers = headers or {}


class Invalid(Problem):
    """The input is invalid."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unauthorized(Problem):
    """The caller is not authenticated."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="mosaic"'})


class Forbidden(Problem):
    """The caller is not allowed to do this."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """The object does not exist, or the caller may not see it: the response is the same."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Problem):
    """It contradicts the current state."""

    status = HTTPStatus.CONFLICT


class Outdated(Problem):
    """The object has changed since the caller saw it."""

    status = HTTPStatus.PRECONDITION_FAILED


class TooLarge(Problem):
    """The input exceeds a limit of this installation."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooMany(Problem):
    """The user makes too many calls."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class NoRoom(Problem):
    """The server's disk is full."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class Unavailable(Problem):
    """A required service does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})
