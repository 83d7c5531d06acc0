"""Entries in the database: found, listed, changed, deleted and had back."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, or_, select, true
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import Principal, audit
from mosaic_api.database.models import Entry, User, now
from mosaic_api.database.search_text import folded
from mosaic_api.datasets.boxes import HALF, Box
from mosaic_api.settings import Settings
from mosaic_api.web.problems import NotFound, Outdated, TooLarge

Scope = Literal["mine", "shared", "all"]


@dataclass(frozen=True)
class Filter:
    """Which entries are listed.

    Attributes:
        box: that they lie in, in part; anywhere if None.
        text: that the name, the description or the creator holds.
        kind: all if empty.
        scope: one's own, those that are shared here, or all that may be seen.
        before: the id of the last one of the page before; they come newest first.
        limit: how many at most.
    """

    box: Box | None = None
    text: str = ""
    kind: str = ""
    scope: Scope = "all"
    before: uuid.UUID | None = None
    limit: int = 50


@dataclass(frozen=True)
class Page:
    """Some of the entries that were asked for.

    Attributes:
        entries: newest first.
        total: how many there are in all pages.
        more: whether another page follows.
    """

    entries: Sequence[Entry]
    total: int
    more: bool


def find(session: Session, principal: Principal, entry_id: uuid.UUID) -> Entry:
    """An entry that the principal may see.

    Raises:
        NotFound: there is none, or it may not be seen.
    """
    entry = session.scalar(select(Entry).where(Entry.id == entry_id, _visible(principal)))
    if entry is None:
        raise missing(entry_id)
    return entry


def own(session: Session, principal: Principal, entry_id: uuid.UUID, *, removed: bool = False) -> Entry:
    """An entry that the principal may change, locked; a deleted one only if that is asked for.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
    """
    principal.require("editor")
    entry = session.scalar(select(Entry).where(Entry.id == entry_id).with_for_update(of=Entry))
    if (
        entry is None
        or (entry.owner_id != principal.user_id and not principal.is_admin)
        or (entry.removed is not None and not removed)
    ):
        raise missing(entry_id)
    return entry


def listed(session: Session, principal: Principal, wanted: Filter) -> Page:
    """The entries that the principal may see, newest first."""
    conditions: list[ColumnElement[bool]] = [_visible(principal)]
    if wanted.scope == "mine":
        conditions.append(Entry.owner_id == principal.user_id)
    if wanted.scope == "shared":
        conditions.append(Entry.shared.is_(True))
    if wanted.kind:
        conditions.append(Entry.kind == wanted.kind)
    if wanted.box is not None:
        conditions.append(overlapping(wanted.box))
    if wanted.text:
        conditions.append(Entry.searched.contains(folded(wanted.text), autoescape=True))
    total = session.scalar(select(func.count()).select_from(Entry).where(*conditions)) or 0
    last = session.get(Entry, wanted.before) if wanted.before else None
    if last is not None:
        conditions.append(or_(Entry.created < last.created, and_(Entry.created == last.created, Entry.id < last.id)))
    found = session.scalars(
        select(Entry).where(*conditions).order_by(Entry.created.desc(), Entry.id.desc()).limit(wanted.limit + 1)
    ).all()
    return Page(found[: wanted.limit], total, len(found) > wanted.limit)


def change(session: Session, principal: Principal, entry: Entry, changes: dict[str, Any]) -> None:
    """Change columns of a locked entry; who shared it with the central installation shares the change."""
    changed = {name: value for name, value in changes.items() if getattr(entry, name) != value}
    for name, value in changed.items():
        setattr(entry, name, value)
    if changed:
        if entry.sharing.get("wish") == "share" and entry.sharing["state"] != "failed":
            entry.sharing = waiting("share")
        session.flush()
        audit(session, principal.user_id, "change", f"entry/{entry.id}", fields=sorted(changed))


def version(entry: Entry) -> str:
    """What differs as soon as something is changed that people change: a short digest."""
    said = (entry.name, entry.description, entry.creator, entry.shared, entry.removed)
    place = (entry.west, entry.south, entry.east, entry.north)
    seen = json.dumps([entry.files, entry.details], sort_keys=True)
    return hashlib.sha256(repr((said, place, seen)).encode()).hexdigest()[:32]


def expect_version(entry: Entry, wanted: str | None) -> None:
    """Refuse a change of something else than was seen.

    Args:
        entry: locked.
        wanted: the header If-Match: `*`, or quoted versions; whatever is there may be changed if None.

    Raises:
        Outdated: the entry was changed meanwhile.
    """
    if wanted is None or wanted.strip() == "*":
        return
    if f'"{version(entry)}"' not in (each.strip() for each in wanted.split(",")):
        raise Outdated(f"{entry.name} was changed meanwhile; look at it again, and repeat what you want to change")


def remove(session: Session, principal: Principal, entry_id: uuid.UUID, seen: str | None = None) -> Entry:
    """Delete an entry, which can be taken back until its files are purged.

    Where it was shared from here with the central installation, it is deleted there too; to have it back here does not
    share it again.

    Args:
        session: a transaction.
        principal: who does it.
        entry_id: of the entry.
        seen: the header If-Match.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
        Outdated: the entry was changed meanwhile.
    """
    entry = own(session, principal, entry_id)
    expect_version(entry, seen)
    entry.removed = now()
    if entry.sharing.get("wish") == "share":  # it is on the central installation, or on its way there
        entry.sharing = waiting("unshare")
    audit(session, principal.user_id, "remove", f"entry/{entry.id}", name=entry.name)
    return entry


def restore(session: Session, principal: Principal, settings: Settings, entry_id: uuid.UUID) -> Entry:
    """Have a deleted entry back; one that is not deleted stays as it is.

    Raises:
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's, or it is too late.
    """
    entry = own(session, principal, entry_id, removed=True)
    if entry.removed is not None:
        if is_past_restoring(entry, settings):
            raise missing(entry_id)
        entry.removed = None
        audit(session, principal.user_id, "restore", f"entry/{entry.id}", name=entry.name)
    return entry


def is_past_restoring(entry: Entry, settings: Settings) -> bool:
    """Whether an entry was deleted so long ago that its files may be purged at any time."""
    return entry.removed is not None and entry.removed + timedelta(days=settings.restore_days) < now()


def expect_room(session: Session, settings: Settings, owner_id: uuid.UUID | None, more: int) -> int | None:
    """Refuse what exceeds the bytes that a user may fill; in the transaction that adds them, others of his wait.

    Returns:
        What is left with it, in bytes; None where there is no such limit.

    Raises:
        TooLarge: it does.
    """
    if settings.single_user or owner_id is None:
        return None
    session.execute(select(User.id).where(User.id == owner_id).with_for_update())
    file = func.jsonb_each(Entry.files).table_valued("key", "value")
    size = cast(file.c.value.op("->>")("bytes"), BigInteger)
    own_files = select(func.sum(size)).select_from(Entry).join(file, true()).where(Entry.owner_id == owner_id)
    used = int(session.scalar(own_files) or 0)
    if more > 0 and used + more > settings.max_stored_bytes:
        raise TooLarge(
            f"your entries fill {_gib(used)} of the {_gib(settings.max_stored_bytes)} that you have, and "
            f"this needs {_gib(more)} more; delete some, whose room is free {settings.restore_days} days later",
            "file",
        )
    return settings.max_stored_bytes - used - more


def waiting(wish: str) -> dict[str, Any]:
    """How sharing stands when it is wished for: `Entry.sharing`."""
    return {"wish": wish, "state": "waiting", "attempts": 0, "next": now().isoformat(), "message": None}


def missing(entry_id: uuid.UUID) -> NotFound:
    """What is said of an entry that is not there, or not for who asks."""
    return NotFound(f"there is no entry {entry_id}, or it is not yours")


def overlapping(wanted: Box) -> ColumnElement[bool]:
    """The condition that an entry's box and another one have a place in common; 180 and -180 degrees are one."""
    crossing = Entry.west > Entry.east
    by_either_end = or_(Entry.west <= wanted.east, Entry.east >= wanted.west)
    if wanted.crosses:
        alike = or_(crossing, by_either_end)
    else:
        by_both = and_(Entry.west <= wanted.east, Entry.east >= wanted.west)
        alike = or_(by_both, and_(crossing, by_either_end))
    if wanted.west == -HALF:
        alike = or_(alike, Entry.east == HALF)
    if wanted.east == HALF:
        alike = or_(alike, Entry.west == -HALF)
    return and_(Entry.south <= wanted.north, Entry.north >= wanted.south, alike)


def _visible(principal: Principal) -> ColumnElement[bool]:
    visible = Entry.removed.is_(None)
    if principal.is_admin:
        return visible
    return and_(visible, or_(Entry.owner_id == principal.user_id, Entry.shared))


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
