"""Raster files that stay open while tiles are computed, with read-ahead."""

import os
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress

from mosaic_crds import worker_pod
from mosaic_crds.errors import MosaicError, RequestError

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.gate import Gate, is_url
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.remote_files import HEAD, RemoteFiles
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.readers.opening import is_copied, open_raster
from mosaic_worker.sources.readers.raster import Raster

SCRATCH_BYTES = 2 * 2**30
WindowToRead = tuple[str, int | None, int, Window]
"""An admitted path or URL, an overview (None for the image), a band, and a window that will be read."""


class OpenSources:
    """Open images, so that decoded blocks stay in the cache of GDAL; the least recently used is closed first.

    Args:
        gate: what may be read.
        signer: signs URLs.
        most: the maximum number of open images.
        disk: the maximum bytes of remote files on the local disk.
    """

    def __init__(self, gate: Gate, signer: Signer | None = None, most: int = 128, disk: int | None = None) -> None:
        self._gate = gate
        self._most = most
        self._disk = int(os.environ.get(worker_pod.ENV_SCRATCH_BYTES, SCRATCH_BYTES)) if disk is None else disk
        self._client = Client(gate, signer)
        self._files = RemoteFiles(self._client)
        self._open: OrderedDict[tuple[str, int | None], Raster] = OrderedDict()

    def get(self, href: str, where: str, identity: str | None = None, overview: int | None = None) -> Raster:
        """The open image of an admitted path or URL, or one of its overviews.

        Raises:
            RequestError: its identity has changed since the plan was made, so tiles would not match.
        """
        key = (href, overview)
        if key in self._open:
            self._open.move_to_end(key)
        else:
            admitted = self._gate.admit(href, where)
            self._open[key] = open_raster(admitted, where, self._files, self._make_room, overview)
            if len(self._open) > self._most:
                self._open.popitem(last=False)[1].close()
        image = self._open[key]
        if identity is not None and image.identity != identity:
            raise RequestError(f"{where}: {image.name} changed since the plan was made; run the request again")
        return image

    def prefetch_headers(self, hrefs: Iterable[str]) -> None:
        """Read the headers of remote files that are not open, in the background."""
        for href in dict.fromkeys(hrefs):
            if is_url(href) and (href, None) not in self._open:
                self._files.get(href).prefetch([(0, HEAD)])

    def prefetch(self, expected: Iterable[WindowToRead]) -> int:
        """Read windows of remote files in the background. Errors are reported when the windows are read.

        Returns:
            The bytes of the windows.
        """
        total = 0
        for href, overview, band, window in expected:
            if overview is None and is_url(href):
                with suppress(MosaicError):
                    if (href, None) in self._open or not is_copied(self._files.get(href)):
                        ranges = self.get(href, href).ranges(band, window)
                        self._files.get(href).prefetch(ranges)
                        total += sum(stop - start for start, stop in ranges)
        return total

    def forget(self) -> None:
        """Close all and clear caches, so that files are opened and read again."""
        self.close()
        self._files = RemoteFiles(self._client)

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()
        self._files.close()

    def _make_room(self, size: int) -> None:
        """Close the least recently used copies until a file of this size fits on the disk."""
        if size > self._disk:
            raise RequestError(
                f"a JPEG 2000 file without TLM markers must be copied, but its {size} bytes exceed "
                f"{worker_pod.ENV_SCRATCH_BYTES} ({self._disk}); use a Cloud Optimized GeoTIFF"
            )
        copied = [(key, image.copied_bytes) for key, image in self._open.items() if image.copied_bytes]
        while sum(taken for _, taken in copied) + size > self._disk:
            self._open.pop(copied.pop(0)[0]).close()
