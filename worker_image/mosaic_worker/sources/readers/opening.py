"""Images opened: with the drivers that read nothing but the file, and never by a URL.

GDAL is given an open file, or for a file at a server an object that reads its bytes. So it asks nobody, whatever it is
asked, and reads no file beside the image.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile, gettempdir
from typing import IO

import numpy as np
import rasterio
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.gate import Gate, is_url, shown
from mosaic_worker.sources.access.local_files import Held, descriptor_name, open_file
from mosaic_worker.sources.access.zips import file_of, gdal_name, open_bytes
from mosaic_worker.sources.http.client import saying
from mosaic_worker.sources.http.remote_files import RemoteFile, RemoteFiles
from mosaic_worker.sources.readers.jpeg2000 import Codestream, is_jpeg2000
from mosaic_worker.sources.readers.remote_raster import RemoteRaster

DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG")
LARGEST_BLOCK = 256 * 2**20
"""Bytes that decoding one block of a file may take, with all bands that are stored in it.

A file in one huge strip, or with hundreds of interleaved bands, would fill the memory of a pod. The largest band of
Sentinel-2 in one strip has 230 MiB.
"""
DECODED_BYTES = 4
"""Of a sample of JPEG 2000, while it is decoded."""
MOST_TILE_COMPONENTS = 100_000
"""Tiles times components of a JPEG 2000 file; the decoder keeps a kilobyte for each when it opens the file."""
MOST_CODE_BLOCKS = 500_000
"""Of one tile of a JPEG 2000 file; the decoder keeps some hundred bytes for each when it reads a pixel of the tile."""

CACHE_BYTES = 256 * 2**20
"""For decoded blocks of all sources of a process. In bytes: rasterio takes a number so, where GDAL itself would not."""


@dataclass(frozen=True)
class Image:
    """An open image.

    Attributes:
        dataset: what GDAL knows of it.
        name: how it is called in messages.
        remote: the file at a server that it is read from, if it is.
        codestream: where its tiles are, of a JPEG 2000 file that is read from a server.
        local: the open file of this machine that it is read from, or the archive in which it is.
        copy: the whole of a file at a server on this machine's disk, where it is read from that; gone when closed.
        overview: which of the file's overviews it is, from 0; None for the full size.
    """

    dataset: DatasetReader
    name: str
    remote: RemoteRaster | None = None
    local: Held | None = None
    codestream: Codestream | None = None
    copy: IO[bytes] | None = None
    overview: int | None = None

    @property
    def identity(self) -> str:
        """What changes when the file's content does: size and time here, ETag or size and time at a server."""
        if self.remote is not None:
            return self.remote.file.identity
        if self.local is None:
            raise ValueError("an image is read from a file of this machine or of a server")
        return self.local.identity if self.local.is_still_at(file_of(self.name)) else "another file is there now"

    def ranges(self, band: int, window: Window) -> list[tuple[int, int]]:
        """Bytes [start, stop) of the file at the server that hold the blocks of a window.

        None of an overview, of which GDAL tells no places: it is small, and read as GDAL asks for it.
        """
        if self.remote is None or self.copy is not None or self.overview is not None:
            return []
        if self.codestream is not None:
            return self.codestream.ranges(window)
        return _block_ranges(self.dataset, band, window)

    def fetch(self, band: int, window: Window) -> None:
        """Have the blocks of a window at hand, with few requests, before GDAL asks for them one by one."""
        if self.remote is not None and (ranges := self.ranges(band, window)):
            self.remote.file.fetch(ranges)

    def raise_failure(self, where: str) -> None:
        """Raise what its server did while GDAL read, which GDAL passes over, if anything."""
        if self.remote is not None:
            self.remote.raise_failure(where)

    def close(self) -> None:
        """Close it, its file and its copy."""
        self.dataset.close()
        for file in (self.local, self.copy):
            if file is not None:
                file.close()


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


def open_raster(
    admitted: str,
    where: str,
    files: RemoteFiles | None = None,
    room: Callable[[int], None] | None = None,
    overview: int | None = None,
) -> Image:
    """Open an admitted path, or an admitted, unsigned URL.

    Args:
        admitted: the path or URL.
        where: the field that names it.
        files: those at servers, and the gate that local files must pass too; needed for a URL. Without them a path is
            one of this program's own.
        room: makes room on the disk for a file of so many bytes, where the image's pixels are to be read: JPEG 2000
            without an index of its tiles is then copied whole, for its tiles lie where a walk through the file finds
            them, a request for each. Without room only its header is read.
        overview: which of its overviews is opened in its place, from 0.

    Raises:
        RequestError: there is no such file, or it is no image that can be used.
        PassingError: a server did not give it.
    """
    if not is_url(admitted):
        return _local(admitted, where, files.client.gate if files is not None else None, overview)
    if files is None:
        raise ValueError("a URL is opened among remote files")
    raster, name, copy = RemoteRaster(files.get(admitted)), shown(admitted), None
    with saying(where):
        codestream = _codestream(raster.file.read, name, where)
        if room is not None and is_copied(raster.file):
            room(raster.file.size)
            copy = _copied(raster.file)
    try:
        dataset = _dataset(name, where, raster, copy, overview)
        return _checked(Image(dataset, name, raster, None, codestream, copy, overview), where)
    except MosaicError:
        if copy is not None:
            copy.close()
        raise


