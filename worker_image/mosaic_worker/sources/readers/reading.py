"""Reads pixels of sources on a grid: resampled, calibrated, and with "no data"."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import (
    Kernel,
    Piece,
    Window,
    coarseness,
    coincides,
    kernel_for,
    mask_kernel_for,
    pieces,
)
from mosaic_worker.sources.http.client import at_field
from mosaic_worker.sources.masks import UNKNOWN, mask_codes
from mosaic_worker.sources.readers.nodata import is_nodata, numbers_of
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.readers.raster import Raster
from mosaic_worker.sources.scenes import Band, Mask

Floats = NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.uint8)


def band_pieces(band: Band, grid: Grid, asked: Kernel | None) -> tuple[int | None, list[Piece]]:
    """What is read of a band for a grid: an overview (None for the image), and its parts."""
    kernel = kernel_for(band.header.grid, grid, asked)
    overview, image = image_to_read(band, grid, kernel)
    return overview, pieces(image, grid, kernel)


def windows_of_band(band: Band, grid: Grid, asked: Kernel | None) -> Iterator[WindowToRead]:
    """The windows that `read_band` reads."""
    overview, parts = band_pieces(band, grid, asked)
    for piece in parts:
        for window in piece.windows:
            yield band.href, overview, band.band, window


def mask_pieces(image: Grid, grid: Grid, kernel: Kernel | None = None) -> list[Piece]:
    """The parts of a mask on the pixels of an image that a grid needs, with the usual kernel or another one."""
    return pieces(image, grid, kernel or mask_kernel_for(image, grid))


def read_band(sources: OpenSources, band: Band, grid: Grid, asked: Kernel | None, where: str) -> Floats | None:
    """The calibrated values of a band on a grid: float32 (height, width), NaN for no data; None if all are NaN.

    A pixel has a value if its centre is in a valid source pixel; an average, if a valid one touches it.
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


def read_mask(
    sources: OpenSources, mask: Mask, grid: Grid, composite: Composite, where: str, kernel: Kernel | None = None
) -> NDArray[np.uint8]:
    """A mask on a grid: uint8 (height, width), one of CLEAR, FLAGGED and UNKNOWN. `composite` says what is flagged.

    On a coarser grid a pixel is flagged if any part of it is, unless another kernel is given. UNKNOWN is the nodata of
    the layer and everything outside it. A nodata number 0 of the file is ignored: in most masks it is a class such as
    "no cloud".
    """

    def read(window: Window) -> NDArray[np.uint8]:
        image = sources.get(mask.href, where, mask.header.identity)
        numbers = read_window(image, mask.band, window, where)
        codes = mask_codes(numbers, mask.values, composite)
        for nodata in filter(None, numbers_of([image.info.bands[mask.band - 1].nodata], mask.header.dtype)):
            codes[is_nodata(numbers, nodata)] = UNKNOWN
        _hide(codes, UNKNOWN, image, mask.band, window, where)
        return codes

    return codes_on_grid(mask.header.grid, read, grid, kernel)


def codes_on_grid(
    image: Grid, read: Callable[[Window], NDArray[np.uint8]], grid: Grid, kernel: Kernel | None = None
) -> NDArray[np.uint8]:
    """The codes of a mask on a grid, UNKNOWN outside it.

    Args:
        image: the pixels of the mask.
        read: returns the codes of a window of the image.
        grid: the grid.
        kernel: the kernel, if not the usual one.
    """
    kernel = kernel or mask_kernel_for(image, grid)
    codes = _pieces_on_grid(mask_pieces(image, grid, kernel), read, grid, kernel, UNKNOWN)
    return np.full((grid.height, grid.width), UNKNOWN, np.uint8) if codes is None else codes


def _numbers(image: Raster, band: Band, window: Window, where: str) -> Floats:
    """The uncalibrated numbers of a window, NaN for no data."""
    numbers = read_window(image, band.band, window, where)
    with np.errstate(over="ignore"):
        values = numbers.astype(np.float32)
    if numbers.dtype.kind == "f":
        _finite(values)
    for nodata in band.nodata:
        np.copyto(values, np.nan, where=is_nodata(numbers, nodata))
    _hide(values, np.nan, image, band.band, window, where)
    return values


def _finite(values: Floats) -> Floats:
    """Replace infinite values by NaN, in place."""
    infinite = np.isinf(values)
    if infinite.any():
        values[infinite] = np.nan
    return values


def _spread(image: Raster, band: Band, window: Window, where: str) -> NDArray[np.bool_]:
    """Pixels of an overview that are not finite, because at least one averaged pixel is not.

    When GDAL averages, it skips only the nodata number of the file.
    """
    numbers = read_window(image, band.band, window, where)
    own = image.info.bands[band.band - 1].nodata
    spread: NDArray[np.bool_] = np.isinf(numbers) if own is not None and np.isnan(own) else ~np.isfinite(numbers)
    return spread


def read_window(image: Raster, band: int, window: Window, where: str) -> NDArray[Any]:
    """The stored numbers of a window; errors have the prefix `where`."""
    with at_field(where):
        return image.read(band, window)


def _hide(values: NDArray[Any], as_number: float, image: Raster, band: int, window: Window, where: str) -> None:
    """Set the pixels of a window that masks and alpha bands of the image hide."""
    with at_field(where):
        for hidden in image.hidden(band, window):
            np.copyto(values, as_number, where=hidden)


def _pieces_on_grid(
    parts: Sequence[Piece], read: Callable[[Window], NDArray[Number]], grid: Grid, kernel: Kernel, absent: float
) -> NDArray[Number] | None:
    """The parts of an image on a grid, `absent` outside them; None without parts."""
    found: NDArray[Number] | None = None
    for piece in parts:
        numbers = [read(window) for window in piece.windows]
        together = numbers[0] if len(numbers) == 1 else np.concatenate(numbers, axis=1)
        here = _on_grid(together, piece, grid, kernel, absent)
        if found is None:
            found = here
        else:
            missing = np.isnan(found) if math.isnan(absent) else found == absent
            np.copyto(found, here, where=missing)
    return found


def _on_grid(numbers: NDArray[Number], piece: Piece, grid: Grid, kernel: Kernel, absent: float) -> NDArray[Number]:
    """A part of an image on a grid, `absent` outside it."""
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
    from mosaic_worker.geometry.warping import warp  # noqa: PLC0415 - OpenCV takes time, and many requests do not need it

    source = image.window(window.left, window.top, numbers.shape[1], numbers.shape[0])
    return warp(numbers, source, grid, kernel, coarseness(image, grid), absent)
