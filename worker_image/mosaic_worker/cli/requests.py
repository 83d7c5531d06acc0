"""`mosaic run`, `mosaic validate` and `mosaic estimate`: a request in a file, on this machine.

The commands import slow modules themselves, so that other commands start without them.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click
from mosaic_crds.errors import RequestError

from mosaic_worker.cli.areas import area_option, read_area

if TYPE_CHECKING:
    from mosaic_crds.request import MosaicRequest

    from mosaic_worker.cli.run_progress import RunProgress

request_argument = click.argument("request_file", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))


def read_request(path: Path, area_file: Path | None = None) -> "MosaicRequest":
    """The request in a YAML or JSON file.

    Args:
        path: of the file.
        area_file: a vector file whose polygons replace the area of the request.

    Raises:
        RequestError: the file does not exist, or is not a valid request.
    """
    from mosaic_crds.reading import read_document
    from mosaic_crds.validation import load_request

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RequestError(f"file {path} not found") from None
    except (UnicodeDecodeError, OSError):
        raise RequestError(f"{path} is not a readable UTF-8 text file") from None
    document, where = read_document(text, str(path)), str(path)
    if area_file is not None and isinstance(document.get("spec"), dict):
        document["spec"]["area"] = read_area(area_file)
        where = f"{path} with the area of {area_file}"
    return load_request(document, where)


@click.command("run")
@request_argument
@click.option(
    "--store",
    metavar="URI",
    default="mosaic-store",
    show_default=True,
    envvar="MOSAIC_STORE",
    help="Folder or URI (file://, abfss://, az://, s3://) for results and unfinished work.",
)
@click.option("--workers", type=click.IntRange(1, 1024), help="Parallel processes.  [default: the number of cores]")
@click.option("--fresh", is_flag=True, help="Compute again, even if this mosaic exists.")
@area_option
def run_request(request_file: Path, store: str, workers: int | None, fresh: bool, area_file: Path | None) -> None:
    """Build the mosaic of REQUEST on this machine.

    REQUEST is a YAML or JSON file; relative paths in it start at its folder. Results are written to
    STORE/mosaics/<namespace>/<name>/<uid>/. The uid depends on the request, its inputs and the code, so a second run
    finds the mosaic of the first one. You can stop with Ctrl-C and resume with the same command.
    """
    from mosaic_worker.memory import importing, keep_freed_memory

    keep_freed_memory()
    with importing():
        request = read_request(request_file, area_file)
        from mosaic_worker.cli.output import show_result
        from mosaic_worker.local.processes import fork_workers_from_here
        from mosaic_worker.local.run import run
        from mosaic_worker.sources.access.gate import own_machine

    fork_workers_from_here()
    gate = own_machine(request_file.absolute().parent)
    with _progress() as progress:
        result = run(request, gate, store, workers=workers, fresh=fresh, progress=progress)
    show_result(result, _shown_store(store))


@click.command()
@request_argument
@area_option
def validate(request_file: Path, area_file: Path | None) -> None:
    """Validate REQUEST without reading its files."""
    request = read_request(request_file, area_file)
    from mosaic_worker.product import product_of

    product = product_of(request.spec.product)
    bands = ", ".join(product.input_bands)
    title = product.title if request.spec.minus is None else f"{product.title} difference"
    click.echo(f"{request_file} is valid: {title} from {bands}")


@click.command()
@request_argument
@area_option
def estimate(request_file: Path, area_file: Path | None) -> None:
    """Show size, time and scenes of REQUEST."""
    import os

    from mosaic_worker.cli.output import show_plan
    from mosaic_worker.local.run import prepare
    from mosaic_worker.plan.planning import Limits
    from mosaic_worker.sources.access.gate import own_machine

    request = read_request(request_file, area_file)
    cores = len(os.sched_getaffinity(0))
    show_plan(prepare(request, own_machine(request_file.absolute().parent), Limits(), cores), cores)


def _progress() -> "RunProgress":
    """The progress for this stderr; rich is imported only for a terminal."""
    if sys.stderr.isatty():
        from mosaic_worker.cli.run_bar import RunBar

        return RunBar()
    from mosaic_worker.cli.run_progress import RunProgress

    return RunProgress()


def _shown_store(store: str) -> str:
    """The store as messages show it: its path if it is a folder, else its URI."""
    from mosaic_worker.store.address import SCHEMES

    parts = urlsplit(store)
    if parts.scheme in SCHEMES:
        return store.rstrip("/")
    return str(Path(unquote(parts.path) if parts.scheme else store).expanduser())
