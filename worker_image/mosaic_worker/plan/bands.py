"""The bands of a mosaic."""

from mosaic_crds.composite import Composite

from mosaic_worker.product import Product


def band_names(product: Product, composite: Composite) -> tuple[str, ...]:
    """The bands of the product, then count and scene, if requested."""
    extra = (("count",) if composite.count else ()) + (("scene",) if composite.chosen else ())
    return product.output_bands + extra
