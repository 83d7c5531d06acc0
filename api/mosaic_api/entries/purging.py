"""What is left of deleted entries, and of uploads that came to nothing, is taken out of the store."""

import time
from datetime import timedelta

from mosaic_crds.names import ENTRIES_FOLDER, entry_prefix
from mosaic_worker.store import Store
from sqlalchemy import select

from mosaic_api.database import Database, Entry
from mosaic_api.database.models import now

ABANDONED_SECONDS = 24 * 3600
"""After which a file that no row names belongs to no upload that is still under way."""


def purge(database: Database, store: Store, restore_days: int) -> int:
    """Delete for good what was deleted so many days ago; several may do it at once.

    Returns:
        How many entries are gone.

    Raises:
        PassingError: the database or the store does not answer; the next call goes on.
    """
    count = 0
    while True:
        with database.transaction() as session:
            old = Entry.removed < now() - timedelta(days=restore_days)
            entry = session.scalar(select(Entry).where(old).limit(1).with_for_update(of=Entry, skip_locked=True))
            if entry is None:
                return count
            for stored in list(store.list(entry_prefix(str(entry.id)))):
                store.delete(stored.key)
            session.delete(entry)
            count += 1


def sweep(database: Database, store: Store, moment: float | None = None) -> int:
    """Delete the files that no entry names: of uploads that were broken off, or came to nothing otherwise.

    None of them is ever named later: each upload makes new ones, and names them soon (see filing).

    Args:
        database: with the rows.
        store: with the files.
        moment: the time, seconds since 1970.

    Returns:
        How many files are gone.

    Raises:
        PassingError: the database or the store does not answer; the next call goes on.
    """
    before = (time.time() if moment is None else moment) - ABANDONED_SECONDS
    old = [stored.key for stored in store.list(ENTRIES_FOLDER) if stored.modified < before]
    with database.transaction() as session:
        named = {file["key"] for files in session.scalars(select(Entry.files)) for file in files.values()}
    abandoned = [key for key in old if key not in named]
    for key in abandoned:
        store.delete(key)
    return len(abandoned)
