"""`mosaic run`, `mosaic validate` and `mosaic estimate`: a request in a file, on this machine.

What takes long to import is imported in the commands, so that `mosaic run` can warm up its workers meanwhile.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click
from mosaic_crds.errors import RequestError

from mosaic_worker.cli.areas import area_option, read_area

if TYPE_CHECKING:
    from mosaic_crds.request import MosaicRequest

request_argument = click.argument("request_file", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))


def read_request(path: Path, area_file: Path | None = None) -> "MosaicRequest":
    """The request in a YAML or JSON file.

    Args:
        path: of the file.
        area_file: a vector file whose polygons are the area, in place of what the request says.

    Raises:
        RequestError: there is no such file, or no valid request in it.
    """
    from mosaic_crds.reading import read_document
    from mosaic_crds.validation import load_request

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RequestError(f"there is no file {path}") from None
    except (UnicodeDecodeError, OSError):
        raise RequestError(f"{path} cannot be read as a text file in UTF-8") from None
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
    help="Where results and unfinished work are kept: a folder, or a file://, abfss://, az:// or s3:// URI.",
)
@click.option(
    "--workers", type=click.IntRange(1, 1024), help="Processes at once.  [default: the cores of this machine]"
)
@click.option("--fresh", is_flag=True, help="Compute again even if this mosaic is there already.")
@area_option
def run_request(request_file: Path, store: str, workers: int | None, fresh: bool, area_file: Path | None) -> None:
    """Make the mosaic of REQUEST (YAML or JSON) on this machine.

    Relative paths in the request start at the folder it lies in. Results are written to
    STORE/mosaics/<namespace>/<name>/<uid>/; the uid changes with the request, its inputs and the code, so a second run
    finds what the first one made. Stop it with Ctrl-C at any time: the same command goes on where it stopped.
    """
    from mosaic_worker.local.processes import warm_up
    from mosaic_worker.memory import keep_freed_memory

    warm_up()
    keep_freed_memory()
    request = read_request(request_file, area_file)
    from mosaic_worker.cli.progress import ProgressBar, show_result
    from mosaic_worker.local.run import run
    from mosaic_worker.sources.access.gate import own_machine

    gate = own_machine(request_file.absolute().parent)
    with ProgressBar() as progress:
        result = run(request, gate, store, workers=workers, fresh=fresh, progress=progress)
    show_result(result, _place_of(store))


@click.command()
@request_argument
@area_option
def validate(request_file: Path, area_file: Path | None) -> None:
    """Check REQUEST against the rules, without opening what it points to."""
    request = read_request(request_file, area_file)
    from mosaic_worker.product import product_of

    product = product_of(request.spec.product)
    bands = ", ".join(product.input_bands)
    click.echo(f"{request_file} is valid: {product.title} from the band(s) {bands}")


@click.command()
@request_argument
@area_option
def estimate(request_file: Path, area_file: Path | None) -> None:
    """Plan REQUEST and say what it would take, without computing it."""
    import os

    from mosaic_worker.cli.progress import show_plan
    from mosaic_worker.local.run import prepare
    from mosaic_worker.plan.planning import Limits
    from mosaic_worker.sources.access.gate import own_machine

    request = read_request(request_file, area_file)
    cores = len(os.sched_getaffinity(0))
    show_plan(prepare(request, own_machine(request_file.absolute().parent), Limits(), cores), cores)


def _place_of(store: str) -> str:
    """The store as people name what is in it: by its path where it has one."""
    from mosaic_worker.store.address import SCHEMES

    parts = urlsplit(store)
    if parts.scheme in SCHEMES:
        return store.rstrip("/")
    return str(Path(unquote(parts.path) if parts.scheme else store).expanduser())
