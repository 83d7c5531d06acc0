"""`mosaic sample-scene`: something to try the other commands on, without a network."""

from pathlib import Path

import click


@click.command("sample-scene")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--count", default=1, show_default=True, type=click.IntRange(1, 20), help="Scenes, each shifted and later."
)
@click.option("--side", default=2048, show_default=True, type=click.IntRange(64, 10980), help="Pixels of 10 m a side.")
@click.option("--seed", default=0, show_default=True, help="Another number gives another landscape.")
@click.option("--safe", is_flag=True, help="Each also as a Sentinel-2 product: a .SAFE in a zip.")
def sample_scene(folder: Path, count: int, side: int, seed: int, safe: bool) -> None:
    """Write synthetic Sentinel-2 scenes (not observations) into FOLDER.

    Each has bands as JPEG 2000 and as COG, a scene classification, and a STAC Item.
    """
    from mosaic_worker.synthetic import write_scenes
    from mosaic_worker.synthetic.safe import write_safe

    for item in write_scenes(folder, count=count, side=side, seed=seed):
        click.echo(item)
        if safe:
            click.echo(write_safe(item, folder / f"{item.parent.name}.SAFE.zip"))
