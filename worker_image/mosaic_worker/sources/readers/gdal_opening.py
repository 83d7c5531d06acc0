"""Opens images with GDAL, only with drivers that read nothing but the file itself, and never by a URL.

GDAL gets an open file, or for a file on a server an object that reads its bytes. So it sends no requests, and reads no
files beside the image.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from tempfile import TemporaryFile, gettempdir
from typing import IO

import numpy as np
import rasterio
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader

from mosaic_worker.sources.access.gate import Gate, is_url, redacted
from mosaic_worker.sources.access.local_files import HeldFile, descriptor_name, open_file
from mosaic_worker.sources.access.zips import file_of, gdal_name, open_bytes
from mosaic_worker.sources.http.client import at_field
from mosaic_worker.sources.http.remote_files import RemoteFile, RemoteFiles
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.gdal_raster import GdalRaster
from mosaic_worker.sources.readers.jpeg2000 import Codestream, is_jpeg2000
from mosaic_worker.sources.readers.remote_raster import RemoteRaster

DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG")
LARGEST_BLOCK = 256 * 2**20
"""Maximum bytes of a decoded block with all of its bands. One huge strip, or hundreds of interleaved bands, would fill
the memory of a pod. The largest band of Sentinel-2 in one strip has 230 MiB."""
DECODED_BYTES = 4
"""Bytes of a sample of JPEG 2000 during decoding."""
MOST_TILE_COMPONENTS = 100_000
"""Maximum tiles x components of a JPEG 2000 file; the decoder needs a kilobyte for each when it opens the file."""
MOST_CODE_BLOCKS = 500_000
"""Maximum code-blocks of a JPEG 2000 tile; the decoder needs some hundred bytes for each when it reads the tile."""


def open_gdal(
    admitted: str,
    where: str,
    files: RemoteFiles | None = None,
    room: Callable[[int], None] | None = None,
    overview: int | None = None,
) -> GdalRaster:
    """Open an admitted path, or an admitted, unsigned URL.

    Args:
        admitted: the path or URL.
        where: the field that names it.
        files: the remote files, required for a URL, with the gate that also checks paths. None for trusted files.
        room: makes room on the disk for so many bytes. If given, a JPEG 2000 file without an index of its tiles is
            copied completely, because finding its tiles takes a request for each. Without it, only headers are read.
        overview: the overview to open instead of the image, from 0.

    Raises:
        RequestError: the file does not exist, or is not a usable image.
        PassingError: a server did not respond.
    """
    reopen = partial(open_gdal, admitted, where, files, None)
    if not is_url(admitted):
        return _local(admitted, where, files.client.gate if files is not None else None, overview, reopen)
    if files is None:
        raise ValueError("a URL needs remote files")
    raster, name, copy = RemoteRaster(files.get(admitted)), redacted(admitted), None
    with at_field(where):
        codestream = _codestream(raster.file.read, name)
        if room is not None and is_copied(raster.file):
            room(raster.file.size)
            copy = _copied(raster.file)
    try:
        dataset = _dataset(name, where, raster, copy, overview)
        image = GdalRaster(dataset, name, reopen, remote=raster, codestream=codestream, copy=copy, overview=overview)
        return _checked(image, where)
    except MosaicError:
        if copy is not None:
            copy.close()
        raise


def _local(
    admitted: str, where: str, gate: Gate | None, overview: int | None, reopen: Callable[[int], GdalRaster]
) -> GdalRaster:
    """Open a local file, or a file in an archive."""
    archive = file_of(admitted)
    with at_field(where), open_file(archive, gate) as file:
        alone, held = archive == admitted, HeldFile(file)
        with nullcontext(file) if alone else open_bytes(admitted, gate) as content:
            _codestream(partial(_read_at, content), admitted)
    path = held.path if alone else gdal_name(admitted)
    dataset = _dataset(admitted, where, overview=overview, path=path)
    image = GdalRaster(dataset, admitted, reopen, local=held, overview=overview)
    if not (alone or held.is_still_at(archive)):  # GDAL opens an archive by path
        image.close()
        raise RequestError(f"{where}: {archive} changed while it was opened; run the request again")
    return _checked(image, where)


def is_copied(file: RemoteFile) -> bool:
    """Whether pixels are read from a local copy: the file is JPEG 2000 without an index of its tiles."""
    codestream = Codestream.of(file.read)
    return codestream is not None and not codestream.indexed


def _dataset(
    name: str,
    where: str,
    raster: RemoteRaster | None = None,
    copy: IO[bytes] | None = None,
    overview: int | None = None,
    path: str = "",
) -> DatasetReader:
    """Open a path, a copy of a remote file, or a remote file that GDAL reads through `raster`."""
    level = {} if overview is None else {"OVERVIEW_LEVEL": overview}
    with raster_environment(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # reported later if it matters
        for driver in DRIVERS:
            try:
                if copy is not None:
                    return rasterio.open(descriptor_name(copy.fileno()), driver=driver, **level)
                if raster is not None:
                    return rasterio.open(RemoteRaster.NAME, driver=driver, opener=raster, **level)
                return rasterio.open(path, driver=driver, **level)
            except RasterioIOError:
                if raster is not None:
                    with at_field(where):
                        raster.raise_failure()
            except UnicodeDecodeError:  # rasterio reads the CRS when it opens a file
                raise RequestError(
                    f"{where}: {name} has a coordinate reference system that is not UTF-8; assign it again with "
                    "gdal_edit.py -a_srs"
                ) from None
    raise RequestError(f"{where}: {name} is not a GeoTIFF, JPEG 2000 or PNG image, or is damaged")


def _copied(file: RemoteFile) -> IO[bytes]:
    """A copy of a file on the local disk; without a name, so it disappears with the process.

    Raises:
        PassingError: the disk is full.
    """
    copy = TemporaryFile(prefix="mosaic-")  # noqa: SIM115 (the caller closes it)
    try:
        file.save(copy)
        copy.flush()
    except BaseException as error:
        copy.close()
        if isinstance(error, OSError):
            raise PassingError(f"{file.name} cannot be copied to {gettempdir()}: {error.strerror}") from None
        raise
    return copy


def _checked(image: GdalRaster, where: str) -> GdalRaster:
    """Refuse images that refer to other files, or whose blocks are too large."""
    dataset, problem = image.dataset, None
    if dataset.count == 0 or dataset.subdatasets:
        problem = "contains several datasets instead of one image"
    elif any(dtype.startswith("complex") for dtype in dataset.dtypes):
        problem = "contains complex numbers, which no product supports; convert them to reals, such as amplitudes"
    elif "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        problem = "refers to another file for its overviews"
    elif len(dataset.files) > 1:
        problem = "consists of several files, but only the image file itself is read"
    else:
        rows, columns = dataset.block_shapes[0]
        bands = dataset.count if dataset.interleaving is Interleaving.pixel else 1
        if rows * columns * bands * _sample_bytes(dataset) > LARGEST_BLOCK:
            together = f" with {bands} bands each" if bands > 1 else ""
            problem = f"is stored in blocks of {columns} x {rows} pixels{together}, too large to decode"
    if problem:
        image.close()
        raise RequestError(f"{where}: {image.name} {problem}")
    return image


def _sample_bytes(dataset: DatasetReader) -> int:
    """Bytes of a decoded sample of the largest type of the bands."""
    stored: int = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    return max(stored, DECODED_BYTES) if dataset.driver == "JP2OpenJPEG" else stored


def _read_at(file: IO[bytes], start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _codestream(read: Callable[[int, int], bytes], name: str) -> Codestream | None:
    """The main header of a JPEG 2000 file; None for other files.

    It is checked before the decoder allocates memory for each part that it declares.

    Raises:
        RequestError: it is damaged, or declares too many parts.
    """
    if not is_jpeg2000(read):
        return None
    found = Codestream.of(read)
    if found is None:
        raise RequestError(f"{name} is a damaged JPEG 2000 file: its header cannot be read")
    if found.tiles * found.components > MOST_TILE_COMPONENTS:
        raise RequestError(
            f"{name} is stored in {found.tiles} tiles of {found.components} components, too many to decode"
        )
    if found.code_blocks > MOST_CODE_BLOCKS:
        raise RequestError(f"{name} is stored in tiles of {found.code_blocks} code-blocks, too many to decode")
    return found
