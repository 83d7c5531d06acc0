"""Pixels of sources on a grid: read, resampled and calibrated. Nothing is decided here that the plan could decide."""

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import rasterio.windows
from mosaic_crds import worker_pod
from mosaic_crds.errors import MosaicError, RequestError
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_crs
from mosaic_worker.geometry.projection import crs_of, projecting, world_of
from mosaic_worker.geometry.sampling import (
    COARSER,
    RESAMPLING,
    Kernel,
    Piece,
    Window,
    coarseness,
    coincides,
    kernel_for,
    mask_kernel_for,
    pieces,
)
from mosaic_worker.sources.access.gate import Gate, is_url
from mosaic_worker.sources.http.client import Client, saying
from mosaic_worker.sources.http.remote_files import HEAD, MEMORY, RemoteFiles
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.masks import UNKNOWN, mask_codes
from mosaic_worker.sources.readers.nodata import MASK, is_nodata, masks_of, numbers_of
from mosaic_worker.sources.readers.opening import Image, is_copied, open_raster, raster_environment
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.scenes import Band, Mask

Floats = NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.uint8)
SCRATCH_BYTES = 2 * 2**30
EXPECTED_BYTES = MEMORY // 3
"""That are read ahead for a tile, while that of the tile before is still needed."""
EXPECTED_IMAGES = 32
Expected = tuple[str, int | None, int, Window]
"""An admitted path or URL, one of its overviews if not the image itself, a band, and a window that will be read."""
TOLERANCE = 1e-3
"""Pixels by which GDAL's warper may approximate a place between two exact ones."""


