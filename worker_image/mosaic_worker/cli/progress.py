"""What a person sees of a run: a bar while it goes on, and the result."""

from collections.abc import Collection
from typing import Self

import click
from mosaic_crds.files import COG, ITEM
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mosaic_worker.local import run
from mosaic_worker.plan.model import Plan


class ProgressBar(run.Progress):
    """Tiles, megapixels per second and the time left, on stderr; plain lines where that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tiles"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._pixels = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """Tell what will be made, and start the bar at what an earlier run did."""
        grid = plan.grid
        self._console.print(
            f"{plan.formula.title} of {len(plan.scenes)} scene(s), {grid.width:,} x {grid.height:,} pixels "
            f"at {grid.xres:g} in {grid.crs[:40]}, {len(plan.tiles)} tile(s)"
        )
        for warning in plan.warnings:
            self._console.print(f"note: {warning}")
        if done:
            self._console.print(f"{len(done)} tile(s) of an earlier run are done already")
        self._bar.start()
        self._task = self._bar.add_task("computing", total=len(plan.tiles), completed=len(done), speed="")

    def tile(self, pixels: int) -> None:
        """Move on by one tile."""
        self._pixels += pixels
        elapsed = self._bar.tasks[0].elapsed or 0
        speed = f"{self._pixels / 1e6 / elapsed:.1f} Mpx/s" if elapsed > 0 else ""
        self._bar.update(self._task, advance=1, speed=speed)

    def finalizing(self) -> None:
        """Say that what remains is putting together."""
        self._bar.update(self._task, description="assembling")


def show_plan(plan: Plan, cores: int) -> None:
    """Print what a plan would take."""
    grid, summary = plan.grid, plan.summary()
    click.echo(f"{plan.formula.title} from {', '.join(plan.input_bands)}")
    click.echo(f"  grid     {grid.width:,} x {grid.height:,} pixels at {grid.xres:g} in {grid.crs[:60]}")
    click.echo(f"  scenes   {summary['scenes']}")
    click.echo(f"  tiles    {summary['tiles']} in {summary['ranges']} range(s)")
    seconds = plan.estimate.core_seconds
    click.echo(f"  time     about {seconds:.0f} core-seconds, {seconds / cores:.0f} s on {cores} core(s)")
    click.echo(f"  result   about {plan.estimate.bytes / 1e6:,.0f} MB")
    for warning in plan.warnings:
        click.echo(f"  note     {warning}")


def show_result(result: run.Result, store: str) -> None:
    """Print where in the store the result is, and what is in it."""
    folder = f"{store}/{result.folder}"
    properties, assets = result.item["properties"], result.item["assets"]
    if result.found:
        click.echo("This mosaic was made before, from the same inputs by the same code (--fresh makes it again).")
    click.echo(properties["processing:lineage"])
    for band in assets[COG.asset]["bands"]:
        measured = band.get("statistics")
        if measured is None:
            continue
        if "minimum" not in measured:
            click.echo(f"  {band['name']}: no valid pixel")
            continue
        click.echo(
            f"  {band['name']}: {measured['minimum']:.4g} to {measured['maximum']:.4g}, mean {measured['mean']:.4g}, "
            f"{measured['valid_percent']:.1f} % of the pixels valid"
        )
    for warning in [*properties.get("mosaic:warnings", []), *properties.get("mosaic:notes", [])]:
        click.echo(f"  note: {warning}")
    for asset in assets.values():
        click.echo(f"  {folder}/{asset['href'].removeprefix('./')}  ({asset['file:size'] / 1e6:,.1f} MB)")
    click.echo(f"  {folder}/{ITEM.name}")
