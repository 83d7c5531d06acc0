"""Work folders that are not needed any more: of a request that is done, and of those that nobody will finish."""

from collections import deque
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from mosaic_crds import names

from mosaic_worker.store import Store

DELETERS = 8
"""Objects that are deleted at once: in a store over the network each takes a while."""


def sweep(uid: str, store: Store) -> None:
    """Delete a request's work folder."""
    keys = [key for key, _ in store.list(names.work_prefix(uid))]
    with ThreadPoolExecutor(DELETERS) as threads:
        deque(threads.map(store.delete, keys), maxlen=0)


def sweep_abandoned(living: Collection[str], before: float, store: Store) -> list[str]:
    """Delete the work folders of requests that are gone; give their uids.

    Args:
        living: uids of requests whose folders stay.
        before: seconds since 1970; a folder that changed later stays, because its request may be younger than the list.
        store: where the folders are.
    """
    changed: dict[str, float] = {}
    for key, modified in store.list(names.WORK_FOLDER):
        uid = names.uid_of_work(key)
        changed[uid] = max(modified, changed.get(uid, modified))
    abandoned = sorted(uid for uid, last in changed.items() if uid not in living and last < before)
    for uid in abandoned:
        sweep(uid, store)
    return abandoned
