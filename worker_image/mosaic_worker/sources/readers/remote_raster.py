"""A remote file as GDAL reads it: through us, and nothing beside it."""

import os
from types import TracebackType
from typing import Self

from rasterio.abc import FileContainer

from mosaic_worker.sources.http.remote_files import RemoteFile


class RemoteRaster(FileContainer):  # type: ignore[misc]
    """A remote file as GDAL sees it: a folder with one file in it, of which nothing is known but its bytes.

    GDAL takes no errors from Python; `failure` keeps the one that was met, for whoever asked GDAL.
    """

    NAME = "image"

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.failure: BaseException | None = None

    def open(self, path: str, mode: str = "r", **_: object) -> "_Handle":
        """A handle; of other names there is nothing, so GDAL finds no files beside the image."""
        if path != self.NAME or "w" in mode or "+" in mode:
            raise FileNotFoundError(path)
        return _Handle(self)

    def isfile(self, path: str) -> bool:
        """Whether it is the file."""
        return path == self.NAME

    def isdir(self, path: str) -> bool:  # noqa: ARG002 (the interface's)
        """There are none."""
        return False

    def ls(self, path: str) -> list[str]:  # noqa: ARG002
        """There is nothing to list."""
        return []

    def mtime(self, path: str) -> int:  # noqa: ARG002
        """Nobody asks when."""
        return 0

    def rm(self, path: str) -> None:
        """Nothing is deleted."""
        raise FileNotFoundError(path)

    def size(self, path: str) -> int:
        """Bytes of the file."""
        if path != self.NAME:
            raise FileNotFoundError(path)
        return self.file.size

    def raise_failure(self) -> None:
        """Raise what was met since the last time, if anything."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


class _Handle:
    """A place in a remote file."""

    def __init__(self, raster: RemoteRaster) -> None:
        self._raster = raster
        self._place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self, count: int) -> bytes:
        try:
            content = self._raster.file.read(self._place, count)
        except BaseException as error:  # it would be lost in GDAL
            self._raster.failure = error
            return b""
        self._place += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._raster.file.size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        pass
