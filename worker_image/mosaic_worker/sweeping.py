"""Work folders that are not needed any more: of a request that is done, and of those that nobody will finish."""

from collections.abc import Collection

from mosaic_crds import names

from mosaic_worker.store import Store


def sweep(uid: str, store: Store) -> None:
    """Delete a request's work folder."""
    for key, _ in list(store.list(names.work_prefix(uid))):
        store.delete(key)


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
