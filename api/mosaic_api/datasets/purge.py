"""What is left of deleted entries is taken out of the store.

A row stays without its files as long as its entry has to be deleted on the central installation too.
"""

from datetime import timedelta

from mosaic_crds.names import entry_prefix
from mosaic_worker.store import Store
from sqlalchemy import and_, select

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
    waits = Entry.sharing.contains({"wish": "unshare", "state": "waiting"})
    while True:
        with database.transaction() as session:
            old = Entry.removed < now() - timedelta(days=restore_days)
            due = and_(old, ~and_(waits, Entry.files == {}))
            entry = session.scalar(select(Entry).where(due).limit(1).with_for_update(of=Entry, skip_locked=True))
            if entry is None:
                return count
            for stored in list(store.list(entry_prefix(str(entry.id)))):
                store.delete(stored.key)
            if entry.sharing.get("wish") == "unshare" and entry.sharing["state"] == "waiting":
                entry.files = {}
            else:
                session.delete(entry)
            count += 1
