"""`mosaic sample-scene`: scenes to try the other commands with, without a network."""

from pathlib import Path

import click


@click.command("sample-scene")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 20), help="Number of scenes.")
@click.option(
    "--side", default=2048, show_default=True, type=click.IntRange(64, 10980), help="Width and height in 10 m pixels."
)
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option("--safe", is_flag=True, help="Also write each as a zipped Sentinel-2 product (.SAFE).")
def sample_scene(folder: Path, count: int, side: int, seed: int, safe: bool) -> None:
    """Create synthetic test scenes in FOLDER.

    They are not observations. Each scene has bands as JPEG 2000 and as COG, a scene classification, and a STAC Item.
    """
    from mosaic_worker.synthetic import write_scenes
    from mosaic_worker.synthetic.safe import write_safe

    for item in write_scenes(folder, count=count, side=side, seed=seed):
        click.echo(item)
        if safe:
            click.echo(write_safe(item, folder / f"{item.parent.name}.SAFE.zip"))
