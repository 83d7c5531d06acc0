"""Who may see and change requests and datasets, and pages of the visible ones."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.orm import Session
from starlette.datastructures import URL

from mosaic_api.auth.identity import Principal
from mosaic_api.database.models import Dataset, Request
from mosaic_api.web.problems import NotFound

Owned = TypeVar("Owned", Request, Dataset)
Scope = Literal["mine", "shared", "all"]


@dataclass(frozen=True)
class Paging:
    """A page of a list, newest first: the rows after the one with the id `before`."""

    before: uuid.UUID | None = None
    limit: int = 50


@dataclass(frozen=True)
class Page(Generic[Owned]):
    """A page of rows, newest first; `total` is their number on all pages."""

    rows: Sequence[Owned]
    total: int
    more: bool

    def next(self, url: URL) -> str | None:
        """The path of the next page of the list at a URL; None on the last page."""
        if not self.more:
            return None
        following = url.include_query_params(before=self.rows[-1].id)
        return f"{following.path}?{following.query}"


def owns(principal: Principal, row: Request | Dataset) -> bool:
    """Whether a row belongs to the principal."""
    return row.owner_id == principal.user_id


def find(session: Session, principal: Principal, kind: type[Owned], row_id: uuid.UUID) -> Owned:
    """A row that the principal may see.

    Raises:
        NotFound: there is none, or it may not be seen.
    """
    row = session.scalar(select(kind).where(kind.id == row_id, _visible(principal, kind)))
    if row is None:
        raise missing(kind, row_id)
    return row


def find_own(
    session: Session, principal: Principal, kind: type[Owned], row_id: uuid.UUID, *, removed: bool = False
) -> Owned:
    """A row that the principal may change, locked. `removed` includes deleted ones.

    Raises:
        Forbidden: the principal may not change rows.
        NotFound: the principal has no such row.
    """
    principal.require("editor")
    wanted = select(kind).where(kind.id == row_id, true() if removed else kind.removed.is_(None))
    if not principal.is_admin:
        wanted = wanted.where(kind.owner_id == principal.user_id)
    row = session.scalar(wanted.with_for_update(of=kind).execution_options(populate_existing=True))
    if row is None:
        raise missing(kind, row_id)
    return row


def list_page(
    session: Session,
    principal: Principal,
    kind: type[Owned],
    paging: Paging,
    conditions: Iterable[ColumnElement[bool]] = (),
    scope: Scope = "all",
) -> Page[Owned]:
    """A page of the rows that the principal may see, that meet the conditions, and that are in the scope."""
    wanted = [_visible(principal, kind), *conditions]
    if scope == "mine":
        wanted.append(kind.owner_id == principal.user_id)
    if scope == "shared":
        wanted.append(kind.shared.is_(True))
    total = session.scalar(select(func.count()).select_from(kind).where(*wanted)) or 0
    last = session.get(kind, paging.before) if paging.before else None
    if last is not None:
        wanted.append(or_(kind.created < last.created, and_(kind.created == last.created, kind.id < last.id)))
    rows = session.scalars(
        select(kind).where(*wanted).order_by(kind.created.desc(), kind.id.desc()).limit(paging.limit + 1)
    ).all()
    return Page(rows[: paging.limit], total, len(rows) > paging.limit)


def missing(kind: type[Owned], row_id: uuid.UUID) -> NotFound:
    """The error for a row that does not exist, or that the principal may not see or change: the same for both."""
    return NotFound(f"there is no {kind.__name__.lower()} {row_id}, or it is not yours")


def _visible(principal: Principal, kind: type[Owned]) -> ColumnElement[bool]:
    if principal.is_admin:
        return kind.removed.is_(None)
    return and_(kind.removed.is_(None), or_(kind.owner_id == principal.user_id, kind.shared))
