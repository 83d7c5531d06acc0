"""`mosaic submit`, `get`, `watch` and `cancel`: requests on a server or in a cluster."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mosaic_worker.cli.areas import area_option

from mosaic_api.commands.backends.options import with_backend

if TYPE_CHECKING:
    from mosaic_api.commands.backends.base import Backend, RequestInfo

COLUMNS = "{:<{name}}  {:<10}  {:>8}  {:>4}  {}"
named = click.argument("name")


@click.command()
@click.argument("request_file", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--watch", "watching", is_flag=True, help="Show progress until it finishes.")
@area_option
@with_backend
def submit(request_file: Path, watching: bool, area_file: Path | None, backend: "Backend") -> None:
    """Submit REQUEST to a server or a cluster.

    REQUEST is a YAML or JSON file.
    """
    from mosaic_worker.cli.requests import read_request

    manifest = read_request(request_file, area_file)
    spec = manifest.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    request = backend.submit(manifest.metadata.name, spec)
    click.echo(f"{request.name} is submitted ({request.id})", err=True)
    if watching:
        show_progress(backend, request)


@click.command()
@click.argument("name", required=False)
@with_backend
def get(name: str | None, backend: "Backend") -> None:
    """List requests, or print one as JSON.

    NAME is the name or the id of a request, whose status is printed.
    """
    if name is not None:
        click.echo(json.dumps(backend.find(name).status, indent=2, ensure_ascii=False))
        return
    requests = backend.list_requests()
    if not requests:
        click.echo("there are no requests; submit one with `mosaic submit`", err=True)
        return
    width = max(4, *(len(request.name) for request in requests))
    click.echo(COLUMNS.format("NAME", "PHASE", "PROGRESS", "AGE", "MESSAGE", name=width))
    for request in requests:
        percent = (request.status.get("progress") or {}).get("percent")
        progress = "" if percent is None else f"{percent} %"
        click.echo(
            COLUMNS.format(request.name, request.phase, progress, age(request.created), request.message, name=width)
        )


@click.command()
@named
@with_backend
def watch(name: str, backend: "Backend") -> None:
    """Show progress until a request finishes.

    NAME is the name or the id of the request.
    """
    show_progress(backend, backend.find(name))


@click.command()
@named
@with_backend
def cancel(name: str, backend: "Backend") -> None:
    """Cancel a request.

    NAME is the name or the id of the request.
    """
    request = backend.find(name)
    if request.terminal:
        click.echo(f"{request.name} has already finished ({request.phase})", err=True)
        return
    backend.cancel(request)
    click.echo(f"{request.name} is being cancelled", err=True)


def show_progress(backend: "Backend", request: "RequestInfo") -> None:
    """Show a bar until a request finishes, and then its message.

    Raises:
        RequestError: it failed, or was cancelled or deleted.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_crds.lifecycle import Phase

    from mosaic_api.commands.status_bar import StatusBar

    with StatusBar(request.name) as bar:
        for seen in backend.watch(request):
            bar.show(seen.status)
            if seen.terminal:
                break
    if seen.phase != Phase.SUCCEEDED:
        raise RequestError(f"{request.name}: {seen.message or seen.phase}")
    click.echo(seen.message)


def age(created: str) -> str:
    """The time since then, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"
