"""What the process of a request may access: the sources, and its own folders in the store."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mosaic_crds.names import result_key, work_prefix
from mosaic_worker.isolation import Rules, code_files, network_files
from mosaic_worker.store import open_store
from mosaic_worker.store.directory import UNFINISHED, DirectoryStore

from mosaic_api.executor.job import Job


def rules_of(job: Job, scratch: Path) -> Rules:
    """The rules for the process, with a folder for temporary files; creates its folders in the store.

    A store over the network has no folders: there the credentials decide.
    """
    single_user = job.allowed_hosts is None
    private = [Path(path).resolve() for path in job.private]
    scenes = [part for folder in job.scenes for part in parts_without(Path(folder).resolve(), private)]
    readable = [*code_files(os.environ), *network_files(os.environ, of_user=single_user), *scenes]
    return Rules(readable, [scratch, *_own_folders(job, make=True)], network=True, alone=False)


def parts_without(folder: Path, private: Sequence[Path]) -> list[Path]:
    """A folder, or its contents without private paths: Landlock cannot exclude a part of a folder.

    No path may contain links.
    """
    inside = [path for path in private if path.is_relative_to(folder)]
    if not inside or not folder.is_dir():
        return [folder]
    children = [child for child in sorted(folder.iterdir()) if child not in inside and not child.is_symlink()]
    return [part for child in children for part in parts_without(child, inside)]


def remove_empty_folders(job: Job) -> None:
    """Remove those of its folders that the process left empty."""
    for folder in _own_folders(job, make=False):
        if folder.name == UNFINISHED:  # shared by all requests: another process may have access to it
            continue
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
