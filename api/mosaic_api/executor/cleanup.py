"""Cleans up what a request left in the store."""

from datetime import timedelta

from mosaic_crds.names import work_prefix
from mosaic_crds.times import duration_seconds
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import open_store
from mosaic_worker.store.sweeping import sweep
from sqlalchemy.orm import Session

from mosaic_api.database import Request
from mosaic_api.database.models import now
from mosaic_api.datasets.orphans import mark_orphaned

LONGEST_SECONDS = 366 * 24 * 3600
"""The longest time for which a worker may continue, whatever the deadline."""


def delete_files(request: Request, store_uri: str) -> None:
    """Delete the results and the unfinished work of a request that was started."""
    store, uid = open_store(store_uri), str(request.uid)
    Results(request.namespace, request.name, uid).delete(store)
    sweep(uid, store)


def record_folders(session: Session, request: Request, *, results: bool) -> None:
    """Record the folders of a finished request as orphans, to be deleted a day after its deadline.

    A worker that lost its lease, and the database, may write until then, and then not reach the store to clean up.
    `results` includes the folder of results, if the request ended without a mosaic. Call it in the transaction in which
    the request ends.
    """
    if request.uid is None:
        return
    folders = [work_prefix(request.uid)]
    if results:
        folders.append(f"{Results(request.namespace, request.name, request.uid).folder}/")
    seconds = min(duration_seconds(request.deadline), LONGEST_SECONDS)
    mark_orphaned(session, folders, now() + timedelta(seconds=seconds))
