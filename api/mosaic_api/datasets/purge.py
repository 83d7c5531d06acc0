"""Deletes the files of deleted datasets.

If a dataset must also be deleted in the central installation, its row stays without files until then.
"""

from datetime import timedelta

from mosaic_crds.names import dataset_prefix
from mosaic_worker.store import Store
from sqlalchemy import and_, select

from mosaic_api.database import Database, Dataset
from mosaic_api.database.models import now


def purge(database: Database, store: Store, restore_days: int) -> int:
    """Purge what was deleted so many days ago, and return the number of datasets. Several processes may do this.

    Raises:
        PassingError: the database or the store does not answer; the next call continues.
    """
    count = 0
    waits = Dataset.sharing.contains({"action": "unshare", "state": "waiting"})
    while True:
        with database.transaction() as session:
            old = Dataset.removed < now() - timedelta(days=restore_days)
            due = and_(old, ~and_(waits, Dataset.files == {}))
            dataset = session.scalar(select(Dataset).where(due).limit(1).with_for_update(of=Dataset, skip_locked=True))
            if dataset is None:
                return count
            listed = {stored.key for stored in store.list(dataset_prefix(str(dataset.id)))}
            for key in listed | {file["key"] for file in dataset.files.values()}:  # older files are elsewhere
                store.delete(key)
            if dataset.sharing.get("action") == "unshare" and dataset.sharing["state"] == "waiting":
                dataset.files = {}
            else:
                session.delete(dataset)
            count += 1
