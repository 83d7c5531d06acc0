"""The browser session of a single-user installation: the token in the printed link, and the cookie that replaces it."""

import hashlib
import hmac
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from mosaic_api.auth.local_token import PARAMETER

COOKIE_SECONDS = 30 * 24 * 3600


def is_local_user(request: Request, token: str) -> bool:
    """Whether a request has the token in its header, or the cookie made from it."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _same(secret.strip(), token)
    return _same(cookie_of(request), _cookie_value(token, request))


def cookie_of(request: Request) -> str:
    """The cookie of a browser session, whose name has the port: browsers share cookies between ports of a host."""
    return request.cookies.get(_name(request), "")


def let_in(request: Request, token: str) -> Response | None:
    """Answer a request whose URL has the token: set the cookie and redirect to the URL without it.

    Returns None if the token is missing or wrong.
    """
    given = request.query_params.get(PARAMETER)
    if given is None or not _same(given.strip(), token):
        return None
    others = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
    response = RedirectResponse(f"/?{urlencode(others)}" if others else "/", HTTPStatus.SEE_OTHER)
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        _name(request), _cookie_value(token, request), max_age=COOKIE_SECONDS, httponly=True, samesite="lax"
    )
    return response


def _name(request: Request) -> str:
    return f"mosaic-{request.url.port or 80}"


def _cookie_value(token: str, request: Request) -> str:
    """The cookie's value for one name. The token cannot be computed from it."""
    return hmac.new(token.encode(), _name(request).encode(), hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
