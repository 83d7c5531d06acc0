"""Selects the class for a raster file. Today GDAL reads all formats: GeoTIFF, COG, JPEG 2000 and PNG."""

from collections.abc import Callable

from mosaic_worker.sources.http.remote_files import RemoteFiles
from mosaic_worker.sources.readers.gdal_opening import is_copied, open_gdal
from mosaic_worker.sources.readers.raster import Raster

__all__ = ["is_copied", "open_raster"]


def open_raster(
    admitted: str,
    where: str,
    files: RemoteFiles | None = None,
    room: Callable[[int], None] | None = None,
    overview: int | None = None,
) -> Raster:
    """Open an admitted path, or an admitted, unsigned URL; see `open_gdal`, which has the same arguments.

    Raises:
        RequestError: the file does not exist, or no class reads it.
        PassingError: a server did not respond.
    """
    return open_gdal(admitted, where, files, room, overview)
