"""`mosaic backup` and `mosaic restore`: the data of `mosaic serve` in one file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mosaic_api.commands.serve import FOLDER

FILE = click.Path(path_type=Path, dir_okay=False)
STORE = click.option(
    "--store", metavar="URI", envvar="MOSAIC_STORE", help="Store, if it is not in DATA.  [default: DATA/store]"
)


@click.command()
@click.argument("file", type=FILE)
@click.option("--data", type=FOLDER, default="mosaic-data", show_default=True, help="Folder of `mosaic serve`.")
@STORE
def backup(file: Path, data: Path, store: str | None) -> None:
    """Back up the data of `mosaic serve` to FILE.

    FILE contains the database and the files of mosaics and datasets. `mosaic serve` can run during the backup. Only you
    can read FILE: URLs of scenes in it may contain secrets. After a restore, unfinished requests start again.
    """
    from mosaic_worker.store import open_store

    from mosaic_api.backups.create import back_up, reached

    with reached(data) as postgres, _bar(f"backing up {data}") as progress:
        made = back_up(postgres, open_store(store or str(data.absolute() / "store")), file, progress)
    click.echo(f"{file}: the database and {made.files} files of the store ({made.bytes / 1e6:,.1f} MB)")
    for key in made.lost:
        click.echo(f"mosaic: {key} is missing in the store, so it is not in the backup", err=True)


@click.command()
@click.argument("file", type=FILE)
@click.option("--data", type=FOLDER, default="mosaic-data", show_default=True, help="New or empty folder.")
@STORE
def restore(file: Path, data: Path, store: str | None) -> None:
    """Restore the data of `mosaic serve` from FILE.

    The whole FILE is checked before anything is written. Restore only backups that you made: a database can run
    programs.
    """
    from mosaic_api.backups.restore import restore as bring_back

    with _bar(f"restoring {data}") as progress:
        about = bring_back(file, data, store, progress)
    click.echo(f"{data} is restored as of {about.created[:19]}Z; start it with `mosaic serve --data {data}`")
    for key in about.lost:
        click.echo(f"mosaic: {key} was missing in the store when the backup was made", err=True)


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of files."""
    from mosaic_worker.cli.progress import progress_bar
    from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn

    with progress_bar(MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn()) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
