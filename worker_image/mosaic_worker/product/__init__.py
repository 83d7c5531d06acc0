"""Products: an index of the catalogue, an expression, or bands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import bottleneck
import numpy as np
from mosaic_crds.spec import Product as ProductSpec

from mosaic_worker.product.bands import canonical
from mosaic_worker.product.classify import Classifier
from mosaic_worker.product.expression import Expression, Floats, parse
from mosaic_worker.product.indices import find

CLASS_BAND = "class"
"""The name of the band of a classified mosaic."""
CLASS_SIZE = 0.12
"""The compressed size of a band of classes, relative to a float32 band; measured with noise, the worst case."""


@dataclass(frozen=True)
class Product:
    """A product, ready to compute.

    Attributes:
        kind: the field of the request that defines it.
        title: for people.
        input_bands: canonical names of its input bands.
        output_bands: names of its output bands.
        expression: the formula; None for bands.
        classifier: classifies the composed values, if the request has classes.
    """

    kind: Literal["index", "expression", "bands"]
    title: str
    input_bands: tuple[str, ...]
    output_bands: tuple[str, ...]
    expression: Expression | None
    classifier: Classifier | None = None

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of its bands in the mosaic."""
        return self.output_bands if self.classifier is None else (CLASS_BAND,)

    @property
    def formula(self) -> str | None:
        """The text of the formula, if any."""
        return None if self.expression is None else self.expression.text

    @property
    def normalised_difference(self) -> bool:
        """Whether the formula limits values to [-1, 1]."""
        return self.expression is not None and self.expression.normalised_difference

    @property
    def needs_reflectance(self) -> bool:
        """Whether it is meaningless for uncalibrated numbers: an index with constants, such as EVI."""
        return self.kind == "index" and self.expression is not None and not self.expression.homogeneous

    @property
    def size(self) -> float:
        """The compressed size of its bands in the mosaic, relative to a float32 band."""
        return len(self.output_bands) if self.classifier is None else CLASS_SIZE

    def compute(self, values: Mapping[str, Floats]) -> tuple[Floats, int]:
        """Compute the product for each pixel.

        Args:
            values: float32 (height, width) by canonical band name, NaN for no data.

        Returns:
            float32 (bands, height, width), NaN in all bands if any input has no data; and the number of discarded
            values of a normalised difference outside [-1, 1], which come from negative reflectances.
        """
        if self.expression is None:
            stack = np.stack([values[name] for name in self.input_bands])
            if len(stack) > 1:
                np.copyto(stack, np.nan, where=np.isnan(stack).any(axis=0))
            return stack, 0
        computed = self.expression.evaluate(values)
        if not self.normalised_difference:
            return computed[np.newaxis], 0
        if bottleneck.allnan(computed) or max(-bottleneck.nanmin(computed), bottleneck.nanmax(computed)) <= 1:
            return computed[np.newaxis], 0
        outside = np.abs(computed) > 1
        computed[outside] = np.nan
        return computed[np.newaxis], int(np.count_nonzero(outside))


def product_of(spec: ProductSpec) -> Product:
    """The product of a request.

    Raises:
        RequestError: the index does not exist, the expression is not allowed, or classes are too close.
    """
    product = _unclassified(spec)
    if spec.classes is None:
        return product
    return replace(product, classifier=Classifier(spec.classes))


def _unclassified(spec: ProductSpec) -> Product:
    """The product of a request without its classes."""
    if spec.index is not None:
        index = find(spec.index)
        return Product("index", index.name, index.expression.bands, (index.name,), index.expression)
    if spec.expression is not None:
        expression = parse(spec.expression)
        return Product("expression", expression.text, expression.bands, ("expression",), expression)
    names = tuple(canonical(name) for name in spec.bands or ())
    return Product("bands", ", ".join(names), names, names, None)
