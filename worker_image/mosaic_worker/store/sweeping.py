"""Deletes work folders of finished and abandoned requests."""

from collections import deque
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from mosaic_crds import names

from mosaic_worker.store import Store

DELETERS = 8
"""Objects that are deleted in parallel, because a network store is slow."""


def sweep(uid: str, store: Store) -> None:
    """Delete the work folder of a request."""
    keys = [stored.key for stored in store.list(names.work_prefix(uid))]
    with ThreadPoolExecutor(DELETERS) as threads:
        deque(threads.map(store.delete, keys), maxlen=0)


def sweep_abandoned(living: Collection[str], before: float, store: Store) -> list[str]:
    """Delete the work folders of requests that no longer exist. Return their uids.

    Args:
        living: uids whose folders are kept.
        before: seconds since 1970; folders that changed later are kept: their request may be newer than `living`.
        store: the store.
    """
    changed: dict[str, float] = {}
    for key, modified, _ in store.list(names.WORK_FOLDER):
        uid = names.uid_of_work(key)
        changed[uid] = max(modified, changed.get(uid, modified))
    abandoned = sorted(uid for uid, last in changed.items() if uid not in living and last < before)
    for uid in abandoned:
        sweep(uid, store)
    return abandoned