class OpenSources:
    """Images kept open, so that decoded blocks stay in GDAL's cache; the least recently used is closed first.

    Args:
        gate: what may be read.
        signer: what signs URLs.
        most: images at once.
        disk: bytes of files from servers that may lie on this machine's disk.
    """

    def __init__(self, gate: Gate, signer: Signer | None = None, most: int = 128, disk: int | None = None) -> None:
        self._gate = gate
        self._most = most
        self._disk = int(os.environ.get(worker_pod.ENV_SCRATCH_BYTES, SCRATCH_BYTES)) if disk is None else disk
        self._client = Client(gate, signer)
        self._files = RemoteFiles(self._client)
        self._open: OrderedDict[tuple[str, int | None], Image] = OrderedDict()

    def get(self, href: str, where: str, identity: str | None = None, overview: int | None = None) -> Image:
        """The open image of an admitted path or URL, or one of its overviews.

        Raises:
            RequestError: it is not what had this identity when the plan was made, so that tiles would not fit together.
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
            raise RequestError(f"{where}: {image.name} changed since the plan was made; ask for the mosaic again")
        return image

    def expect(self, expected: Iterable[Expected]) -> None:
        """Have what lies at servers read in the background, as much of it as the memory for it takes.

        What cannot be had now is asked for again when it is read, so nothing is said of it here.
        """
        remote = [
            (href, band, window) for href, overview, band, window in expected if overview is None and is_url(href)
        ][:EXPECTED_IMAGES]
        for href in dict.fromkeys(href for href, _, _ in remote if (href, None) not in self._open):
            self._files.get(href).expect([(0, HEAD)])
        left = EXPECTED_BYTES
        for href, band, window in remote:
            with suppress(MosaicError):
                if (href, None) in self._open or not is_copied(self._files.get(href)):
                    ranges = self.get(href, href).ranges(band, window)
                    left -= sum(stop - start for start, stop in ranges)
                    if left < 0:
                        return
                    self._files.get(href).expect(ranges)

    def forget(self) -> None:
        """Close all and forget what was read of it, so that files are opened and read again."""
        self.close()
        self._files = RemoteFiles(self._client)

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()
        self._files.close()

    def _make_room(self, size: int) -> None:
        """Close the copied files that were not used for longest, until one of so many bytes fits on the disk."""
        if size > self._disk:
            raise RequestError(
                f"a JPEG 2000 file without TLM markers is copied whole, and this one has {size} bytes where "
                f"{worker_pod.ENV_SCRATCH_BYTES} allows {self._disk}; use a Cloud Optimized GeoTIFF"
            )
        copied = [(key, image.remote.file.size) for key, image in self._open.items() if image.copy and image.remote]
        while sum(taken for _, taken in copied) + size > self._disk:
            self._open.pop(copied.pop(0)[0]).close()


def band_pieces(band: Band, grid: Grid, asked: Kernel | None) -> tuple[int | None, list[Piece]]:
    """What is read of a band for a grid: an overview by its number, or None for the image itself; and its parts."""
    kernel = kernel_for(band.header.grid, grid, asked)
    overview, image = image_to_read(band, grid, kernel)
    return overview, pieces(image, grid, kernel)


def mask_pieces(mask: Mask, grid: Grid) -> list[Piece]:
    """The parts of a mask that are needed for a grid."""
    return pieces(mask.header.grid, grid, mask_kernel_for(mask.header.grid, grid))


def read_band(sources: OpenSources, band: Band, grid: Grid, asked: Kernel | None, where: str) -> Floats | None:
    """A band's calibrated values on a grid: float32 (height, width), NaN where there are none; None where all are NaN.

    A pixel has a value where its centre lies in a valid source pixel; averaged, where any valid one touches it.
    """
    kernel = kernel_for(band.header.grid, grid, asked)
    overview, parts = band_pieces(band, grid, asked)

    def read(level: int | None, window: Window) -> Floats:
        return _numbers(sources.get(band.href, where, band.header.identity, level), band, window, where)

    values = _pieces_on_grid(parts, lambda window: read(overview, window), grid, kernel, np.nan)
    if values is None:
        return None
    if overview is not None and band.header.dtype.startswith("float"):
        opened = sources.get(band.href, where, band.header.identity, overview)
        if any(_spread(opened, band, window, where).any() for piece in parts for window in piece.windows):
            spread = _pieces_on_grid(
                parts, lambda window: _spread(opened, band, window, where).astype(np.uint8), grid, "max", 0
            )
            whole = pieces(band.header.grid, grid, kernel)
            exact = _pieces_on_grid(whole, lambda window: read(None, window), grid, kernel, np.nan)
            if spread is not None and exact is not None:
                values[spread != 0] = exact[spread != 0]
    if (band.scale, band.offset) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):
            values *= np.float32(band.scale)
            values += np.float32(band.offset)
    return _finite(values)


def read_mask(sources: OpenSources, mask: Mask, grid: Grid, classes: Sequence[str], where: str) -> NDArray[np.uint8]:
    """What a mask layer says on a grid: uint8 (height, width), one of CLEAR, FLAGGED and UNKNOWN.

    Onto a coarser grid a pixel is flagged when any part of it is. Unknown is what the layer calls "no data", and what
    lies beyond it. Files that call 0 so do not count: it is a class of most masks, such as "no cloud".
    """
    kernel = mask_kernel_for(mask.header.grid, grid)

    def read(window: Window) -> NDArray[np.uint8]:
        image = sources.get(mask.href, where, mask.header.identity)
        numbers = _read(image, mask.band, window, where)
        codes = mask_codes(numbers, mask.values, classes)
        for nodata in filter(None, numbers_of([image.dataset.nodatavals[mask.band - 1]], mask.header.dtype)):
            codes[is_nodata(numbers, nodata)] = UNKNOWN
        for hidden in _hidden(image, mask.band, window, where):
            codes[hidden] = UNKNOWN
        return codes

    codes = _pieces_on_grid(mask_pieces(mask, grid), read, grid, kernel, UNKNOWN)
    return np.full((grid.height, grid.width), UNKNOWN, np.uint8) if codes is None else codes


def _numbers(image: Image, band: Band, window: Window, where: str) -> Floats:
    """A window's numbers, uncalibrated, with NaN where the source says there are none."""
    numbers = _read(image, band.band, window, where)
    with np.errstate(over="ignore"):
        values = numbers.astype(np.float32)
    if numbers.dtype.kind == "f":
        _finite(values)
    for nodata in band.nodata:
        values[is_nodata(numbers, nodata)] = np.nan
    for hidden in _hidden(image, band.band, window, where):
        values[hidden] = np.nan
    return values


def _finite(values: Floats) -> Floats:
    """The same array, in which infinite values are no data."""
    infinite = np.isinf(values)
    if infinite.any():
        values[infinite] = np.nan
    return values


def _hidden(image: Image, band: int, window: Window, where: str) -> Iterator[NDArray[np.bool_]]:
    """Where masks and alpha bands of the image itself hide a window of a band."""
    for mask in masks_of(image.dataset, band):
        shown = _read(image, band if mask == MASK else mask, window, where, masks=mask == MASK)
        yield ~(shown > 0)  # NaN in alpha hides too


def _spread(image: Image, band: Band, window: Window, where: str) -> NDArray[np.bool_]:
    """Which pixels of an overview are not finite because some, but perhaps not all, of the pixels below them are.

    GDAL leaves out only the file's nodata number when it averages.
    """
    numbers = _read(image, band.band, window, where)
    own = image.dataset.nodatavals[band.band - 1]
    spread: NDArray[np.bool_] = np.isinf(numbers) if own is not None and np.isnan(own) else ~np.isfinite(numbers)
    return spread


