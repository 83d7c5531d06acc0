"""Dependencies of routes: the caller, and the page of a list."""

import logging
import uuid
from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import (
    Principal,
    principal_of,
    principal_of_session,
    principal_of_token,
    single_user,
)
from mosaic_api.auth.local_session import cookie_of, is_local_user
from mosaic_api.auth.ownership import Paging
from mosaic_api.context import Context, ContextDep
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Unauthorized

SESSION_TOKENS = "tokens"
"""Key in the signed cookie: the ids of the tokens that the session depends on."""
_log = logging.getLogger(__name__)


def authenticated(request: Request, context: Context) -> Principal | None:
    """The caller, by token, by session, or as the single user; None without authentication.

    Raises:
        Unauthorized: the token is invalid.
        TooMany: there were too many invalid tokens.
    """
    try:
        with context.database.transaction() as session:
            return _principal_of(session, request, context.settings)
    except Unauthorized:
        _log.warning("invalid token from %s", address_of(request))
        context.limits.failure(address_of(request))
        raise


def reauthenticated(session: Session, request: Request, settings: Settings) -> Principal | None:
    """The caller of an open request with the current rights; None if they have ended."""
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
    """Refuse a call without authentication.

    Raises:
        Unauthorized: there is none.
    """
    if principal is None:
        raise Unauthorized("log in, or send a token in the header `Authorization: Bearer …`")
    return principal


def optional_principal(request: Request, context: ContextDep) -> Principal | None:
    """The caller, whose call is counted; None without authentication.

    Raises:
        Unauthorized: the token is invalid.
        TooMany: there were too many calls or invalid tokens.
    """
    principal = authenticated(request, context)
    if principal is not None:
        context.limits.call(principal)
    return principal


def current_principal(principal: Annotated[Principal | None, Depends(optional_principal)]) -> Principal:
    """The caller; raises like `optional_principal` and `require_principal`."""
    return require_principal(principal)


def credentials(request: Request) -> tuple[str, ...]:
    """What authenticates a request: its header, or the tokens of its session."""
    return (request.headers.get("authorization", ""), cookie_of(request), *session_of(request))


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
"""Parameter of a route that needs authentication."""
OptionalPrincipal = Annotated[Principal | None, Depends(optional_principal)]
"""Parameter of a public route."""


async def paging(
    before: Annotated[uuid.UUID | None, Query(description="id of the last one of the previous page")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Paging:
    """The page of a list that a call requests."""
    return Paging(before, limit)


PagingDep = Annotated[Paging, Depends(paging)]
"""Parameters of a route that lists rows."""


def session_of(request: Request) -> Sequence[str]:
    """The ids of the tokens that a browser session depends on; empty without a session."""
    return cast("Sequence[str]", request.session.get(SESSION_TOKENS, ())) if "session" in request.scope else ()


def address_of(request: Request) -> str:
    """The client's address, as the server sees it."""
    return request.client.host if request.client else "a socket"
