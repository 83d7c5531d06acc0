"""The bands of a mosaic."""

from collections.abc import Sequence

from mosaic_crds.composite import Composite

from mosaic_worker.composites.geomedian import DEVIATIONS
from mosaic_worker.product import Product


def product_bands(product: Product, *, difference: bool) -> tuple[str, ...]:
    """The bands of the product, or of a difference of it, which can be classified."""
    if product.classifier is not None:
        return product.band_names
    return tuple(f"{name}_difference" for name in product.output_bands) if difference else product.output_bands


def band_names(product: Product, composite: Composite, *, difference: bool) -> tuple[str, ...]:
    """The bands of the product, then deviations, count and scene, if requested; those of the subtracted mosaic last."""
    extra = (("count",) if composite.count else ()) + (("scene",) if composite.chosen else ())
    others = tuple(f"{name}_minus" for name in extra) if difference else ()
    return product_bands(product, difference=difference) + deviation_names(composite) + extra + others


def bands_size(product: Product, names: Sequence[str]) -> float:
    """The compressed size of the bands of a mosaic, relative to a float32 band."""
    return product.size + len(names) - len(product.output_bands)


def composed_bands(product: Product, composite: Composite) -> tuple[str, ...]:
    """The bands that are composed: those of the product, or its input bands."""
    return product.output_bands if composite.of == "product" else product.input_bands


def deviation_names(composite: Composite) -> tuple[str, ...]:
    """The bands of deviations from the geometric median, if requested."""
    return DEVIATIONS if composite.deviations else ()
