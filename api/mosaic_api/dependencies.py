"""What routes depend on: who makes the call."""

import logging
from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import (
    Principal,
    principal_of,
    principal_of_session,
    principal_of_token,
    single_user,
)
from mosaic_api.auth.local_session import cookie_of, is_local_user
from mosaic_api.context import Context, context_of
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Unauthorized

SESSION_TOKENS = "tokens"
"""In the signed cookie: the ids of the tokens that the session stands on."""
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
