"""What is left of deleted entries is taken out of the store."""

from datetime import timedelta

from mosaic_crds.names import entry_prefix
from mosaic_worker.store import Store
from sqlalchemy import select

from mosaic_api.database import Database, Entry
from mosaic_api.database.models import now


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
