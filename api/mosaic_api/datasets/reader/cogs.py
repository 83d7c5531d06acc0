"""Writes the display copy of an image: a Cloud Optimized GeoTIFF for tiles and values.

It has the pixels of the image, but marks valid ones in a way that GDAL's warper, overviews and masks all understand.
GDAL uses an alpha band as a mask only in images of two or four bands of 8 or 16 bits, and ignores alpha and mask bands
if there is a nodata value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.shutil import copy
from rasterio.windows import Window

from mosaic_api.datasets.reader.bands import name_of, nodata_of

LARGEST_SHOWN_BLOCK = 4 * 2**20
"""Bytes of a decoded block."""
STRIP_BYTES = 64 * 2**20
"""Bytes that are rewritten in one step."""
BLOCK_SIDE = 256
PLAIN = {"driver": "GTiff", "compress": "ZSTD", "zstd_level": 1, "tiled": True, "bigtiff": "IF_SAFER"}
"""Options of the files that COGs are made from."""
_COG = {"driver": "COG", "COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES", "BIGTIFF": "IF_SAFER"}
_WITHOUT_NODATA = ("int64", "uint64")
"""Types whose nodata value the warper ignores."""


def check_size(dataset: DatasetReader, most_bytes: int) -> None:
    """Refuse an image whose display copy would take hours and gigabytes; a small file may repeat one tile.

    Raises:
        RequestError: its pixels have more bytes.
    """
    size = dataset.width * dataset.height * _pixel_bytes(dataset) * 4 // 3  # with overviews
    if size > most_bytes:
        raise RequestError(
            f"file: the image has {dataset.width} x {dataset.height} pixels in {dataset.count} bands, together "
            f"{size / 2**30:.1f} GiB; at most {most_bytes / 2**30:.1f} GiB can be shown; split it"
        )


def write_cog(dataset: DatasetReader, display: str) -> None:
    """Write the display copy of an image.

    Overviews of numbers that may be classes are not averaged. The image's own overviews are only used if they cannot
    contain averages with no data or with other classes.
    """
    with _with_one_mask(dataset, Path(display).with_suffix(".rewritten.tif")) as source:
        classes = np.issubdtype(np.dtype(source.dtypes[0]), np.integer) and source.count < 3
        valid = all(MaskFlags.all_valid in flags for flags in source.mask_flag_enums)
        copy(
            source,
            display,
            OVERVIEWS="AUTO" if valid and not classes else "IGNORE_EXISTING",
            OVERVIEW_RESAMPLING="NEAREST" if classes else "AVERAGE",
            BLOCKSIZE=str(_block_side(source)),
            NBITS=str(8 * np.dtype(source.dtypes[0]).itemsize),  # the predictor does not support 15 bits
            **_COG,
        )


@contextmanager
def _with_one_mask(dataset: DatasetReader, path: Path) -> Iterator[DatasetReader]:
    """An image that marks valid pixels in one way: itself, or a copy with a nodata value or a mask."""
    alphas = [number for number, kind in enumerate(dataset.colorinterp, 1) if kind is ColorInterp.alpha]
    flags, nodata, dtype = dataset.mask_flag_enums[0], nodata_of(dataset), dataset.dtypes[0]
    misunderstood = (
        (bool(alphas) and not (MaskFlags.alpha in flags and dtype == "uint8"))
        or (nodata is not None and (bool(alphas) or MaskFlags.per_dataset in flags or dtype in _WITHOUT_NODATA))
        or (nodata is None and dataset.nodata is not None)
    )
    if not misunderstood:
        yield dataset
        return
    shown = [number for number in dataset.indexes if number not in alphas]
    if not shown:
        raise RequestError("file: the image only has alpha bands")
    _rewrite(dataset, shown, alphas, path)
    with rasterio.open(path) as rewritten:
        yield rewritten
    path.unlink()


def _rewrite(dataset: DatasetReader, shown: list[int], alphas: list[int], path: Path) -> None:
    """Write the bands of an image without alpha; invalid pixels become nodata, or are masked if there is no nodata."""
    nodata = nodata_of(dataset)
    profile = {name: getattr(dataset, name) for name in ("width", "height", "crs", "transform")} | {
        "count": len(shown),
        "dtype": dataset.dtypes[0],
        "nodata": None if dataset.dtypes[0] in _WITHOUT_NODATA else nodata,
        "interleave": "pixel" if dataset.interleaving is Interleaving.pixel else "band",
        "photometric": "MINISBLACK",
        "alpha": "NO",
        "blockxsize": BLOCK_SIDE,
        "blockysize": BLOCK_SIDE,
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **PLAIN | profile) as rewritten,
    ):
        _describe(dataset, shown, rewritten)
        for window in _strips(dataset):
            values, valid = dataset.read(shown, window=window), _valid(dataset, alphas, window)
            if rewritten.nodata is not None:
                values[:, ~valid] = rewritten.nodata
            elif nodata is not None:
                valid &= (values != int(nodata)).any(axis=0)
            rewritten.write(values, window=window)
            if rewritten.nodata is None:
                rewritten.write_mask(valid, window=window)


def _describe(dataset: DatasetReader, shown: list[int], rewritten: DatasetWriter) -> None:
    for number, original in enumerate(shown, 1):
        rewritten.set_band_description(number, name_of(dataset, original))
        if len(shown) == 1 and dataset.colorinterp[original - 1] is ColorInterp.palette:
            rewritten.write_colormap(number, dataset.colormap(original))
    rewritten.scales = [dataset.scales[original - 1] for original in shown]
    rewritten.offsets = [dataset.offsets[original - 1] for original in shown]


def _valid(dataset: DatasetReader, alphas: list[int], window: Window) -> NDArray[np.bool_]:
    """Which pixels of a window are valid by alpha bands and the mask of the file."""
    valid = np.ones((int(window.height), int(window.width)), np.bool_)
    for alpha in alphas:
        valid &= dataset.read(alpha, window=window) > 0
    if MaskFlags.per_dataset in dataset.mask_flag_enums[0] and MaskFlags.alpha not in dataset.mask_flag_enums[0]:
        valid &= dataset.read_masks(1, window=window) > 0
    return valid


def _strips(dataset: DatasetReader) -> Iterator[Window]:
    """Windows of whole rows, and of whole blocks unless these are too large."""
    rows = max(1, STRIP_BYTES // (dataset.width * _pixel_bytes(dataset)))
    rows -= rows % BLOCK_SIDE if rows > BLOCK_SIDE else 0
    for top in range(0, dataset.height, rows):
        yield Window(0, top, dataset.width, min(rows, dataset.height - top))


def _pixel_bytes(dataset: DatasetReader) -> int:
    """Bytes of a pixel with all bands."""
    return sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)


def _block_side(dataset: DatasetReader) -> int:
    """Width and height of a block. Each open dataset caches a decoded block with all bands."""
    return next((side for side in (256, 128) if side**2 * _pixel_bytes(dataset) <= LARGEST_SHOWN_BLOCK), 64)
