"""Refuses what no route can mean and no database can store, before a route reads it."""

from email.message import Message
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mosaic_api.problems import answer


class WellFormed:
    """Refuses addresses with a NUL character, and forms that are not in UTF-8.

    PostgreSQL stores no NUL. A form may name any codec of Python, and some of them decode to text that cannot be
    encoded again (a lone surrogate); RFC 7578 has no such parameter.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            status, reason = refusal
            await answer(status, reason)(scope, receive, send)


def _refusal(scope: Scope) -> tuple[HTTPStatus, str] | None:
    """The status and the reason; None for a request that is well-formed."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
        return HTTPStatus.BAD_REQUEST, "the address contains a NUL character (%00)"
    described = Message()
    described["Content-Type"] = Headers(scope=scope).get("content-type", "")
    charset = described.get_param("charset", "utf-8") if described.get_content_maintype() == "multipart" else "utf-8"
    if str(charset).lower() not in {"utf-8", "utf8"}:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a form must be encoded in UTF-8; leave `charset` out"
    return None
