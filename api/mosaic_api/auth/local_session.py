"""The browser of the one user of a program on this machine: the token in the printed link, and the cookie for it."""

import hashlib
import hmac
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from mosaic_api.auth.local_token import PARAMETER

COOKIE_SECONDS = 30 * 24 * 3600


def is_local_user(request: Request, token: str) -> bool:
    """Whether a request has the token in its header, or the cookie that stands for it."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _same(secret.strip(), token)
    return _same(cookie_of(request), _stands_for(token, request))


def cookie_of(request: Request) -> str:
    """The cookie by which a browser shows that it was let in; browsers share cookies over the ports of a host."""
    return request.cookies.get(_name(request), "")


def let_in(request: Request, token: str) -> Response | None:
    """Answer a request for the page that brings the token in its address: take it out of there, and set the cookie.

    Returns:
        None if it brings none, or a wrong one.
    """
    given = request.query_params.get(PARAMETER)
    if given is None or not _same(given.strip(), token):
        return None
    others = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
    answer = RedirectResponse(f"/?{urlencode(others)}" if others else "/", HTTPStatus.SEE_OTHER)
    answer.headers["Cache-Control"] = "no-store"
    answer.set_cookie(
        _name(request), _stands_for(token, request), max_age=COOKIE_SECONDS, httponly=True, samesite="lax"
    )
    return answer


def _name(request: Request) -> str:
    return f"mosaic-{request.url.port or 80}"


def _stands_for(token: str, request: Request) -> str:
    """The cookie's value, of which the token cannot be told, for one name."""
    return hmac.new(token.encode(), _name(request).encode(), hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
