"""A raster file that GDAL reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import numpy as np
import rasterio
import rasterio.windows
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError, RasterioIOError
from rasterio.io import DatasetReader

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.local_files import HeldFile
from mosaic_worker.sources.access.zips import file_of
from mosaic_worker.sources.readers.jpeg2000 import Codestream
from mosaic_worker.sources.readers.raster import BandInfo, Raster, RasterInfo
from mosaic_worker.sources.readers.remote_raster import RemoteRaster

CACHE_BYTES = 256 * 2**20
"""For decoded blocks of all sources of a process. In bytes: rasterio takes a number so, where GDAL itself would not."""
_WHOLE = 0
"""Stands for the mask of a whole image, which is no band of it."""


@contextmanager
def raster_environment() -> Iterator[None]:
    """GDAL's settings for opening and reading sources.

    One thread, because GDAL 3.10 loses the errors of JPEG 2000 tiles that it decodes in others and gives zeros for a
    truncated file. Files beside an image are not looked for: they may be of any format, and lead to any other file.
    """
    options: dict[str, object] = {
        "GDAL_NUM_THREADS": "1",
        "GDAL_CACHEMAX": CACHE_BYTES,
        "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",  # so that GDAL opens no URL, if anything should name it one
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    }
    with rasterio.Env(**options):
        yield


class GdalRaster(Raster):
    """A raster file that GDAL has open.

    Attributes:
        dataset: GDAL's view of it.
        name: its name in messages.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        name: str,
        open_overview: Callable[[int], "GdalRaster"],
        *,
        remote: RemoteRaster | None = None,
        codestream: Codestream | None = None,
        copy: IO[bytes] | None = None,
        local: HeldFile | None = None,
        overview: int | None = None,
    ) -> None:
        """Take an open dataset.

        Args:
            dataset: GDAL's view of the file.
            name: its name in messages.
            open_overview: opens one of its overviews, from 0.
            remote: the file at a server that it is read from, if it is.
            codestream: where its tiles are, of a JPEG 2000 file that is read from a server.
            copy: the whole of a file at a server on this machine's disk, if it is read from that.
            local: the open file of this machine that it is read from, or the archive in which it is.
            overview: which of the file's overviews it is, from 0; None for the full size.
        """
        self.dataset, self.name = dataset, name
        self.copied_bytes = remote.file.size if copy is not None and remote is not None else 0
        self._open_overview = open_overview
        self._remote, self._codestream, self._copy, self._local = remote, codestream, copy, local
        self._overview = overview

    @property
    def identity(self) -> str:
        """Size and time of a file here; ETag, or size and time, of one at a server."""
        if self._remote is not None:
            return self._remote.file.identity
        if self._local is None:
            raise ValueError("an image is read from a file of this machine or of a server")
        return self._local.identity if self._local.is_still_at(file_of(self.name)) else "another file is there now"

    @cached_property
    def info(self) -> RasterInfo:
        """See `Raster`; a band is named by its description, then by its colour."""
        opened = self.dataset
        stated = zip(
            opened.dtypes, opened.block_shapes, opened.nodatavals, opened.scales, opened.offsets,
            opened.descriptions, opened.colorinterp,
            strict=True,
        )  # fmt: skip
        bands = tuple(
            BandInfo(dtype, (columns, rows), nodata, scale, offset, (text, colour.name), colour is ColorInterp.alpha)
            for dtype, (rows, columns), nodata, scale, offset, text, colour in stated
        )
        return RasterInfo(opened.width, opened.height, opened.transform, bands)

    @property
    def crs(self) -> str | None:
        """See `Raster`."""
        try:
            found = self.dataset.crs
        except CRSError as error:
            raise RequestError(f"PROJ cannot read the coordinate reference system of {self.name} ({error})") from None
        return None if found is None else str(found.to_string())

    @property
    def placement_problem(self) -> str:
        """See `Raster`."""
        points, _ = self.dataset.gcps
        if points:
            return (
                f"is placed by {len(points)} ground control points (GCPs) and has no transform, so its pixels are not "
                "on a grid; warp it first, as gdalwarp -tps does"
            )
        if self.dataset.rpcs is not None:
            return (
                "is placed by rational polynomial coefficients (RPCs) and has no transform, so its pixels are not on a "
                "grid; orthorectify it first, as gdalwarp -rpc does with an elevation model"
            )
        return "is not georeferenced: it has no transform from pixels to the ground; assign one, as gdal_edit.py does"

    def averaged_overviews(self, band: int) -> tuple[int, ...]:
        """See `Raster`.

        The overviews are in the file itself, which says that they were averaged, and they halve the image without a
        remainder. The image has neither a mask nor alpha: colours of hidden pixels would be in the averages.
        """
        opened = self.dataset
        if opened.driver != "GTiff" or self._masks(band):
            return ()
        found: list[int] = []
        for level, factor in enumerate(opened.overviews(band)):
            smaller = self._open_overview(level)
            size = (smaller.dataset.width * factor, smaller.dataset.height * factor)
            averaged = smaller.dataset.tags(band).get("RESAMPLING") == "AVERAGE"
            smaller.close()
            if not averaged or size != (opened.width, opened.height):
                break
            found.append(factor)
        return tuple(found)

    def ranges(self, band: int, window: Window) -> list[tuple[int, int]]:
        """See `Raster`. None of an overview, of which GDAL tells no places: it is small, and read as GDAL asks."""
        if self._remote is None or self._copy is not None or self._overview is not None:
            return []
        if self._codestream is not None:
            return self._codestream.ranges(window)
        return _block_ranges(self.dataset, band, window)

    def fetch(self, band: int, window: Window) -> None:
        """Have the blocks of a window at hand, with few requests, before GDAL asks for them one by one."""
        if self._remote is not None and (ranges := self.ranges(band, window)):
            self._remote.file.fetch(ranges)

    def read(self, band: int, window: Window) -> NDArray[Any]:
        """See `Raster`."""
        return self._read(self.dataset.read, band, window)

    def hidden(self, band: int, window: Window) -> Iterator[NDArray[np.bool_]]:
        """See `Raster`."""
        for mask in self._masks(band):
            shown = self._read(self.dataset.read_masks, band, window) if mask == _WHOLE else self.read(mask, window)
            yield ~(shown > 0)  # NaN in alpha hides too

    def close(self) -> None:
        """Close it, its file and its copy."""
        self.dataset.close()
        for file in (self._local, self._copy):
            if file is not None:
                file.close()

    def _read(self, read: Callable[..., NDArray[Any]], band: int, window: Window) -> NDArray[Any]:
        region = rasterio.windows.Window(
            window.left, window.top, window.right - window.left, window.bottom - window.top
        )
        self.fetch(band, window)
        try:
            with raster_environment():
                found = read(band, window=region)
        except RasterioIOError as error:
            self._raise_failure()
            raise RequestError(f"{self.name} cannot be read completely; the file is damaged or incomplete") from error
        self._raise_failure()
        return found

    def _raise_failure(self) -> None:
        """Raise what its server did while GDAL read, which GDAL passes over, if anything."""
        if self._remote is not None:
            self._remote.raise_failure()

    def _masks(self, band: int) -> tuple[int, ...]:
        """What hides pixels of a band where it is 0: alpha bands by their numbers, and _WHOLE.

        GDAL itself uses alpha only in images of two or four bands, and not beside a nodata number. Alpha that is partly
        transparent hides nothing: as in GDAL's masks, 0 is invalid and all other numbers are valid. Alpha that is read
        as a band itself is hidden by no alpha.
        """
        alphas = [number for number, each in enumerate(self.info.bands, 1) if each.alpha]
        flags = self.dataset.mask_flag_enums[band - 1]
        whole = [_WHOLE] if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags else []
        return (*([] if band in alphas else alphas), *whole)


def _block_ranges(dataset: DatasetReader, band: int, window: Window) -> list[tuple[int, int]]:
    """Where in a TIFF the blocks of a window lie, as GDAL's metadata of the domain TIFF say."""
    rows, columns = dataset.block_shapes[band - 1]
    found = []
    for row in range(window.top // rows, -(-window.bottom // rows)):
        for column in range(window.left // columns, -(-window.right // columns)):
            start = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
            size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
            if start and size:  # a block without data lies nowhere
                found.append((int(start), int(start) + int(size)))
    return found
