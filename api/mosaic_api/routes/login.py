"""Login and logout in a browser: with the OpenID provider, or with a token."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from mosaic_crds.errors import PassingError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from mosaic_api.auth.identity import audit, close_session, open_session, principal_of, valid_token
from mosaic_api.auth.oidc import CALLBACK, LOGIN, TARGET, Claims, Provider, own_path, user_of
from mosaic_api.context import Context, ContextDep
from mosaic_api.dependencies import SESSION_TOKENS, address_of, session_of
from mosaic_api.web.problems import Forbidden, NotFound, Problem, TooMany, Unauthorized

START = "/auth/start"
router = APIRouter(include_in_schema=False)
_templates = Jinja2Templates(Path(__file__).parents[1] / "templates")
_log = logging.getLogger(__name__)


@router.get(LOGIN)
def page(request: Request, context: ContextDep, target: Annotated[str, Query()] = "/") -> Response:
    """The login page."""
    if not _has_sessions(request):
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    return _page(request, context, own_path(target))


@router.get(START)
async def start(request: Request, context: ContextDep, target: Annotated[str, Query()] = "/") -> Response:
    """Redirect to the provider."""
    try:
        return await _provider(request, context).start(request, own_path(target))
    except PassingError as error:
        _log.warning("%s", error)
        return _page(request, context, own_path(target), error)


@router.get(CALLBACK)
async def callback(request: Request, context: ContextDep) -> Response:
    """Return from the provider."""
    provider = _provider(request, context)
    target = own_path(str(request.session.get(TARGET, "/")))
    try:
        claims = await provider.finish(request)
        token_ids = await run_in_threadpool(_by_claims, request, context, provider, claims)
    except (Problem, PassingError) as error:
        return await _refused(request, context, target, error)
    return _entered(request, token_ids, target)


@router.post(LOGIN)
async def by_token(
    request: Request, context: ContextDep, token: Annotated[str, Form()] = "", target: Annotated[str, Form()] = "/"
) -> Response:
    """Log in with a token."""
    if not _has_sessions(request):
        raise NotFound("this installation has no login: it has a single user, or clients send tokens")
    target = own_path(target)
    try:
        token_ids = await run_in_threadpool(_by_token, request, context, token.strip())
    except Problem as error:
        return await _refused(request, context, target, error)
    return _entered(request, token_ids, target)


@router.post("/logout")
async def logout(request: Request, context: ContextDep) -> Response:
    """Log out, also at the provider if there is one; copies of the cookie become invalid."""
    if not _has_sessions(request):
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    token_ids = session_of(request)
    request.session.clear()
    by_provider = await run_in_threadpool(_close, request, context, token_ids)
    address = await context.provider.farewell() if context.provider and by_provider else LOGIN
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def _has_sessions(request: Request) -> bool:
    return "session" in request.scope


def _provider(request: Request, context: Context) -> Provider:
    if context.provider is None or not _has_sessions(request):
        raise NotFound("this installation has no OpenID provider")
    return context.provider


def _by_claims(request: Request, context: Context, provider: Provider, claims: Claims) -> list[str]:
    with context.database.transaction() as session:
        user = user_of(session, provider.oidc, claims)
        context.limits.call(principal_of(user))
        audit(session, user.id, "log in", f"user/{user.id}", by=provider.oidc.issuer, address=address_of(request))
        return open_session(session, user, request.headers.get("user-agent", ""))


def _by_token(request: Request, context: Context, secret: str) -> list[str]:
    with context.database.transaction() as session:
        token = valid_token(session, secret)
        user, by = token.user, f"token/{token.id}"
        context.limits.call(principal_of(user))
        audit(session, user.id, "log in", f"user/{user.id}", by=by, address=address_of(request))
        return open_session(session, user, request.headers.get("user-agent", ""), token)


def _close(request: Request, context: Context, token_ids: Sequence[str]) -> bool:
    """End a session; return whether it was opened by the provider."""
    with context.database.transaction() as session:
        principal = close_session(session, token_ids)
        if principal is not None:
            user = f"user/{principal.user_id}"
            audit(session, principal.user_id, "log out", user, address=address_of(request))
    return principal is not None and len(token_ids) == 1


async def _refused(request: Request, context: Context, target: str, error: Problem | PassingError) -> Response:
    """Show why a login failed, and record it; too many failures must wait."""
    reason = str(error)
    if isinstance(error, Unauthorized | Forbidden):
        try:
            await run_in_threadpool(context.limits.failure, address_of(request))
        except TooMany as too_many:
            return _page(request, context, target, too_many)
        await run_in_threadpool(_record_failure, request, context, reason)
    else:
        _log.warning("%s", reason)
    return _page(request, context, target, error)


def _record_failure(request: Request, context: Context, reason: str) -> None:
    with context.database.transaction() as session:
        audit(session, None, "failed login", "login", reason=reason, address=address_of(request))


def _entered(request: Request, token_ids: list[str], target: str) -> Response:
    request.session.clear()
    request.session[SESSION_TOKENS] = token_ids
    return RedirectResponse(target, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})


def _page(request: Request, context: Context, target: str, error: Problem | PassingError | None = None) -> Response:
    status, headers = HTTPStatus.OK, {"Cache-Control": "no-store"}
    if isinstance(error, Problem):
        status, headers = error.status, {**headers, **error.headers}
    elif error is not None:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    values: dict[str, Any] = {"target": target, "message": str(error) if error else "", "start": START}
    values["provider"] = context.provider.name if context.provider else ""
    return _templates.TemplateResponse(request, "login.html", values, status, headers)
