"""Finds the scenes of a request and reads their headers."""

from dataclasses import replace

from mosaic_crds.spec import MosaicRequestSpec

from mosaic_worker.geometry.area import requested_area
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.base import SceneQuery
from mosaic_worker.sources.kinds.registry import sources_of
from mosaic_worker.sources.scenes import SIDES, Found
from mosaic_worker.sources.unreadable import expect_most_readable

MOST_SCENES = 500
"""The default maximum of a search; also the maximum in a list of scenes."""


def resolve(spec: MosaicRequestSpec, bands: tuple[str, ...], gate: Gate, most_scenes: int = MOST_SCENES) -> Found:
    """The scenes of a request with their bands (canonical names) and masks; those of `spec.minus` apart.

    Raises:
        RequestError: there are none, one cannot be used, or more than half are skipped because they cannot.
        PassingError: a server did not respond.
    """
    query = SceneQuery(requested_area(spec.area), bands, spec.composite, most_scenes)
    sides = []
    for source, field in zip(sources_of(spec, gate), SIDES, strict=False):
        found = source.scenes(query)
        expect_most_readable(found.unreadable, found.total, field)
        sides.append(found)
    return replace(sides[0], subtracted=sides[1]) if len(sides) > 1 else sides[0]
