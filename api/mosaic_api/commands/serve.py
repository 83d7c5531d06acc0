"""`mosaic serve`: the web page and the REST API on this computer, with all that they need."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mosaic_crds.request import MosaicRequest

    from mosaic_api.local.installation import Installation

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument(
    "requests", nargs=-1, metavar="[REQUEST]...", type=click.Path(path_type=Path, dir_okay=False, exists=True)
)
@click.option("--data", type=FOLDER, default="mosaic-data", show_default=True, help="Folder for all data.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--store",
    metavar="URI",
    envvar="MOSAIC_STORE",
    help="Store for results, as in `mosaic run`.  [default: DATA/store]",
)
@click.option(
    "--scenes",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    help="Folder with your scenes; repeatable.  [default: none, URLs only]",
)
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL URL (password in MOSAIC_DATABASE_PASSWORD).  [default: MOSAIC_DATABASE_URL, or a private "
    "database in DATA]",
)
@click.option("--open", "in_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--once", is_flag=True, help="Process REQUESTs and exit; no web page.")
def serve(
    requests: tuple[Path, ...],
    data: Path,
    port: int,
    store: str | None,
    scenes: tuple[Path, ...],
    database: str | None,
    in_browser: bool,
    once: bool,
) -> None:
    """Start the web page on this computer.

    It also processes the requests of the page in turn. REQUESTs (YAML or JSON files) are processed first, unless their
    mosaics exist. Stop it with Ctrl-C; the next start resumes unfinished requests.
    """
    import os
    from contextlib import ExitStack

    from mosaic_crds.errors import MosaicError
    from mosaic_worker.cli.requests import read_request
    from mosaic_worker.memory import importing

    with importing():
        from mosaic_api.local.installation import InstallationPaths, running_installation, show_page, stopping
        from mosaic_api.settings import ENV_DATABASE, database_if_named
        from mosaic_api.settings.secrets import guard_secrets, log_isolation
        from mosaic_api.web.connections import listening

    asked = [read_request(path) for path in requests]
    with stopping(), ExitStack() as running:
        sockets = None if once else running.enter_context(listening(port))
        named = {ENV_DATABASE: database} if database else {}
        environment = guard_secrets(os.environ)
        log_isolation()
        place = InstallationPaths(data, store, database_if_named(environment | named), scenes)
        installation = running.enter_context(running_installation(place, environment))
        for request in asked:
            try:
                make(request, installation)
            except MosaicError as error:
                if once:
                    raise
                click.echo(f"mosaic: {request.metadata.name}: {error}", err=True)
        if sockets is not None:
            show_page(installation, sockets, in_browser=in_browser)


def make(request: "MosaicRequest", installation: "Installation") -> None:
    """Submit a request, show its progress, and print its result.

    Raises:
        RequestError: it failed.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_worker.cli.output import show_result
    from mosaic_worker.finalize.results import Results
    from mosaic_worker.local.run import Result

    from mosaic_api.commands.local_requests import submit, watch
    from mosaic_api.commands.status_bar import StatusBar

    row_id, found = submit(request, installation)
    with StatusBar(request.metadata.name) as bar:
        for row in watch(row_id, installation):
            bar.show(row.status)
    if row.item is None:
        raise RequestError(str(row.status.get("message")))
    if found:
        click.echo("This mosaic already exists.")
    results = Results(row.namespace, row.name, str(row.uid))
    show_result(Result(row.item, results.folder, found=False), installation.settings.store)
