"""`mosaic backup`: first the rows, then the files that they name, so that no row names a file that is not there.

What is published or kept never changes, so it is copied while the installation goes on. Work on requests that are not
over is left out: their rows make them begin again.
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
"""How often rows are read again because files that they named were deleted meanwhile."""
Progress = Callable[[int, int], None]
"""Is told how many files are done, of how many."""


@dataclass(frozen=True)
class Made:
    """A backup that was made.

    Attributes:
        files: how many files of the store are in it.
        bytes: of them.
        lost: keys that rows name and that the store does not have any more.
    """

    files: int
    bytes: int
    lost: tuple[str, ...]


@contextmanager
def reached(data: Path) -> Iterator[PrivatePostgres]:
    """The private database in a folder: the one that `mosaic serve` runs there, or it is started for a while.

    Raises:
        RequestError: there is none.
        PassingError: it does not start.
    """
    if not (data / "database").is_dir():
        raise RequestError(
            f"there is no database in {data}: name the folder of `mosaic serve` with --data; a database that "
            "MOSAIC_DATABASE_URL names is backed up with pg_dump"
        )
    postgres = PrivatePostgres(data / "database")
    with ExitStack() as until_then:
        try:
            until_then.enter_context(alone(data))
        except InUseError:
            postgres.wait()
        else:
            until_then.callback(postgres.stop)
            postgres.start()
        yield postgres


def back_up(postgres: PrivatePostgres, store: Store, path: Path, progress: Progress) -> Made:
    """Make a backup.

    Args:
        postgres: that runs.
        store: with the files that its rows name.
        path: of the file to make.
        progress: called with the progress so far.

    Raises:
        RequestError: there is such a file, or it cannot be written.
        PassingError: the database or the store does not answer.
    """
    database = Database(postgres.url)
    kept: dict[str, int] = {}
    missing: set[str] = set()
    try:
        with writing(path) as archive, tempfile.TemporaryFile(dir=path.absolute().parent) as dump:
            for _ in range(PASSES):
                about = _read(database, postgres, dump)
                before, missing = missing, _copy(archive, store, about.files, kept, progress)
                if missing <= before:  # rows still name them: they were not deleted meanwhile, but lost
                    break
            else:
                raise PassingError("what is in the store is deleted faster than it is copied; try again later")
            found = [key for key in about.files if key not in missing]
            archive.add(DATABASE, dump)
            told = replace(about, files=found, lost=sorted(missing))
            archive.add(ABOUT, io.BytesIO(told.to_json()))
    finally:
        database.close()
    return Made(len(found), sum(kept[key] for key in found), tuple(sorted(missing)))


def _read(database: Database, postgres: PrivatePostgres, dump: IO[bytes]) -> About:
    """Dump the database, and give the files that it names at that very moment."""
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
    """The keys of files that rows name: of published mosaics, and of what people keep."""
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
    """Copy what is not there yet; give what the store does not have."""
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
