"""The bands of a mosaic."""

from mosaic_crds.composite import Composite

from mosaic_worker.product import Product


def product_bands(product: Product, *, difference: bool) -> tuple[str, ...]:
    """The bands of the product, or of a difference of it, which can be classified."""
    if product.classifier is not None:
        return product.band_names
    return tuple(f"{name}_difference" for name in product.output_bands) if difference else product.output_bands


def band_names(product: Product, composite: Composite, *, difference: bool) -> tuple[str, ...]:
    """The bands of the product, then count and scene, if requested; those of the subtracted mosaic are the last."""
    extra = (("count",) if composite.count else ()) + (("scene",) if composite.chosen else ())
    others = tuple(f"{name}_minus" for name in extra) if difference else ()
    return product_bands(product, difference=difference) + extra + others
