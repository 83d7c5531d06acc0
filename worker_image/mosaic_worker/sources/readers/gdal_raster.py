"""Raster files that GDAL reads."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import IO, Any

import numpy as np
import rasterio.windows
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError, RasterioIOError
from rasterio.io import DatasetReader

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.local_files import HeldFile
from mosaic_worker.sources.access.zips import file_of
from mosaic_worker.sources.readers.decoded_blocks import DECODED
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.jpeg2000 import Codestream
from mosaic_worker.sources.readers.raster import BandInfo, Raster, RasterInfo
from mosaic_worker.sources.readers.remote_raster import RemoteRaster

Block = tuple[int, int, int]
"""A band, and the column and row of a block."""
_WHOLE = 0
"""The mask of the whole image, which is not a band."""


class GdalRaster(Raster):
    """A raster file that GDAL has open.

    Attributes:
        dataset: the dataset of rasterio.
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
        """Wrap an open dataset.

        Args:
            dataset: the dataset of rasterio.
            name: its name in messages.
            open_overview: opens one of its overviews, from 0.
            remote: the file on a server, if any.
            codestream: the header of a remote JPEG 2000 file.
            copy: the local copy of the remote file, if any.
            local: the open local file, or the archive that contains it.
            overview: the overview that is open, from 0; None for the image.
        """
        self.dataset, self.name = dataset, name
        self.copied_bytes = remote.file.size if copy is not None and remote is not None else 0
        self._open_overview = open_overview
        self._remote, self._codestream, self._copy, self._local = remote, codestream, copy, local
        self._overview = overview

    @property
    def identity(self) -> str:
        """Size and time of a local file; ETag, or size and time, of a remote one."""
        if self._remote is not None:
            return self._remote.file.identity
        if self._local is None:
            raise ValueError("an image is either local or remote")
        return self._local.identity if self._local.is_still_at(file_of(self.name)) else "replaced"

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
                f"has {len(points)} ground control points (GCPs) and no transform, so its pixels are not on a grid; "
                "warp it first with gdalwarp -tps"
            )
        if self.dataset.rpcs is not None:
            return (
                "has rational polynomial coefficients (RPCs) and no transform, so its pixels are not on a grid; "
                "orthorectify it first with gdalwarp -rpc and an elevation model"
            )
        return "is not georeferenced: it has no transform; assign one with gdal_edit.py -a_ullr"

    def averaged_overviews(self, band: int) -> tuple[int, ...]:
        """See `Raster`.

        They are in the file itself, which states that they are averages, and they divide the image without remainder.
        The image has neither mask nor alpha, because then the averages would include hidden pixels.
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
        """See `Raster`. None for an overview: GDAL does not return the places of its blocks."""
        if self._remote is None or self._copy is not None or self._overview is not None:
            return []
        if self._codestream is not None:
            return self._codestream.ranges(window)
        return [
            (start, stop)
            for block in _blocks(self.dataset, band, window)
            if (id(self), *block) not in DECODED
            for start, stop in _block_range(self.dataset, *block)
        ]

    def fetch(self, band: int, window: Window) -> None:
        """Fetch the blocks of a window with few requests, before GDAL reads them one by one."""
        if self._remote is not None and (ranges := self.ranges(band, window)):
            self._remote.file.fetch(ranges)

    def read(self, band: int, window: Window) -> NDArray[Any]:
        """See `Raster`."""
        found = self._read(self.dataset.read, band, window)
        if self._remote is not None:
            rows, columns = self.dataset.block_shapes[band - 1]
            size = rows * columns * found.itemsize
            DECODED.add({(id(self), *block): size for block in _blocks(self.dataset, band, window)})
        return found

    def hidden(self, band: int, window: Window) -> Iterator[NDArray[np.bool_]]:
        """See `Raster`."""
        for mask in self._masks(band):
            shown = self._read(self.dataset.read_masks, band, window) if mask == _WHOLE else self.read(mask, window)
            yield ~(shown > 0)  # NaN in alpha also hides

    def close(self) -> None:
        """Close it, its file and its copy."""
        DECODED.forget(id(self))
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
        """Raise the error of the server during a read, if any, which GDAL ignores."""
        if self._remote is not None:
            self._remote.raise_failure()

    def _masks(self, band: int) -> tuple[int, ...]:
        """The masks of a band, which hide pixels where they are 0: numbers of alpha bands, and _WHOLE.

        GDAL itself uses alpha only in images of two or four bands without a nodata number. Partly transparent pixels
        are valid, as in masks of GDAL. Alpha that is read as a band is not masked by alpha.
        """
        alphas = [number for number, each in enumerate(self.info.bands, 1) if each.alpha]
        flags = self.dataset.mask_flag_enums[band - 1]
        whole = [_WHOLE] if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags else []
        return (*([] if band in alphas else alphas), *whole)


def _blocks(dataset: DatasetReader, band: int, window: Window) -> Iterator[Block]:
    """The blocks of a window."""
    rows, columns = dataset.block_shapes[band - 1]
    for row in range(window.top // rows, -(-window.bottom // rows)):
        for column in range(window.left // columns, -(-window.right // columns)):
            yield band, column, row


def _block_range(dataset: DatasetReader, band: int, column: int, row: int) -> list[tuple[int, int]]:
    """The byte range of a block of a TIFF, from the metadata domain TIFF of GDAL; empty without data."""
    start = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
    size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
    return [(int(start), int(start) + int(size))] if start and size else []
