"""`mosaic submit`, `get`, `watch` and `cancel`: requests that somebody else works on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mosaic_worker.cli.areas import area_option

from mosaic_api.commands.choosing import place_of, with_place

if TYPE_CHECKING:
    from mosaic_api.commands.place import Place, Seen

COLUMNS = "{:<{name}}  {:<10}  {:>8}  {:>4}  {}"
named = click.argument("name")


@click.command()
@click.argument("request_file", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--watch", "watching", is_flag=True, help="Watch it until it is over.")
@area_option
@with_place
def submit(
    request_file: Path,
    watching: bool,
    area_file: Path | None,
    server: str | None,
    context: str | None,
    namespace: str | None,
) -> None:
    """Ask a server or a cluster for the mosaic of REQUEST (YAML or JSON)."""
    from mosaic_worker.cli.requests import read_request

    request = read_request(request_file, area_file)
    place = place_of(server, context, namespace)
    spec = request.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    seen = place.submit(request.metadata.name, spec)
    click.echo(f"{seen.name} is asked for ({seen.id})", err=True)
    if watching:
        follow(place, seen)


@click.command()
@click.argument("name", required=False)
@with_place
def get(name: str | None, server: str | None, context: str | None, namespace: str | None) -> None:
    """List requests, or print the status of the one with a NAME or an id, as JSON."""
    place = place_of(server, context, namespace)
    if name is not None:
        click.echo(json.dumps(place.find(name).status, indent=2, ensure_ascii=False))
        return
    listed = place.listed()
    if not listed:
        click.echo("there are no requests; `mosaic submit` asks for a mosaic", err=True)
        return
    width = max(4, *(len(seen.name) for seen in listed))
    click.echo(COLUMNS.format("NAME", "PHASE", "PROGRESS", "AGE", "MESSAGE", name=width))
    for seen in listed:
        percent = (seen.status.get("progress") or {}).get("percent")
        progress = "" if percent is None else f"{percent} %"
        click.echo(COLUMNS.format(seen.name, seen.phase, progress, age(seen.created), seen.message, name=width))


@click.command()
@named
@with_place
def watch(name: str, server: str | None, context: str | None, namespace: str | None) -> None:
    """Watch the request with a NAME or an id until it is over."""
    place = place_of(server, context, namespace)
    follow(place, place.find(name))


@click.command()
@named
@with_place
def cancel(name: str, server: str | None, context: str | None, namespace: str | None) -> None:
    """Stop the work on the request with a NAME or an id."""
    place = place_of(server, context, namespace)
    place.cancel(place.find(name))


def follow(place: "Place", seen: "Seen") -> None:
    """Show a bar until a request is over, and what is told of it then.

    Raises:
        RequestError: it failed, was cancelled or removed.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_crds.lifecycle import Phase

    from mosaic_api.commands.bar import StatusBar, is_over

    with StatusBar(seen.name) as bar:
        for now in place.follow(seen):
            bar.show(now.status)
            if is_over(now.status):
                break
    if now.phase != Phase.SUCCEEDED:
        raise RequestError(f"{seen.name}: {now.message or now.phase}")
    click.echo(now.message)


def age(created: str) -> str:
    """How long ago a time was, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"
