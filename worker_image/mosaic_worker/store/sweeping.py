"""Deletes work folders of finished and abandoned requests."""

from collections import deque
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from mosaic_crds import names

from mosaic_worker.store import Store
from mosaic_worker.store.stored import Stored

DELETERS = 8
"""Objects that are deleted in parallel, because a network store is slow."""
LEAST_BYTES = 4096
"""What an object counts at least, so that tiles of which only notes are left are deleted too."""


def sweep(uid: str, store: Store) -> None:
    """Delete the work folder of a request."""
    _delete([stored.key for stored in store.list(names.work_prefix(uid))], store)


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


def evict_shared(most_bytes: int, store: Store) -> int:
    """Delete the least recently used shared tiles until the others have at most `most_bytes`. Return their number.

    A tile can be deleted while it is used: those who read it have all of it, or compute it.
    """
    found: dict[str, list[Stored]] = {}
    for stored in store.list(names.SHARED_FOLDER):
        found.setdefault(names.shared_folder_of(stored.key), []).append(stored)
    tiles = sorted(found.values(), key=lambda tile: max(stored.modified for stored in tile), reverse=True)
    totals = accumulate(sum(max(LEAST_BYTES, stored.size) for stored in tile) for tile in tiles)
    evicted = [tile for tile, total in zip(tiles, totals, strict=True) if total > most_bytes]
    _delete([stored.key for tile in evicted for stored in tile], store)
    return len(evicted)


def _delete(keys: Iterable[str], store: Store) -> None:
    with ThreadPoolExecutor(DELETERS) as threads:
        deque(threads.map(store.delete, keys), maxlen=0)
