"""Which class reads which kind of source.

A class is imported when its kind is used: what searches catalogues takes long to import.
"""

from mosaic_crds.source import Source

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.base import SceneSource


def source_of(source: Source, gate: Gate) -> SceneSource:
    """What reads the source of a request.

    Args:
        source: `spec.source`.
        gate: what may be read.
    """
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
