"""Mosaics as people ask for them: made, found, stopped and removed in the database, whoever works them off."""

import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.request import LONGEST_NAME, MosaicRequest, request_manifest
from mosaic_crds.validation import expect_size, load_request
from mosaic_worker.geometry.geojson import with_plain_area
from mosaic_worker.product import product_of
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import Principal, audit
from mosaic_api.database.models import Request, User, now
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, NotFound, TooMany

_NOT_BEGUN = (Phase.PENDING, Phase.SUSPENDED, Phase.CANCELLED)
"""Phases that a request may be in before any work on it."""


@dataclass(frozen=True)
class Filter:
    """Which mosaics are listed.

    Attributes:
        phases: all if empty.
        text: that the name holds.
        before: the id of the last one of the page before; they come newest first.
        limit: how many at most.
    """

    phases: Sequence[Phase] = ()
    text: str = ""
    before: uuid.UUID | None = None
    limit: int = 50


@dataclass(frozen=True)
class Page:
    """Some of the mosaics that were asked for.

    Attributes:
        mosaics: newest first.
        total: how many there are in all pages.
        more: whether another page follows.
    """

    requests: Sequence[Request]
    total: int
    more: bool


def create(
    session: Session, settings: Settings, principal: Principal, name: str | None, spec: Mapping[str, Any]
) -> Request:
    """Ask for a mosaic.

    Args:
        session: a transaction.
        settings: of this installation.
        principal: who asks.
        name: of the request; one is made from the product if None.
        spec: of the MosaicRequest.

    Raises:
        Forbidden: the principal may only look.
        RequestError: the spec is not valid.
        Conflict: the name is taken.
        TooMany: the principal has too many that are not over.
    """
    principal.require("editor")
    manifest = requested(settings, name or _made_name(spec), spec)
    product_of(manifest.spec.product)
    written = manifest.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    expect_size(written)  # a reference that was given as a string alone is longer now
    session.execute(select(User.id).where(User.id == principal.user_id).with_for_update())  # of two at once, one waits
    waiting = session.scalar(
        select(func.count())
        .select_from(Request)
        .where(Request.owner_id == principal.user_id, Request.phase.not_in(TERMINAL), Request.removed.is_(None))
    )
    if (waiting or 0) >= settings.max_open_requests:
        raise TooMany(
            f"{waiting} of your requests are not over yet, and no more are taken at once; wait, or cancel some"
        )
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
        raise Conflict(f"there is a request {manifest.metadata.name} already; choose another name", "name") from None
    session.refresh(request)
    audit(session, principal.user_id, "create", f"request/{request.id}", name=request.name)
    return request


def requested(settings: Settings, name: str, spec: Mapping[str, Any]) -> MosaicRequest:
    """The MosaicRequest that somebody wants to have made here.

    Raises:
        RequestError: it is not valid, or names what this installation does not allow.
    """
    manifest = parse_request(settings.namespace, name, spec)
    if settings.allowed is not None:
        settings.allowed.check(manifest.spec.execution)
    return manifest


def parse_request(namespace: str, name: str, spec: Mapping[str, Any], uid: str | None = None) -> MosaicRequest:
    """The MosaicRequest of a name and a spec, whose area may be any GeoJSON object of polygons.

    Raises:
        RequestError: it is not valid; the sentence begins with the field.
    """
    return load_request(request_manifest(name, with_plain_area(spec), namespace=namespace, uid=uid))


def find(session: Session, principal: Principal, request_id: uuid.UUID) -> Request:
    """A mosaic that the principal may see.

    Raises:
        NotFound: there is none, or it may not be seen.
    """
    request = session.scalar(select(Request).where(Request.id == request_id, _visible(principal)))
    if request is None:
        raise NotFound(f"there is no mosaic {request_id}, or it is not yours")
    return request


def listed(session: Session, principal: Principal, wanted: Filter) -> Page:
    """The mosaics that the principal may see, newest first."""
    conditions = [_visible(principal)]
    if wanted.phases:
        conditions.append(Request.phase.in_([str(phase) for phase in wanted.phases]))
    if wanted.text:
        conditions.append(Request.name.icontains(wanted.text, autoescape=True))
    total = session.scalar(select(func.count()).select_from(Request).where(*conditions)) or 0
    last = session.get(Request, wanted.before) if wanted.before else None
    if last is not None:
        conditions.append(
            or_(Request.created < last.created, and_(Request.created == last.created, Request.id < last.id))
        )
    found = session.scalars(
        select(Request).where(*conditions).order_by(Request.created.desc(), Request.id.desc()).limit(wanted.limit + 1)
    ).all()
    return Page(found[: wanted.limit], total, len(found) > wanted.limit)


def cancel(session: Session, principal: Principal, request_id: uuid.UUID) -> Request:
    """Wish that work on a mosaic stops; whoever works on it does it. One that is over stays as it is.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
    """
    request = _own(session, principal, request_id)
    if not request.over and request.cancelled is None:
        request.cancelled = now()
        audit(session, principal.user_id, "cancel", f"request/{request.id}", name=request.name)
    return request


def remove(session: Session, principal: Principal, request_id: uuid.UUID) -> None:
    """Wish that a mosaic and its results are gone; its name is free at once.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
    """
    request = _own(session, principal, request_id)
    request.removed = now()
    request.cancelled = request.cancelled or request.removed
    audit(session, principal.user_id, "remove", f"request/{request.id}", name=request.name)


def share(session: Session, principal: Principal, request_id: uuid.UUID, shared: bool) -> Request:
    """Let everybody here see a mosaic, or its owner alone.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
    """
    request = _own(session, principal, request_id)
    if request.shared != shared:
        request.shared = shared
        audit(session, principal.user_id, "share" if shared else "unshare", f"request/{request.id}", name=request.name)
    return request


def tell(request: Request, status: Mapping[str, Any], moment: datetime | None = None) -> None:
    """Take over what is known of a mosaic: the status of a MosaicRequest, as JSON."""
    phase = Phase(status.get("phase") or Phase.PENDING)
    request.status = dict(status)
    request.phase = str(phase)
    if request.started is None and phase not in _NOT_BEGUN:
        request.started = moment or now()
    request.completed = (request.completed or moment or now()) if phase.terminal else None


def _own(session: Session, principal: Principal, request_id: uuid.UUID) -> Request:
    """A mosaic that the principal may change, locked."""
    principal.require("editor")
    request = find(session, principal, request_id)
    if request.owner_id != principal.user_id and not principal.is_admin:
        raise NotFound(f"there is no mosaic {request_id}, or it is not yours")
    session.refresh(request, with_for_update={"of": Request})
    return request


def _visible(principal: Principal) -> ColumnElement[bool]:
    visible = Request.removed.is_(None)
    if principal.is_admin:
        return visible
    return and_(visible, or_(Request.owner_id == principal.user_id, Request.shared))


def _made_name(spec: Mapping[str, Any]) -> str:
    """A name for a request without one, from its product and chance."""
    product = spec.get("product") if isinstance(spec, Mapping) else None
    index = product.get("index") if isinstance(product, Mapping) else None
    stem = re.sub(r"[^a-z0-9]+", "-", index.lower()).strip("-") if isinstance(index, str) else "mosaic"
    return f"{stem[: LONGEST_NAME - 7] or 'mosaic'}-{secrets.token_hex(3)}"
