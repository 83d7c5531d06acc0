"""Selects the class for a kind of source. Classes are imported on use, because catalogue clients are slow to import."""

from mosaic_crds.source import Source

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.base import SceneSource


def source_of(source: Source, gate: Gate) -> SceneSource:
    """The object for `spec.source`."""
    if source.files is not None:
        from mosaic_worker.sources.kinds.files import FilesSource

        return FilesSource(gate, source.on_unreadable, source.files)
    if source.stac is not None:
        from mosaic_worker.sources.kinds.stac import StacSource

        return StacSource(gate, source.on_unreadable, source.stac)
    if source.earth_daily is not None:
        from mosaic_worker.sources.kinds.earth_daily import EarthDailySource

        return EarthDailySource(gate, source.on_unreadable, source.earth_daily)
    raise ValueError("a source has exactly one kind")
