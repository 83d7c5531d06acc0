"""Who is behind an HTTP request, and which requests are turned away before anything reads them."""

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, cast
from urllib.parse import unquote_to_bytes, urlsplit

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mosaic_api.auth.identity import (
    TOKEN_PREFIX,
    Principal,
    principal_of,
    principal_of_session,
    principal_of_token,
    single_user,
)
from mosaic_api.auth.local_session import cookie_of, is_local_user
from mosaic_api.context import Context, context_of
from mosaic_api.settings import Settings, origin_of
from mosaic_api.web.problems import Unauthorized, answer

SESSION_TOKENS = "tokens"
"""In the signed cookie: the ids of the tokens that the session stands on."""
MOST_ENCODED = 10
"""Times that part of an address may be percent-encoded."""
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[\w-]{{40}}".encode())
_log = logging.getLogger(__name__)


def authenticated(request: Request, context: Context) -> Principal | None:
    """The principal of an HTTP request: by its token, by its cookie, or the one user of a laptop; None if nobody.

    Raises:
        Unauthorized: it has a token that is not valid.
        TooMany: the caller has sent too many such tokens.
    """
    try:
        with context.database.transaction() as session:
            return _principal_of(session, request, context.settings)
    except Unauthorized:
        _log.warning("a token that is not valid was sent from %s", address_of(request))
        context.limits.failure(address_of(request))
        raise


def reauthenticated(session: Session, request: Request, settings: Settings) -> Principal | None:
    """The principal of an HTTP request that is still being answered, by what it may do now; None if nobody any more."""
    try:
        return _principal_of(session, request, settings)
    except Unauthorized:
        return None


def _principal_of(session: Session, request: Request, settings: Settings) -> Principal | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if settings.single_user and settings.local_token and is_local_user(request, settings.local_token):
        return principal_of(single_user(session))
    if scheme.lower() == "bearer":
        return principal_of_token(session, secret.strip())
    if settings.single_user:
        return None if settings.local_token else principal_of(single_user(session))
    return principal_of_session(session, session_of(request))


def require_principal(principal: Principal | None) -> Principal:
    """The principal that there is.

    Raises:
        Unauthorized: there is none.
    """
    if principal is None:
        raise Unauthorized("log in first, or give a token in the header `Authorization: Bearer …`")
    return principal


def optional_principal(request: Request, context: Annotated[Context, Depends(context_of)]) -> Principal | None:
    """The principal of an HTTP request, which is counted; None if nobody.

    Raises:
        Unauthorized: it has a token that is not valid.
        TooMany: the caller calls too often, or with too many such tokens.
    """
    principal = authenticated(request, context)
    if principal is not None:
        context.limits.call(principal)
    return principal


def current_principal(principal: Annotated[Principal | None, Depends(optional_principal)]) -> Principal:
    """The principal of an HTTP request.

    Raises:
        Unauthorized: there is none.
    """
    return require_principal(principal)


def credentials(request: Request) -> tuple[str, ...]:
    """By what an HTTP request shows who is behind it: its header, or what its session stands on."""
    return (request.headers.get("authorization", ""), cookie_of(request), *session_of(request))


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
"""The parameter of a route that only a principal may call."""
OptionalPrincipal = Annotated[Principal | None, Depends(optional_principal)]
"""The parameter of a route that anybody may call."""


def session_of(request: Request) -> Sequence[str]:
    """The ids of the tokens that the session of a browser stands on; none without a session."""
    return cast("Sequence[str]", request.session.get(SESSION_TOKENS, ())) if "session" in request.scope else ()


def address_of(request: Request) -> str:
    """Whence a request comes, as far as the server knows."""
    return request.client.host if request.client else "a socket"


class OriginGuard:
    """Turns away requests that another site makes a browser send, and gives every answer the headers that guard a page.

    On a laptop there is no login, so that the name by which it is reached must be a loopback one (a site could let its
    own name point here), and what changes something must not come from another origin. Elsewhere that origin is the
    public one, whatever name a request was sent to; nothing is ever made from that name.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._public = "" if settings.single_user else settings.public_url
        self._headers = _guarding_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]  # type: ignore[misc]
            await send(message)

        if _holds_token(scope["query_string"]) or _holds_token(scope.get("raw_path") or scope["path"].encode()):
            refusal = answer(
                HTTPStatus.BAD_REQUEST,
                "a token belongs into the header `Authorization: Bearer …`; addresses are kept in logs and histories: "
                "revoke this one",
            )
            await refusal(scope, receive, guarded)  # type: ignore[arg-type]
            return
        reason = self._refusal(scope["method"], Headers(scope=scope))
        if reason is not None:
            await answer(HTTPStatus.FORBIDDEN, reason)(scope, receive, guarded)  # type: ignore[arg-type]
            return
        await self._app(scope, receive, guarded)  # type: ignore[arg-type]

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._public and _name(host) not in LOOPBACK_NAMES:
            return f"this program answers under {', '.join(sorted(LOOPBACK_NAMES))} only, and was asked as {host!r}"
        if method in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own = self._public or f"http://{host}"
        elsewhere = (origin is not None and origin != own) or site not in {None, "same-origin", "none"}
        unsaid = origin is None and site is None and "cookie" in headers  # a browser says it
        if elsewhere or unsaid:
            return f"what changes something must come from the page {own} itself, and this came from elsewhere"
        return None


def _holds_token(part: bytes) -> bool:
    """Whether part of an address holds a token, however often it is percent-encoded."""
    for _ in range(MOST_ENCODED):
        if _TOKEN.search(part):
            return True
        decoded = unquote_to_bytes(part)
        if decoded == part:
            return False
        part = decoded
    return True  # nobody encodes so often who does not hide something


def _name(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host


def _guarding_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Nothing from elsewhere but the tile server's pictures, no inline script, no frame around the page.

    A tile server is told from which site its pictures are asked for, which that of OpenStreetMap asks for.
    """
    tiles = urlsplit(settings.tile_server)
    pictures = f" {tiles.scheme}://{tiles.netloc.replace('{s}', '*')}" if tiles.netloc else ""
    forms = f" {origin_of(settings.oidc.issuer)}" if settings.oidc else ""  # to which logging out leads on
    policy = (
        f"default-src 'self'; img-src 'self' data: blob:{pictures}; object-src 'none'; base-uri 'none'; "
        f"form-action 'self'{forms}; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin" if pictures else "same-origin",
        "X-Frame-Options": "DENY",
    }
    if settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