def _local(admitted: str, where: str, gate: Gate | None, overview: int | None) -> Image:
    """Open a file of this machine, or one in an archive."""
    archive = file_of(admitted)
    with saying(where):
        opened = open_file(archive, gate)
    with opened as file:
        alone, held = archive == admitted, Held(file)
        with nullcontext(file) if alone else open_bytes(admitted, where, gate) as content:
            _codestream(partial(_read_at, content), admitted, where)
    path = held.path if alone else gdal_name(admitted)
    image = Image(_dataset(admitted, where, overview=overview, path=path), admitted, local=held, overview=overview)
    if not (alone or held.is_still_at(archive)):  # GDAL knows an archive by its path
        image.close()
        raise RequestError(f"{where}: {archive} changed while it was opened; ask for the mosaic again")
    return _checked(image, where)


def is_copied(file: RemoteFile) -> bool:
    """Whether the pixels of a file are read from a copy: it is JPEG 2000 without an index of its tiles."""
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
    """GDAL's view of a local file by a path, of a remote one's copy, or of a remote one that it reads through us."""
    level = {} if overview is None else {"OVERVIEW_LEVEL": overview}
    with raster_environment(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused with a sentence where it matters
        for driver in DRIVERS:
            try:
                if copy is not None:
                    return rasterio.open(descriptor_name(copy.fileno()), driver=driver, **level)
                if raster is not None:
                    return rasterio.open(RemoteRaster.NAME, driver=driver, opener=raster, **level)
                return rasterio.open(path, driver=driver, **level)
            except RasterioIOError:
                if raster is not None:
                    raster.raise_failure(where)
            except UnicodeDecodeError:  # rasterio reads the CRS when it opens a file
                raise RequestError(
                    f"{where}: {name} describes its coordinate reference system in text that is not UTF-8; assign it "
                    "again, as gdal_edit.py -a_srs does"
                ) from None
    raise RequestError(f"{where}: {name} is no GeoTIFF, JPEG 2000 or PNG image, or is damaged")


def _copied(file: RemoteFile) -> IO[bytes]:
    """A copy of a file on this machine's disk, without a name: it is gone with the process, however that ends.

    Raises:
        PassingError: the disk is full.
    """
    copy = TemporaryFile(prefix="mosaic-")  # noqa: SIM115 (whoever opens it closes it)
    try:
        file.save(copy)
        copy.flush()
    except BaseException as error:
        copy.close()
        if isinstance(error, OSError):
            raise PassingError(f"{file.name} cannot be copied to {gettempdir()}: {error.strerror}") from None
        raise
    return copy


def _checked(image: Image, where: str) -> Image:
    """Refuse what opens but may not be used: a file that points to other files, or whose blocks are too large."""
    dataset, problem = image.dataset, None
    if dataset.count == 0 or dataset.subdatasets:
        problem = "holds several datasets instead of one image"
    elif any(dtype.startswith("complex") for dtype in dataset.dtypes):
        problem = "holds complex numbers, which no product takes; convert them to real numbers, such as amplitudes"
    elif "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        problem = "refers to another file for its overviews"
    elif len(dataset.files) > 1:
        problem = "consists of several files, and only what is in the image itself is read"
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
    """Bytes that a decoded sample takes: that of the largest type of the bands."""
    stored: int = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    return max(stored, DECODED_BYTES) if dataset.driver == "JP2OpenJPEG" else stored


def _read_at(file: IO[bytes], start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _codestream(read: Callable[[int, int], bytes], name: str, where: str) -> Codestream | None:
    """The main header of a JPEG 2000 file; None of another one.

    It is checked here, before the decoder reads it: it may claim any number of parts, each of which costs memory.

    Raises:
        RequestError: it is damaged, or claims too many.
    """
    if not is_jpeg2000(read):
        return None
    found = Codestream.of(read)
    if found is None:
        raise RequestError(f"{where}: {name} is a damaged JPEG 2000 file: its header cannot be read")
    if found.tiles * found.components > MOST_TILE_COMPONENTS:
        raise RequestError(
            f"{where}: {name} is stored in {found.tiles} tiles of {found.components} components, too many to decode"
        )
    if found.code_blocks > MOST_CODE_BLOCKS:
        raise RequestError(f"{where}: {name} is stored in tiles of {found.code_blocks} code-blocks, too many to decode")
    return found


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