def _read(image: Image, band: int, window: Window, where: str, masks: bool = False) -> NDArray[Any]:
    region = rasterio.windows.Window(window.left, window.top, window.right - window.left, window.bottom - window.top)
    with saying(where):
        image.fetch(band, window)
    try:
        with raster_environment():
            read = image.dataset.read_masks if masks else image.dataset.read
            found: NDArray[Any] = read(band, window=region)
    except RasterioIOError as error:
        image.raise_failure(where)
        raise RequestError(
            f"{where}: {image.name} cannot be read to its end; the file is damaged or incomplete"
        ) from error
    image.raise_failure(where)
    return found


def _pieces_on_grid(
    parts: Sequence[Piece], read: Callable[[Window], NDArray[Number]], grid: Grid, kernel: Kernel, absent: float
) -> NDArray[Number] | None:
    """What is read of the parts of an image on a grid, `absent` where none reaches; None without parts."""
    found: NDArray[Number] | None = None
    for piece in parts:
        numbers = [read(window) for window in piece.windows]
        together = numbers[0] if len(numbers) == 1 else np.concatenate(numbers, axis=1)
        here = _on_grid(together, piece, grid, kernel, absent)
        if found is None:
            found = here
        else:
            missing = np.isnan(found) if math.isnan(absent) else found == absent
            found[missing] = here[missing]
    return found


def _on_grid(numbers: NDArray[Number], piece: Piece, grid: Grid, kernel: Kernel, absent: float) -> NDArray[Number]:
    """Numbers of a part of an image on a grid, `absent` where it does not reach."""
    image, window = piece.image, piece.window
    if coincides(image, grid):
        if numbers.shape == (grid.height, grid.width):
            return numbers
        found = np.full((grid.height, grid.width), absent, numbers.dtype)
        column = round((image.left - grid.left) / grid.xres) + window.left
        row = round((grid.top - image.top) / grid.yres) + window.top
        inside = Window(column, row, column + numbers.shape[1], row + numbers.shape[0]).clipped(grid.width, grid.height)
        found[inside.top : inside.bottom, inside.left : inside.right] = numbers[
            inside.top - row : inside.bottom - row, inside.left - column : inside.right - column
        ]
        return found
    source = image.window(window.left, window.top, numbers.shape[1], numbers.shape[0])
    return warp(numbers, source, grid, kernel, coarseness(image, grid), absent)


def warp(
    numbers: NDArray[Number], source: Grid, grid: Grid, kernel: Kernel, coarser: tuple[float, float], absent: float
) -> NDArray[Number]:
    """Bring numbers from one grid onto another with GDAL's warper.

    The outcome depends on the two grids alone: the reach of the kernel is fixed by `coarser`, where GDAL would take it
    from the size of the windows. WarpedVRT and not rasterio.warp.reproject, whose places are off by up to an eighth
    of a pixel with nothing to be done about it (rasterio 1.4).

    Args:
        numbers: (height, width) on the source grid.
        source: where they lie.
        grid: where they are wanted.
        kernel: how to resample.
        coarser: how many source pixels, across and down, a pixel of the grid is wide.
        absent: the number that means "no data", in both.
    """
    scales = zip(("XSCALE", "YSCALE"), coarser, strict=True)  # in GDAL's words: grid pixels per source pixel
    reach = {name: 1 / ratio if ratio > COARSER else 1.0 for name, ratio in scales}
    world = world_of(source.crs)
    left, _, right, _ = source.bounds
    beyond = world is not None and source.crs != grid.crs and (left < world[0] or right > world[1])
    with projecting(source.crs, grid.crs), MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=source.width,
            height=source.height,
            count=1,
            dtype=numbers.dtype,
            crs=crs_of(source.crs),
            transform=source.transform,
            nodata=absent,
        ) as dataset:
            dataset.write(numbers, 1)
        with (
            memory.open() as dataset,
            WarpedVRT(
                dataset,
                src_crs=continuous_crs(source.crs, (left + right) / 2) if beyond else None,
                crs=crs_of(grid.crs),
                transform=grid.transform,
                width=grid.width,
                height=grid.height,
                resampling=RESAMPLING[kernel],
                tolerance=TOLERANCE,
                **reach,
            ) as warped,
        ):
            found: NDArray[Number] = warped.read(1)
    return found
