"""Files that no row names yet, or none any more: written down before they are made, and swept from there.

They are files of datasets, and the folders of requests that are over, in which a worker that lost its request may still
write. A folder's key ends with `/`.

Nothing else of the store is ever swept: it may hold files that this database does not know, of another installation, or
from after the backup that the database was restored from.
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
"""After which a file belongs to no upload that is still under way."""


def mark_orphaned(session: Session, keys: Collection[str], since: datetime | None = None) -> None:
    """Write down files and folders that no row names from now on, or from a later time on; before new ones are made."""
    for key in keys:
        loose = insert(OrphanFile).values(key=key, since=since or now(), swept=False)
        session.execute(loose.on_conflict_do_nothing())


def adopt(session: Session, keys: Collection[str]) -> None:
    """Write down that datasets name these files from now on, in the transaction in which they do.

    Raises:
        PassingError: it took so long that they were swept.
    """
    bound = session.scalars(
        delete(OrphanFile).where(OrphanFile.key.in_(keys), ~OrphanFile.swept).returning(OrphanFile.key)
    ).all()
    if len(bound) != len(keys):
        raise PassingError("the upload took longer than a day, and its file is not kept any more; send it again")


def sweep(database: Database, store: Store) -> int:
    """Delete what is loose for a day: of uploads that were broken off, what others replaced, and requests' folders.

    Several may do it at once.

    Returns:
        How many of those that were written down are gone.

    Raises:
        PassingError: the database or the store does not answer; the next call goes on.
    """
    with database.transaction() as session:  # from here on no upload binds them
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
