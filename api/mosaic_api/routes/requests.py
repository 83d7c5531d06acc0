"""/requests: create, find, watch, cancel, share and delete requests."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest
from mosaic_crds.lifecycle import Phase
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from mosaic_api.auth.ownership import find, missing
from mosaic_api.context import ContextDep
from mosaic_api.database import Request
from mosaic_api.dependencies import CurrentPrincipal, PagingDep, reauthenticated, require_principal
from mosaic_api.requests import crud, schemas
from mosaic_api.web.problems import NotFound, Unauthorized
from mosaic_api.web.schemas import NO_NUL

router = APIRouter(prefix="/requests", tags=["requests"])
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.post("", status_code=HTTPStatus.CREATED)
def create_request(
    asked: schemas.RequestCreate, response: Response, principal: CurrentPrincipal, context: ContextDep
) -> schemas.Request:
    """Create a request for a mosaic."""
    with context.database.transaction() as session:
        request = crud.create(session, context.settings, principal, asked.name, asked.spec)
    response.headers["Location"] = f"requests/{request.id}"
    return schemas.Request.of(request, principal)


@router.get("")
def list_requests(
    http: HttpRequest,
    principal: CurrentPrincipal,
    context: ContextDep,
    paging: PagingDep,
    phase: Annotated[list[Phase], Query()] = [],  # noqa: B006 (FastAPI copies it)
    text: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="in the name")] = "",
) -> schemas.RequestList:
    """List the requests that you may see, newest first."""
    with context.database.transaction() as session:
        page = crud.list_page(session, principal, paging, phase, text)
    return schemas.RequestList(
        requests=[schemas.Request.of(request, principal, whole=False) for request in page.rows],
        total=page.total,
        next=page.next(http.url),
    )


@router.get("/{request_id}")
def get_request(request_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> schemas.Request:
    """Get a request."""
    with context.database.transaction() as session:
        return schemas.Request.of(find(session, principal, Request, request_id), principal)


@router.patch("/{request_id}")
def update_request(
    request_id: uuid.UUID, change: schemas.RequestPatch, principal: CurrentPrincipal, context: ContextDep
) -> schemas.Request:
    """Share a request with all users of this installation, or stop sharing it."""
    with context.database.transaction() as session:
        return schemas.Request.of(crud.share(session, principal, request_id, change.shared), principal)


@router.post("/{request_id}/cancel", status_code=HTTPStatus.ACCEPTED)
def cancel_request(request_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> schemas.Request:
    """Cancel a request; a finished one does not change."""
    with context.database.transaction() as session:
        return schemas.Request.of(crud.cancel(session, principal, request_id), principal)


@router.delete("/{request_id}", status_code=HTTPStatus.NO_CONTENT)
def delete_request(request_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> None:
    """Delete a request and its files."""
    with context.database.transaction() as session:
        crud.remove(session, principal, request_id)


@router.get("/{request_id}/events", response_class=EventSourceResponse, responses=EVENTS)
async def watch_request(
    request_id: uuid.UUID, http: HttpRequest, context: ContextDep, principal: CurrentPrincipal
) -> EventSourceResponse:
    """Watch a request: Server-Sent Events `request` when it changes, and `removed` when it is deleted.

    The stream ends within 30 seconds after the user logs out or may no longer see the request.
    """

    def look() -> schemas.Request | None:
        with context.database.transaction() as session:
            principal = require_principal(reauthenticated(session, http, context.settings))
            try:
                return schemas.Request.of(find(session, principal, Request, request_id), principal)
            except NotFound:
                return None

    async def events() -> AsyncIterator[ServerSentEvent]:
        before = None
        async for _ in context.changes.of("requests", request_id):
            try:
                now = await run_in_threadpool(look)
            except Unauthorized:
                return
            if now is None:
                yield ServerSentEvent(json.dumps({"id": str(request_id)}), event="removed")
                return
            if now != before:
                yield ServerSentEvent(now.model_dump_json(), event="request")
            before = now

    if await run_in_threadpool(look) is None:
        raise missing(Request, request_id)
    return _Counted(events(), context.streams.slot(principal.user_id))


class _Counted(EventSourceResponse):
    """A stream that holds a slot of its user."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], slot: AbstractContextManager[None]) -> None:
        super().__init__(content)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._slot:
            await super().__call__(scope, receive, send)
