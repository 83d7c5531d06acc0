"""From the source of a request to scenes whose headers are read."""

from mosaic_crds.spec import MosaicRequestSpec

from mosaic_worker.geometry.area import requested_area
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.base import SceneQuery
from mosaic_worker.sources.kinds.registry import source_of
from mosaic_worker.sources.scenes import Found
from mosaic_worker.sources.unreadable import expect_most_readable

MOST_SCENES = 500
"""That a search may find, unless the installation says otherwise; as many as a request may list itself."""


def resolve(spec: MosaicRequestSpec, bands: tuple[str, ...], gate: Gate, most_scenes: int = MOST_SCENES) -> Found:
    """The scenes of a request, each with the bands that are needed and, if asked for, its mask.

    Args:
        spec: what is asked for.
        bands: the canonical names of the bands that are needed.
        gate: what may be read.
        most_scenes: how many a search may find.

    Raises:
        RequestError: there are none, one cannot be used, or more than half are skipped because they cannot.
        PassingError: a server did not answer.
    """
    query = SceneQuery(requested_area(spec.area), bands, spec.composite, most_scenes)
    found = source_of(spec.source, gate).scenes(query)
    expect_most_readable(found.unreadable, found.total)
    return found
