"""/requests: ask for mosaics, find, watch, cancel, share and remove them."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest
from mosaic_crds.lifecycle import Phase
from pydantic import ConfigDict, StrictBool
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from mosaic_api.auth.dependencies import Who, recognised_again, required
from mosaic_api.auth.identity import Principal
from mosaic_api.context import HERE
from mosaic_api.database import Request
from mosaic_api.requests import crud
from mosaic_api.requests.redaction import redacted
from mosaic_api.web.problems import NotFound, Unauthorized
from mosaic_api.web.schemas import NO_NUL, Body, Spec

router = APIRouter(prefix="/requests", tags=["requests"])

EXAMPLE: dict[str, Any] = {
    "name": "ndvi-victoria",
    "spec": {
        "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
        "source": {
            "stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}
        },
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud", "shadow"]},
    },
}


class Asked(Body):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: str | None = None
    """Small letters, digits and hyphens; made from the product if absent."""
    spec: Spec
    """The spec of a MosaicRequest."""


class Change(Body):
    """What can be changed of a mosaic."""

    model_config = ConfigDict(extra="forbid")

    shared: StrictBool
    """Whether everybody here may see it."""


class Told(Body):
    """A mosaic that was asked for."""

    id: uuid.UUID
    name: str
    namespace: str
    owner: str | None
    """The name of whom it belongs to."""
    mine: bool
    """Whether it belongs to who asks."""
    origin: str
    """api, cluster (kubectl), overlays (the research system's table) or command."""
    shared: bool
    created: datetime
    started: datetime | None
    completed: datetime | None
    cancelling: bool
    """Whether it is wished that it stops."""
    phase: Phase
    spec: dict[str, Any]
    """What was asked for; to others than its owner without the queries and user names of addresses."""
    redacted: bool
    """Whether anything of its addresses is left out, since it may be secret and somebody else owns it."""
    status: dict[str, Any]
    """That of the MosaicRequest: message, plan, progress, result."""
    item: dict[str, Any] | None = None
    """The STAC Item of the published mosaic; only where one mosaic is asked for."""

    @classmethod
    def of(cls, request: Request, principal: Principal, *, whole: bool = True) -> Self:
        """As it is told to the principal."""
        mine = request.owner_id is not None and request.owner_id == principal.user_id
        seen: dict[str, Any] = {"spec": request.spec, "status": request.status, "item": request.item if whole else None}
        seen = seen | {"redacted": False} if mine else redacted(seen)
        return cls(
            id=request.id,
            name=request.name,
            namespace=request.namespace,
            owner=request.owner.name if request.owner else None,
            mine=mine,
            origin=request.origin,
            shared=request.shared,
            created=request.created,
            started=request.started,
            completed=request.completed,
            cancelling=request.cancelled is not None and not request.over,
            phase=Phase(request.phase),
            **seen,
        )


class Listed(Body):
    """A page of mosaics, newest first."""

    requests: list[Told]
    total: int
    """Of all pages."""
    next: str | None
    """The address of the next page."""


@router.post("", status_code=HTTPStatus.CREATED)
def create(asked: Asked, response: Response, principal: Who, here: HERE) -> Told:
    """Ask for a mosaic."""
    with here.database.transaction() as session:
        request = crud.create(session, here.settings, principal, asked.name, asked.spec)
    response.headers["Location"] = f"requests/{request.id}"
    return Told.of(request, principal)


@router.get("")
def listed(
    http: HttpRequest,
    principal: Who,
    here: HERE,
    phase: Annotated[list[Phase], Query()] = [],  # noqa: B006 (FastAPI copies it)
    text: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="that the name holds")] = "",
    before: Annotated[uuid.UUID | None, Query(description="the last one of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listed:
    """The mosaics that you may see, newest first."""
    with here.database.transaction() as session:
        page = crud.listed(session, principal, crud.Filter(phase, text, before, limit))
    following = http.url.include_query_params(before=page.requests[-1].id) if page.more else None
    return Listed(
        requests=[Told.of(request, principal, whole=False) for request in page.requests],
        total=page.total,
        next=f"{following.path}?{following.query}" if following else None,
    )


@router.get("/{request_id}")
def get(request_id: uuid.UUID, principal: Who, here: HERE) -> Told:
    """A mosaic."""
    with here.database.transaction() as session:
        return Told.of(crud.find(session, principal, request_id), principal)


@router.patch("/{request_id}")
def change(request_id: uuid.UUID, change: Change, principal: Who, here: HERE) -> Told:
    """Share a mosaic with everybody here, or no longer."""
    with here.database.transaction() as session:
        return Told.of(crud.share(session, principal, request_id, change.shared), principal)


@router.post("/{request_id}/cancel", status_code=HTTPStatus.ACCEPTED)
def cancel(request_id: uuid.UUID, principal: Who, here: HERE) -> Told:
    """Stop the work on a mosaic; one that is over stays as it is."""
    with here.database.transaction() as session:
        return Told.of(crud.cancel(session, principal, request_id), principal)


@router.delete("/{request_id}", status_code=HTTPStatus.NO_CONTENT)
def remove(request_id: uuid.UUID, principal: Who, here: HERE) -> None:
    """Remove a mosaic and its files."""
    with here.database.transaction() as session:
        crud.remove(session, principal, request_id)


@router.get("/{request_id}/events", response_class=EventSourceResponse)
async def events(request_id: uuid.UUID, http: HttpRequest, here: HERE, principal: Who) -> EventSourceResponse:
    """Server-Sent Events: `request` whenever the mosaic has changed, `removed` when it is gone.

    They end within half a minute after who asks has logged out, or may not see the mosaic any more.
    """

    def look() -> Told | None:
        with here.database.transaction() as session:
            principal = required(recognised_again(session, http, here.settings))
            try:
                return Told.of(crud.find(session, principal, request_id), principal)
            except NotFound:
                return None

    async def told() -> AsyncIterator[ServerSentEvent]:
        before = None
        async for _ in here.news.of("requests", request_id):
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
        raise NotFound(f"there is no mosaic {request_id}, or it is not yours")
    return _Counted(told(), here.streams.slot(principal.user_id))


class _Counted(EventSourceResponse):
    """A stream that has a slot of its user from its beginning to its end."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], slot: AbstractContextManager[None]) -> None:
        super().__init__(content)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._slot:
            await super().__call__(scope, receive, send)
