"""What the columns of a row say to executors, as conditions of queries; and how a request is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mosaic_crds.lifecycle import TERMINAL
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import aliased

from mosaic_api.database import Request
from mosaic_api.requests import crud

ORIGINS = ("api", "overlays", "command")
"""Of rows that executors see to. Whoever runs one says that there is no cluster, in which all rows are the sync's."""
LEASE_SECONDS = 30.0


def idle() -> ColumnElement[bool]:
    """Of rows that nobody works on."""
    return or_(Request.worker.is_(None), Request.lease_until.is_(None), Request.lease_until < func.now())


def suspended() -> ColumnElement[bool]:
    """Of rows that are to stand still."""
    return func.coalesce(Request.spec["execution"]["suspend"].as_boolean(), False)


def end(request: Request, status: Mapping[str, Any]) -> None:
    """End a request with a terminal status."""
    crud.tell(request, status)
    request.worker = request.lease_until = None


def lease_end() -> ColumnElement[datetime]:
    """Until when a lease that is renewed now holds."""
    return func.now() + timedelta(seconds=LEASE_SECONDS)


def is_open() -> ColumnElement[bool]:
    """Of rows that executors work off."""
    return and_(
        Request.completed.is_(None),
        Request.removed.is_(None),
        Request.phase.not_in(TERMINAL),
        Request.origin.in_(ORIGINS),
    )


def takeable() -> ColumnElement[bool]:
    """Of rows that nobody works on and that need not wait: a lease that nobody holds is a pause after a failure."""
    return or_(Request.lease_until.is_(None), Request.lease_until < func.now())


def busy() -> Any:
    """How many requests of a row's owner are worked on."""
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
    """When work on the last request of a row's owner began."""
    others = aliased(Request)
    last = select(func.max(others.started)).where(others.owner_id.is_not_distinct_from(Request.owner_id))
    return last.correlate(Request).scalar_subquery()
