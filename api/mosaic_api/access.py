"""Who is behind an HTTP request, and which requests are turned away before anything reads them."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mosaic_api.context import Context, context_of
from mosaic_api.database import User
from mosaic_api.identity import Principal, principal_of, principal_of_token, single_user
from mosaic_api.problems import Unauthorized, answer
from mosaic_api.settings import Settings

SESSION_USER = "user"
"""In the signed cookie: the id of who logged in."""
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def who(request: Request, context: Annotated[Context, Depends(context_of)]) -> Principal:
    """The principal of an HTTP request: by its token, by its cookie, or the one user of a laptop.

    Raises:
        Unauthorized: there is none.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    with context.database.transaction() as session:
        if scheme.lower() == "bearer":
            return principal_of_token(session, secret.strip())
        if context.settings.single_user:
            return principal_of(single_user(session))
        user_id = request.session.get(SESSION_USER) if "session" in request.scope else None
        user = session.get(User, user_id) if user_id else None
        if user is None or user.disabled:
            raise Unauthorized("log in first, or give a token in the header `Authorization: Bearer …`")
        return principal_of(user)


def credentials(request: Request) -> tuple[str, str]:
    """By what an HTTP request shows who is behind it: its header, and whom its cookie names."""
    logged_in = request.session.get(SESSION_USER, "") if "session" in request.scope else ""
    return request.headers.get("authorization", ""), logged_in


Who = Annotated[Principal, Depends(who)]
"""The parameter of a route that only a principal may call."""


class Doorkeeper:
    """Turns away requests that another site makes a browser send, and gives every answer the headers that guard a page.

    On a laptop there is no login, so that the name by which it is reached must be a loopback one (a site could let its
    own name point here), and what changes something must not come from another origin.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES if settings.single_user else frozenset({urlsplit(settings.public_url).netloc})
        self._by_name_alone = settings.single_user
        self._headers = _guarding_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await answer(HTTPStatus.FORBIDDEN, refusal)(scope, receive, send)
            return

        async def guarded(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]  # type: ignore[misc]
            await send(message)

        await self._app(scope, receive, guarded)  # type: ignore[arg-type]

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._by_name_alone and _name(host) not in self._hosts:
            return f"this program answers under {', '.join(sorted(LOOPBACK_NAMES))} only, and was asked as {host!r}"
        if method in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "what changes something must come from this page itself, and this came from another site"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return "what changes something must come from this page itself, and this came from another site"
        return None


def _name(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host


def _guarding_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Nothing from elsewhere but the tile server's pictures, no inline script, no frame around the page."""
    tiles = urlsplit(settings.tile_server)
    pictures = f" {tiles.scheme}://{tiles.netloc.replace('{s}', '*')}" if tiles.netloc else ""
    policy = (
        f"default-src 'self'; img-src 'self' data: blob:{pictures}; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
