"""Composite methods: each is an object in the registry.

Nothing outside this package compares names of methods. `mosaic_crds.composite` has their titles and descriptions.
"""

from mosaic_crds.composite import Method

from mosaic_worker.composites.first_valid import LATEST, LEAST_CLOUDY, OLDEST
from mosaic_worker.composites.geomedian import GEOMEDIAN
from mosaic_worker.composites.greenest import GREENEST
from mosaic_worker.composites.medoid import MEDOID
from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.composites.reductions import MAX, MEAN, MEDIAN, MIN, PERCENTILE

METHODS: dict[Method, CompositeMethod] = {
    method.name: method
    for method in (LATEST, OLDEST, LEAST_CLOUDY, GREENEST, MEDOID, GEOMEDIAN, MEAN, MEDIAN, MIN, MAX, PERCENTILE)
}
"""By the names of `spec.composite.method`, in the contract's order."""
