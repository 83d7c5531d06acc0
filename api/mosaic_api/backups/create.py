"""`mosaic backup`: the rows first, then the files that they name, so that no row names a missing file.

Published mosaics and datasets never change, so they are copied while the installation runs. The work of unfinished
requests is left out: they start again after a restore.
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.files import FILES, ITEM
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import Store
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from mosaic_api.backups.archive import ABOUT, DATABASE, FORMAT, STORE, About, Writer, writing
from mosaic_api.database import Database, Dataset, Request
from mosaic_api.database.models import now
from mosaic_api.local.installation import InUseError, alone
from mosaic_api.postgres.server import PrivatePostgres

PASSES = 20
"""How often the rows are read again because files that they named were deleted during the copy."""
Progress = Callable[[int, int], None]
"""Called with the number of files that are done, and of all."""


@dataclass(frozen=True)
class Made:
    """The result of a backup: number of files and bytes, and keys that rows name and that are missing in the store."""

    files: int
    bytes: int
    lost: tuple[str, ...]


@contextmanager
def reached(data: Path) -> Iterator[PrivatePostgres]:
    """The private database in a data folder: the running one of `mosaic serve`, or one that is started for a while.

    Raises:
        RequestError: there is no database.
        PassingError: it does not start.
    """
    if not (data / "database").is_dir():
        raise RequestError(
            f"there is no database in {data}; use --data with the data folder of `mosaic serve`, or pg_dump for the "
            "database in MOSAIC_DATABASE_URL"
        )
    postgres = PrivatePostgres(data / "database")
    with ExitStack() as cleanup:
        try:
            cleanup.enter_context(alone(data))
        except InUseError:
            postgres.wait()
        else:
            cleanup.callback(postgres.stop)
            postgres.start()
        yield postgres


def back_up(postgres: PrivatePostgres, store: Store, path: Path, progress: Progress) -> Made:
    """Write the backup of a running database and its store to a new file.

    Raises:
        RequestError: the file exists, or it cannot be written.
    """
    database = Database(postgres.url)
    kept: dict[str, int] = {}
    missing: set[str] = set()
    try:
        with writing(path) as archive, tempfile.TemporaryFile(dir=path.absolute().parent) as dump:
            for _ in range(PASSES):
                about = _read(database, postgres, dump)
                before, missing = missing, _copy(archive, store, about.files, kept, progress)
                if missing <= before:  # rows still name them: they are lost, not deleted during the copy
                    break
            else:
                raise PassingError("files in the store are deleted faster than they are copied; try again later")
            found = [key for key in about.files if key not in missing]
            archive.add(DATABASE, dump)
            complete = replace(about, files=found, lost=sorted(missing))
            archive.add(ABOUT, io.BytesIO(complete.to_json()))
    finally:
        database.close()
    return Made(len(found), sum(kept[key] for key in found), tuple(sorted(missing)))


def _read(database: Database, postgres: PrivatePostgres, dump: IO[bytes]) -> About:
    """Dump the database, and list the files that the same snapshot names."""
    dump.seek(0)
    dump.truncate()
    with database.repeatable_read() as session:
        snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
        revision = session.scalar(text("SELECT version_num FROM alembic_version"))
        files = sorted(set(_named(session)))
        done = postgres.run("pg_dump", "--format", "custom", "--no-owner", f"--snapshot={snapshot}", taken=dump)
    if done.returncode:
        raise PassingError(f"the database cannot be dumped: {done.stdout.strip()}")
    return About(FORMAT, now().isoformat(), str(revision), files, [])


def _named(session: Session) -> Iterator[str]:
    """The keys of files that rows name: of published mosaics and of datasets."""
    published = select(Request.namespace, Request.name, Request.uid, Request.item).where(
        Request.uid.is_not(None), Request.item.is_not(None), Request.removed.is_(None)
    )
    for namespace, name, uid, item in session.execute(published):
        results = Results(namespace, name, uid)
        yield results.key(ITEM)
        yield from (results.key(file) for file in FILES.values() if file.asset in item["assets"])
    for files in session.scalars(select(Dataset.files)):
        yield from (file["key"] for file in files.values())


def _copy(archive: Writer, store: Store, keys: list[str], kept: dict[str, int], progress: Progress) -> set[str]:
    """Copy the files that are not in the archive yet; return the keys that are missing in the store."""
    missing = set()
    for number, key in enumerate(keys):
        progress(number, len(keys))
        if key in kept:
            continue
        try:
            content = store.open(key)
        except FileNotFoundError:
            missing.add(key)
            continue
        with content:
            kept[key] = archive.add(f"{STORE}{key}", content)
    progress(len(keys), len(keys))
    return missing
