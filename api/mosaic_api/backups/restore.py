"""`mosaic restore`: makes a data folder from a backup, completely or not at all."""

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from mosaic_crds.errors import RequestError
from mosaic_crds.lifecycle import Phase, StatusWriter
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import Store, open_store
from sqlalchemy import select

from mosaic_api.backups.archive import DATABASE, STORE, About, Reader, reading
from mosaic_api.backups.create import Progress
from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.revisions import has_revision
from mosaic_api.postgres.programs import sync_folder
from mosaic_api.postgres.server import PrivatePostgres


def restore(path: Path, data: Path, store_uri: str | None, progress: Progress) -> About:
    """Make a data folder for `mosaic serve` from a backup. It appears under its name when it is complete.

    The folder must be empty or missing. `store_uri` is where the files of the store go, by default a folder in it;
    existing files there stay.

    Raises:
        RequestError: the backup is damaged or too new, the folder is not empty, or the disk is too small.
        PassingError: the store or the database fails.
    """
    data = data.absolute()
    try:
        with reading(path) as (about, archive):
            _expect_fitting(path, about, archive, data)
            return _restore(about, archive, data, store_uri, progress)
    except OSError as error:
        raise RequestError(f"{data} cannot be created: {error.strerror or error}") from None


def _expect_fitting(path: Path, about: About, archive: Reader, data: Path) -> None:
    """Refuse what cannot work before anything is written."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise RequestError(f"{data} is not empty; use --data with a new folder")
    if not has_revision(about.revision):
        raise RequestError(f"{path} was made by a newer version of mosaic-operator; install that version to restore it")
    data.parent.mkdir(parents=True, exist_ok=True)
    needed = 3 * archive.size(DATABASE) + sum(archive.size(f"{STORE}{key}") for key in about.files)
    free = shutil.disk_usage(data.parent).free
    if needed > free:
        raise RequestError(f"{data.parent} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed")


def _restore(about: About, archive: Reader, data: Path, store_uri: str | None, progress: Progress) -> About:
    with ExitStack() as undo:
        unfinished = Path(tempfile.mkdtemp(prefix=".mosaic-", dir=data.parent))
        undo.callback(shutil.rmtree, unfinished, ignore_errors=True)
        if os.geteuid() == 0:
            unfinished.chmod(0o711)  # root's PostgreSQL runs as another user
        _copy(about, archive, open_store(store_uri or str(unfinished / "store")), progress)
        postgres = PrivatePostgres(unfinished / "database")
        undo.callback(lambda: shutil.rmtree(postgres.place, ignore_errors=True))
        undo.callback(postgres.stop)
        postgres.start()
        _load(archive, postgres)
        _settle(Database(postgres.url), open_store(store_uri or str(data / "store")))
        postgres.stop()
        unfinished.rename(data)
        sync_folder(data.parent)
        undo.pop_all()
    return about


def _load(archive: Reader, postgres: PrivatePostgres) -> None:
    with tempfile.TemporaryFile() as dump:
        dump.writelines(archive.pieces(DATABASE))
        dump.seek(0)
        options = ("--exit-on-error", "--single-transaction", "--no-owner")
        done = postgres.run("pg_restore", "--dbname", "postgres", *options, given=dump)
    if done.returncode:
        raise RequestError(f"the database cannot be restored: {done.stdout.strip()}")


def _copy(about: About, archive: Reader, store: Store, progress: Progress) -> None:
    for number, key in enumerate(about.files):
        progress(number, len(about.files))
        try:
            store.create(key, archive.pieces(f"{STORE}{key}"))
        except ValueError as error:
            raise RequestError(str(error)) from None
    progress(len(about.files), len(about.files))


def _settle(database: Database, store: Store) -> None:
    """Update the tables, and the URLs of results in the rows."""
    try:
        database.migrate()
        with database.transaction() as session:
            published = select(Request).where(Request.phase == Phase.SUCCEEDED, Request.item.is_not(None))
            for request in session.scalars(published.where(Request.uid.is_not(None))):
                results = Results(request.namespace, request.name, str(request.uid))
                writer = StatusWriter(request.status, now())
                writer.publish(results.summary(json.dumps(request.item).encode(), store))
                request.status = writer.status
    finally:
        database.close()
