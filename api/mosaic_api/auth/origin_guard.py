"""Refuses forged requests before anything reads them, and adds the security headers to each response."""

import logging
import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mosaic_api.auth.identity import TOKEN_PREFIX
from mosaic_api.settings import Settings, origin_of
from mosaic_api.web.problem_details import answer

MOST_ENCODED = 10
"""How often a part of a URL may be percent-encoded."""
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[\w-]{{40}}".encode())
_log = logging.getLogger(__name__)


class OriginGuard:
    """Refuses requests that another site makes a browser send, and adds the headers that protect the page.

    A single-user installation must be called by a loopback name, because another site could resolve its own name to
    this machine; and changes must not come from another origin. Elsewhere, that origin is the public one. The Host
    header of a request is never used to build anything.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._public = "" if settings.single_user else settings.public_url
        self._headers = _guarding_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
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
                "send tokens in the header `Authorization: Bearer …`; URLs are kept in logs and histories, so revoke "
                "this token",
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
            return f"this program only answers as {', '.join(sorted(LOOPBACK_NAMES))}, not as {host!r}"
        if method in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own = self._public or f"http://{host}"
        elsewhere = (origin is not None and origin != own) or site not in {None, "same-origin", "none"}
        unsaid = origin is None and site is None and "cookie" in headers  # browsers send one of them
        if elsewhere or unsaid:
            return f"changes are only accepted from {own}; this request came from another site"
        return None


def _holds_token(part: bytes) -> bool:
    """Whether a part of a URL has a token, however often it is percent-encoded."""
    for _ in range(MOST_ENCODED):
        if _TOKEN.search(part):
            return True
        decoded = unquote_to_bytes(part)
        if decoded == part:
            return False
        part = decoded
    return True  # only somebody who hides something encodes this often


def _name(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host


def _guarding_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Allow no content from elsewhere except map tiles, no inline scripts, and no frame around the page.

    A tile server receives the origin of the page as referrer, which OpenStreetMap requires.
    """
    tiles = urlsplit(settings.tile_server)
    pictures = f" {tiles.scheme}://{tiles.netloc.replace('{s}', '*')}" if tiles.netloc else ""
    forms = f" {origin_of(settings.oidc.issuer)}" if settings.oidc else ""  # logging out redirects there
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
