"""Lets GDAL read a remote file through our client, without access to other files."""

from typing import Any

from rasterio.abc import FileContainer

from mosaic_worker.sources.http.remote_files import RemoteFile
from mosaic_worker.store.ranged import RangedFile


class RemoteRaster(FileContainer):  # type: ignore[misc]
    """A folder for GDAL that contains only one file, with nothing but its bytes.

    Python errors do not pass through GDAL; `failure` keeps the last one for the caller of GDAL.
    """

    NAME = "image"

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.failure: BaseException | None = None

    def open(self, path: str, mode: str = "r", **_: object) -> RangedFile:
        """Open the file; other names do not exist, so GDAL finds no files beside the image."""
        if path != self.NAME or "w" in mode or "+" in mode:
            raise FileNotFoundError(path)
        return RangedFile(self.file.size, self._read)

    def isfile(self, path: str) -> bool:
        """Whether it is the file."""
        return path == self.NAME

    def isdir(self, *_: Any) -> bool:
        """No: there are no folders."""
        return False

    def ls(self, *_: Any) -> list[str]:
        """Nothing."""
        return []

    def mtime(self, *_: Any) -> int:
        """Unknown."""
        return 0

    def rm(self, path: str) -> None:
        """Refuse: nothing is deleted."""
        raise FileNotFoundError(path)

    def size(self, path: str) -> int:
        """Bytes of the file."""
        if path != self.NAME:
            raise FileNotFoundError(path)
        return self.file.size

    def raise_failure(self) -> None:
        """Raise the last error of a read, if any."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _read(self, start: int, stop: int) -> bytes:
        try:
            return self.file.read(start, stop - start)
        except BaseException as error:  # GDAL would lose it
            self.failure = error
            return b""
