"""Datasets in the database: find, list, change, delete and restore."""

import hashlib
import json
import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, or_, select, true
from sqlalchemy.orm import Session

from mosaic_api.auth import ownership
from mosaic_api.auth.identity import Principal, audit
from mosaic_api.auth.ownership import Page, Paging, Scope, find_own, missing
from mosaic_api.database.models import Dataset, User, now
from mosaic_api.database.search_text import folded
from mosaic_api.datasets.boxes import HALF, Box
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Outdated, TooLarge


def list_page(
    session: Session,
    principal: Principal,
    paging: Paging,
    *,
    box: Box | None = None,
    text: str = "",
    kind: str | None = None,
    scope: Scope = "all",
) -> Page[Dataset]:
    """A page of the datasets that the principal may see, filtered by each value that is not empty.

    The box overlaps them; the text is in their name, description or creator.
    """
    conditions: list[ColumnElement[bool]] = [] if kind is None else [Dataset.kind == kind]
    if box is not None:
        conditions.append(overlapping(box))
    if text:
        conditions.append(Dataset.searched.contains(folded(text), autoescape=True))
    return ownership.list_page(session, principal, Dataset, paging, conditions, scope)


def change(session: Session, principal: Principal, dataset: Dataset, changes: dict[str, Any]) -> None:
    """Change columns of a locked dataset. If it is shared with the central installation, the change is queued too."""
    changed = {name: value for name, value in changes.items() if getattr(dataset, name) != value}
    for name, value in changed.items():
        setattr(dataset, name, value)
    if changed:
        if dataset.sharing.get("action") == "share" and dataset.sharing["state"] != "failed":
            dataset.sharing = waiting("share")
        session.flush()
        audit(session, principal.user_id, "change", f"dataset/{dataset.id}", fields=sorted(changed))


def version(dataset: Dataset) -> str:
    """A short digest of everything that people can change."""
    fields = (dataset.name, dataset.description, dataset.creator, dataset.shared, dataset.removed)
    bounds = (dataset.west, dataset.south, dataset.east, dataset.north)
    contents = json.dumps([dataset.files, dataset.details], sort_keys=True)
    return hashlib.sha256(repr((fields, bounds, contents)).encode()).hexdigest()[:32]


def expect_version(dataset: Dataset, wanted: str | None) -> None:
    """Check the header If-Match: `*`, or quoted versions; None allows every version.

    Raises:
        Outdated: the dataset has another version.
    """
    if wanted is None or wanted.strip() == "*":
        return
    if f'"{version(dataset)}"' not in (each.strip() for each in wanted.split(",")):
        raise Outdated(f"{dataset.name} has changed in the meantime; reload it, and repeat your change")


def remove(session: Session, principal: Principal, dataset_id: uuid.UUID, seen: str | None = None) -> Dataset:
    """Delete a dataset. It can be restored until its files are purged.

    If it was shared from here with the central installation, it is deleted there too, and restoring it does not share
    it again. `seen` is the header If-Match.

    Raises:
        Forbidden: the principal may not change datasets.
        NotFound: the principal has no such dataset.
        Outdated: the dataset has changed in the meantime.
    """
    dataset = find_own(session, principal, Dataset, dataset_id)
    expect_version(dataset, seen)
    dataset.removed = now()
    if dataset.sharing.get("action") == "share":  # it is in the central installation, or on its way there
        dataset.sharing = waiting("unshare")
    audit(session, principal.user_id, "remove", f"dataset/{dataset.id}", name=dataset.name)
    return dataset


def restore(session: Session, principal: Principal, settings: Settings, dataset_id: uuid.UUID) -> Dataset:
    """Restore a dataset if it is deleted.

    Raises:
        Forbidden: the principal may not change datasets.
        NotFound: the principal has no such dataset, or it is too late.
    """
    dataset = find_own(session, principal, Dataset, dataset_id, removed=True)
    if dataset.removed is not None:
        if is_past_restoring(dataset, settings):
            raise missing(Dataset, dataset_id)
        dataset.removed = None
        audit(session, principal.user_id, "restore", f"dataset/{dataset.id}", name=dataset.name)
    return dataset


def is_past_restoring(dataset: Dataset, settings: Settings) -> bool:
    """Whether the time to restore a deleted dataset has passed, so that its files may be purged."""
    return dataset.removed is not None and dataset.removed + timedelta(days=settings.restore_days) < now()


def expect_room(session: Session, settings: Settings, owner_id: uuid.UUID | None, more: int) -> int | None:
    """Refuse bytes that exceed a user's quota; locks the quota until the end of the transaction.

    Returns:
        The bytes that are left afterwards; None without a quota.

    Raises:
        TooLarge: they exceed it.
    """
    if settings.single_user or owner_id is None:
        return None
    session.execute(select(User.id).where(User.id == owner_id).with_for_update())
    file = func.jsonb_each(Dataset.files).table_valued("key", "value")
    size = cast(file.c.value.op("->>")("bytes"), BigInteger)
    own_files = select(func.sum(size)).select_from(Dataset).join(file, true()).where(Dataset.owner_id == owner_id)
    used = int(session.scalar(own_files) or 0)
    if more > 0 and used + more > settings.max_stored_bytes:
        raise TooLarge(
            f"your datasets use {_gib(used)} of your {_gib(settings.max_stored_bytes)}, and this needs {_gib(more)} "
            f"more; delete datasets, whose space is free {settings.restore_days} days later",
            "file",
        )
    return settings.max_stored_bytes - used - more


def waiting(action: str) -> dict[str, Any]:
    """The value of `Dataset.sharing` when sharing (or its end) is requested."""
    return {"action": action, "state": "waiting", "attempts": 0, "next": now().isoformat(), "message": None}


def overlapping(wanted: Box) -> ColumnElement[bool]:
    """The condition that the box of a dataset overlaps another; 180 and -180 degrees are equal."""
    crossing = Dataset.west > Dataset.east
    by_either_end = or_(Dataset.west <= wanted.east, Dataset.east >= wanted.west)
    if wanted.crosses:
        alike = or_(crossing, by_either_end)
    else:
        by_both = and_(Dataset.west <= wanted.east, Dataset.east >= wanted.west)
        alike = or_(by_both, and_(crossing, by_either_end))
    if wanted.west == -HALF:
        alike = or_(alike, Dataset.east == HALF)
    if wanted.east == HALF:
        alike = or_(alike, Dataset.west == -HALF)
    return and_(Dataset.south <= wanted.north, Dataset.north >= wanted.south, alike)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
