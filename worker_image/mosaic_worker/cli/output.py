"""Prints plans and results."""

from typing import Any

import click
from mosaic_crds.files import COG, ITEM

from mosaic_worker.finalize.classes import AREA, CLASSES
from mosaic_worker.local.run import Result
from mosaic_worker.plan.model import Plan


def show_plan(plan: Plan, cores: int) -> None:
    """Print the size, the time and the scenes of a plan."""
    grid, summary = plan.grid, plan.summary()
    click.echo(f"{plan.title} from {', '.join(plan.input_bands)}")
    click.echo(f"  grid     {grid.width:,} x {grid.height:,} pixels at {grid.xres:g} in {grid.crs[:60]}")
    click.echo(f"  scenes   {summary['scenes']}")
    click.echo(f"  tiles    {summary['tiles']} in {summary['ranges']} ranges")
    seconds = plan.estimate.core_seconds
    click.echo(f"  time     about {seconds / cores:.0f} s on {cores} cores ({seconds:.0f} core-seconds)")
    click.echo(f"  result   about {plan.estimate.bytes / 1e6:,.0f} MB")
    for warning in plan.warnings:
        click.echo(f"  note     {warning}")


def _show_classes(band: dict[str, Any]) -> None:
    """Print the share and the area of each class."""
    listed = [each for each in band[CLASSES] if "percentage" in each]
    width = max(len(each["title"]) for each in listed)
    for each in listed:
        area = f"  {each[AREA] / 1e6:12,.2f} km²" if AREA in each else ""
        click.echo(f"  {each['title']:<{width}}  {each['percentage']:5.1f} %{area}")
    click.echo(f"  {band['statistics']['valid_percent']:.1f} % of the pixels valid")


def show_result(result: Result, store: str) -> None:
    """Print the statistics of a mosaic, and where its files are in the store."""
    folder = f"{store}/{result.folder}"
    properties, assets = result.item["properties"], result.item["assets"]
    if result.found:
        click.echo("This mosaic already exists; nothing was computed (--fresh computes it again).")
    click.echo(properties["processing:lineage"])
    for band in assets[COG.asset]["bands"]:
        measured = band.get("statistics")
        if measured is None:
            continue
        if CLASSES in band:
            _show_classes(band)
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
