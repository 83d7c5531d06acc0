"""`mosaic indices`: the spectral indices of the catalogue."""

import click


@click.command()
@click.argument("name", required=False)
def indices(name: str | None) -> None:
    """List spectral indices, or explain one."""
    from mosaic_worker.product.indices import all_indices, find

    if name is None:
        for index in all_indices():
            click.echo(f"{index.name:<12} {index.domain:<12} {index.long_name}")
        return
    index = find(name)
    click.echo(f"{index.name}: {index.long_name} ({index.domain})")
    click.echo(f"  formula    {index.formula}")
    click.echo(f"  bands      {', '.join(index.bands)}")
    for constant in index.constants:
        click.echo(f"  {constant.name:<10} {constant.value:g}: {constant.meaning}")
    click.echo(f"  reference  {index.reference}")
