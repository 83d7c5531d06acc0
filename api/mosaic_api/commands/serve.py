"""`mosaic serve`: the page, its REST API, and all that they need, on this machine."""

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
@click.option("--data", type=FOLDER, default="mosaic-data", show_default=True, help="Where everything is kept.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="On 127.0.0.1.")
@click.option(
    "--store",
    metavar="URI",
    envvar="MOSAIC_STORE",
    help="Where results are kept, as of `mosaic run`.  [default: DATA/store]",
)
@click.option(
    "--scenes",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    help="A folder in which requests may read files; may be given again.  [default: they read URLs alone]",
)
@click.option(
    "--database",
    metavar="URL",
    help="A PostgreSQL; a password is given by MOSAIC_DATABASE_PASSWORD only.  [default: that of MOSAIC_DATABASE_URL, "
    "or a private one in DATA]",
)
@click.option("--open", "in_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--once", is_flag=True, help="Stop when the REQUESTs are done, and show no page.")
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
    """Serve the page on this machine, and work off what is asked there.

    The REQUESTs (YAML or JSON) are made first, unless they were made before. Ctrl-C stops everything; the next start
    finds it again, and goes on with what was in hand.
    """
    import os
    from contextlib import ExitStack

    from mosaic_crds.errors import MosaicError
    from mosaic_worker.cli.requests import read_request

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
    """Ask for a mosaic as everybody does, show a bar while it is made, and what came out.

    Raises:
        RequestError: it failed.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_worker.cli.progress import show_result
    from mosaic_worker.finalize.results import Results
    from mosaic_worker.local.run import Result

    from mosaic_api.commands.bar import StatusBar
    from mosaic_api.commands.locally import ask, follow

    row, found = ask(request, installation)
    with StatusBar(request.metadata.name) as bar:
        for mosaic in follow(row, installation):
            bar.show(mosaic.status)
    if mosaic.item is None:
        raise RequestError(str(mosaic.status.get("message")))
    if found:
        click.echo("This mosaic was made before.")
    results = Results(mosaic.namespace, mosaic.name, str(mosaic.uid))
    show_result(Result(mosaic.item, results.folder, found=False), installation.settings.store)
