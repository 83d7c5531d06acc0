"""`mosaic backup` and `mosaic restore`: all that `mosaic serve` keeps, in one file and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mosaic_api.commands.serve import FOLDER

FILE = click.Path(path_type=Path, dir_okay=False)
STORE = click.option(
    "--store", metavar="URI", envvar="MOSAIC_STORE", help="The store, where it is not in DATA.  [default: DATA/store]"
)


@click.command()
@click.argument("file", type=FILE)
@click.option("--data", type=FOLDER, default="mosaic-data", show_default=True, help="The folder of `mosaic serve`.")
@STORE
def backup(file: Path, data: Path, store: str | None) -> None:
    """Back up what `mosaic serve` keeps: its database, and the files of mosaics and of local data, to FILE.

    It may go on serving meanwhile. FILE can be read by you alone: addresses of scenes in it may hold secrets. Requests
    that are not over begin again where it is restored.
    """
    from mosaic_worker.store import open_store

    from mosaic_api.backups.create import back_up, reached

    with reached(data) as postgres, _bar(f"backing up {data}") as progress:
        made = back_up(postgres, open_store(store or str(data.absolute() / "store")), file, progress)
    click.echo(f"{file}: the database, and {made.files} files of the store ({made.bytes / 1e6:,.1f} MB)")
    for key in made.lost:
        click.echo(f"mosaic: {key} is not in the store any more, and so not in the backup", err=True)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--data", type=FOLDER, default="mosaic-data", show_default=True, help="The folder to make; it must be empty."
)
@STORE
def restore(file: Path, data: Path, store: str | None) -> None:
    """Restore FILE, made by `mosaic backup`, into a new folder for `mosaic serve`.

    The whole FILE is checked before anything is written. Restore only a file that comes from you: a database can run
    programs.
    """
    from mosaic_api.backups.restore import restore as bring_back

    with _bar(f"restoring {data}") as progress:
        about = bring_back(file, data, store, progress)
    click.echo(f"{data}: as it was at {about.created[:19]}Z; start it with `mosaic serve --data {data}`")
    for key in about.lost:
        click.echo(f"mosaic: {key} was not in the store any more when the backup was made", err=True)


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of files on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
