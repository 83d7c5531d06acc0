"""Files that no row names, not yet or no longer: recorded before they are written, and deleted by that record.

They are files of datasets, and folders of finished requests, in which a worker that lost its lease may still write. A
folder's key ends with `/`. Nothing else in the store is ever deleted: it may belong to another installation, or be
newer than the backup that the database was restored from.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from mosaic_crds.errors import PassingError
from mosaic_worker.store import Store
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mosaic_api.database import Database, OrphanFile
from mosaic_api.database.models import now

ABANDONED_SECONDS = 24 * 3600
"""Age of a file that no running upload can still need."""


def mark_orphaned(session: Session, keys: Collection[str], since: datetime | None = None) -> None:
    """Record files and folders that no row names, from now or a later time on; call it before writing new ones."""
    for key in keys:
        loose = insert(OrphanFile).values(key=key, since=since or now(), swept=False)
        session.execute(loose.on_conflict_do_nothing())


def adopt(session: Session, keys: Collection[str]) -> None:
    """Record that datasets now name these files; call it in the transaction in which they do.

    Raises:
        PassingError: they were deleted, because it took too long.
    """
    bound = session.scalars(
        delete(OrphanFile).where(OrphanFile.key.in_(keys), ~OrphanFile.swept).returning(OrphanFile.key)
    ).all()
    if len(bound) != len(keys):
        raise PassingError("the upload took longer than a day, and its file was deleted; upload it again")


def sweep(database: Database, store: Store) -> int:
    """Delete orphans older than a day, and return their number. Several processes may do this at the same time.

    Raises:
        PassingError: the database or the store does not answer; the next call continues.
    """
    with database.transaction() as session:  # from here on, no upload can adopt them
        old = OrphanFile.since < now() - timedelta(seconds=ABANDONED_SECONDS)
        session.execute(update(OrphanFile).where(old).values(swept=True))
    with database.transaction() as session:
        swept = session.scalars(select(OrphanFile.key).where(OrphanFile.swept)).all()
    for key in swept:
        for each in [stored.key for stored in store.list(key)] if key.endswith("/") else [key]:
            store.delete(each)
        with database.transaction() as session:
            session.execute(delete(OrphanFile).where(OrphanFile.key == key))
    return len(swept)
