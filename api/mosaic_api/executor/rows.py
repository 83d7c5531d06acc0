"""Conditions for the rows of requests, as executors need them, and the end of a request."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mosaic_crds.lifecycle import TERMINAL
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import aliased

from mosaic_api.database import Request
from mosaic_api.requests import crud

ORIGINS = ("api", "overlays", "command")
"""Origins of rows that executors process. With a cluster, the sync manages all rows instead."""
LEASE_SECONDS = 30.0


def idle() -> ColumnElement[bool]:
    """No executor processes the row."""
    return or_(Request.worker.is_(None), Request.lease_until.is_(None), Request.lease_until < func.now())


def suspended() -> ColumnElement[bool]:
    """The row is suspended."""
    return func.coalesce(Request.spec["execution"]["suspend"].as_boolean(), False)


def end(request: Request, status: Mapping[str, Any]) -> None:
    """End a request with a terminal status."""
    crud.set_status(request, status)
    request.worker = request.lease_until = None


def lease_end() -> ColumnElement[datetime]:
    """The end of a lease that is renewed now."""
    return func.now() + timedelta(seconds=LEASE_SECONDS)


def is_open() -> ColumnElement[bool]:
    """The row is unfinished."""
    return and_(
        Request.completed.is_(None),
        Request.removed.is_(None),
        Request.phase.not_in(TERMINAL),
        Request.origin.in_(ORIGINS),
    )


def takeable() -> ColumnElement[bool]:
    """The row can be claimed; a lease without a worker is a pause after a failure."""
    return or_(Request.lease_until.is_(None), Request.lease_until < func.now())


def busy() -> Any:
    """The number of running requests of a row's owner."""
    others = aliased(Request)
    return (
        select(func.count())
        .select_from(others)
        .where(
            others.owner_id.is_not_distinct_from(Request.owner_id),
            others.worker.is_not(None),
            others.lease_until > func.now(),
        )
        .correlate(Request)
        .scalar_subquery()
    )


def served() -> Any:
    """When the last request of a row's owner started."""
    others = aliased(Request)
    last = select(func.max(others.started)).where(others.owner_id.is_not_distinct_from(Request.owner_id))
    return last.correlate(Request).scalar_subquery()
