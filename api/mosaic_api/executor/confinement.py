"""What the process of one request may touch: the sources, and its own folders in the store."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mosaic_crds.names import result_key, work_prefix
from mosaic_worker.isolation import Rules, code_files, network_files
from mosaic_worker.store import open_store
from mosaic_worker.store.directory import DirectoryStore

from mosaic_api.executor.child import Job


def rules_of(job: Job, scratch: Path) -> Rules:
    """The rules for the process, whose own folders in the store exist afterwards.

    A store over the network has no folders: there the credentials decide.

    Args:
        job: of the process.
        scratch: its folder for temporary files.
    """
    single_user = job.allowed_hosts is None
    readable = [*code_files(os.environ), *network_files(os.environ, of_user=single_user), *map(Path, job.scenes)]
    return Rules(readable, [scratch, *_own_folders(job, make=True)], network=True, alone=False)


def remove_empty_folders(job: Job) -> None:
    """Remove those of its folders that the process left empty."""
    for folder in _own_folders(job, make=False):
        for each in (folder, *folder.parents):
            with suppress(OSError):
                each.rmdir()
                continue
            break


def _own_folders(job: Job, *, make: bool) -> Sequence[Path]:
    store = open_store(job.store)
    if not isinstance(store, DirectoryStore):
        return []
    metadata = job.request["metadata"]
    results = result_key(metadata["namespace"], metadata["name"], metadata["uid"], "")
    return store.folders([results, work_prefix(metadata["uid"])], make=make)
