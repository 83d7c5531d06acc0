"""GDAL's settings for sources."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio

CACHE_BYTES = 256 * 2**20
"""Cache for decoded blocks of all sources of a process. rasterio interprets a number as bytes."""
_thread = threading.local()


@contextmanager
def raster_environment() -> Iterator[None]:
    """GDAL's settings for opening and reading sources.

    One thread, because GDAL 3.10 loses errors of JPEG 2000 tiles in other threads, and returns zeros for a truncated
    file. Files beside an image are ignored, because they may have any format and refer to any file.

    It can be nested; only the outermost one takes time.
    """
    if getattr(_thread, "inside", False):
        yield
        return
    options: dict[str, object] = {
        "GDAL_NUM_THREADS": "1",
        "GDAL_CACHEMAX": CACHE_BYTES,
        "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",  # GDAL opens no URLs
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    }
    with rasterio.Env(**options):
        _thread.inside = True
        try:
            yield
        finally:
            _thread.inside = False
