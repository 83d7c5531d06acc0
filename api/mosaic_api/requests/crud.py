"""Requests in the database: create, find, list, share, cancel and remove."""

import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.request import LONGEST_NAME, MosaicRequest, request_manifest
from mosaic_crds.validation import expect_size, load_request
from mosaic_worker.geometry.geojson import with_plain_area
from mosaic_worker.product import product_of
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaic_api.auth import ownership
from mosaic_api.auth.identity import Principal, audit
from mosaic_api.auth.ownership import Page, Paging, find_own
from mosaic_api.database.models import Request, User, now
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, TooMany

_NOT_BEGUN = (Phase.PENDING, Phase.SUSPENDED, Phase.CANCELLED)
"""Phases of a request that has not been started."""


def create(
    session: Session, settings: Settings, principal: Principal, name: str | None, spec: Mapping[str, Any]
) -> Request:
    """Create a request of the principal; without a name, it gets one from its product.

    Raises:
        Forbidden: the principal may not create requests.
        RequestError: the spec is invalid.
        Conflict: the name is in use.
        TooMany: the principal has too many unfinished requests.
    """
    principal.require("editor")
    manifest = validated(settings, name or _made_name(spec), spec)
    product_of(manifest.spec.product)
    written = manifest.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    expect_size(written)  # a reference that was given as a string is longer now
    session.execute(select(User.id).where(User.id == principal.user_id).with_for_update())  # so that the limit holds
    waiting = session.scalar(
        select(func.count())
        .select_from(Request)
        .where(Request.owner_id == principal.user_id, Request.phase.not_in(TERMINAL), Request.removed.is_(None))
    )
    if (waiting or 0) >= settings.max_open_requests:
        raise TooMany(f"limit of {settings.max_open_requests} unfinished requests reached; wait, or cancel some")
    request = Request(
        id=uuid.uuid4(),
        namespace=settings.namespace,
        name=manifest.metadata.name,
        owner_id=principal.user_id,
        spec=written,
        status={"phase": Phase.PENDING},
    )
    try:
        with session.begin_nested():
            session.add(request)
    except IntegrityError:
        raise Conflict(f"the request {manifest.metadata.name} already exists; choose another name", "name") from None
    session.refresh(request)
    audit(session, principal.user_id, "create", f"request/{request.id}", name=request.name)
    return request


def validated(settings: Settings, name: str, spec: Mapping[str, Any]) -> MosaicRequest:
    """The MosaicRequest of a name and a spec, if this installation allows it.

    Raises:
        RequestError: it is invalid or not allowed.
    """
    manifest = parse_request(settings.namespace, name, spec)
    if settings.allowed is not None:
        settings.allowed.check(manifest.spec.execution)
    return manifest


def parse_request(namespace: str, name: str, spec: Mapping[str, Any], uid: str | None = None) -> MosaicRequest:
    """The MosaicRequest of a name and a spec, whose area may be any GeoJSON object with polygons.

    Raises:
        RequestError: it is invalid; the message begins with the field.
    """
    return load_request(request_manifest(name, with_plain_area(spec), namespace=namespace, uid=uid))


def list_page(
    session: Session, principal: Principal, paging: Paging, phases: Sequence[Phase] = (), text: str = ""
) -> Page[Request]:
    """A page of the requests that the principal may see, in these phases (all by default), with a text in the name."""
    conditions: list[ColumnElement[bool]] = []
    if phases:
        conditions.append(Request.phase.in_([str(phase) for phase in phases]))
    if text:
        conditions.append(Request.name.icontains(text, autoescape=True))
    return ownership.list_page(session, principal, Request, paging, conditions)


def cancel(session: Session, principal: Principal, request_id: uuid.UUID) -> Request:
    """Cancel a request, unless it has finished. The executor or operator ends its work; raises like `find_own`."""
    request = find_own(session, principal, Request, request_id)
    if not request.over and request.cancelled is None:
        request.cancelled = now()
        audit(session, principal.user_id, "cancel", f"request/{request.id}", name=request.name)
    return request


def remove(session: Session, principal: Principal, request_id: uuid.UUID) -> None:
    """Delete a request and its results; its name is free immediately; raises like `find_own`."""
    request = find_own(session, principal, Request, request_id)
    request.removed = now()
    request.cancelled = request.cancelled or request.removed
    audit(session, principal.user_id, "remove", f"request/{request.id}", name=request.name)


def share(session: Session, principal: Principal, request_id: uuid.UUID, shared: bool) -> Request:
    """Show a request to all users, or only to its owner; raises like `find_own`."""
    request = find_own(session, principal, Request, request_id)
    if request.shared != shared:
        request.shared = shared
        audit(session, principal.user_id, "share" if shared else "unshare", f"request/{request.id}", name=request.name)
    return request


def set_status(request: Request, status: Mapping[str, Any], moment: datetime | None = None) -> None:
    """Set the status of a MosaicRequest, and the columns that depend on it."""
    phase = Phase(status.get("phase") or Phase.PENDING)
    request.status = dict(status)
    request.phase = str(phase)
    if request.started is None and phase not in _NOT_BEGUN:
        request.started = moment or now()
    request.completed = (request.completed or moment or now()) if phase.terminal else None


def _made_name(spec: Mapping[str, Any]) -> str:
    """A name from the product and a random suffix."""
    product = spec.get("product") if isinstance(spec, Mapping) else None
    index = product.get("index") if isinstance(product, Mapping) else None
    stem = re.sub(r"[^a-z0-9]+", "-", index.lower()).strip("-") if isinstance(index, str) else "mosaic"
    return f"{stem[: LONGEST_NAME - 7] or 'mosaic'}-{secrets.token_hex(3)}"
