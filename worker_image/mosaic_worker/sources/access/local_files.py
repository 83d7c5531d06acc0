"""Files of this machine, opened so that what is read is what was checked, whatever happens to the path meanwhile.

A path may have a symbolic link in it, or get one between a check and the moment it is opened. So a file is opened
first, and the place of the open file is checked; GDAL then reads that open file by the name that the system gives it,
beside which there are no other files.
"""

import fcntl
import os
import stat
import sys
from pathlib import Path
from typing import IO

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.gate import Gate

_GETPATH, _PATH_BYTES = 50, 1024
"""`fcntl` of macOS that gives the path of an open file (F_GETPATH), and the bytes of the longest."""


def open_file(path: str, gate: Gate | None) -> IO[bytes]:
    """Open an admitted path to read.

    Args:
        path: of a regular file.
        gate: what may be read; anything if None, for files of this program itself.

    Raises:
        RequestError: there is none, it cannot be read, or it is outside the folders that the gate admits.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # which does not wait for who writes into a pipe
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(f"there is no file {path}") from None
    except PermissionError:
        raise RequestError(f"{path} is not readable by this user") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror})") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RequestError(f"{path} is no file")
        if gate is not None:
            gate.admit_opened(_real_path(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def descriptor_name(descriptor: int) -> str:
    """The path by which an open file is opened once more, for as long as it is open."""
    return f"/dev/fd/{descriptor}"


class HeldFile:
    """A file that is held open for GDAL; closed with this object at the latest, as GDAL's datasets are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())

    @property
    def path(self) -> str:
        """By which GDAL opens this very file, and finds none beside it."""
        return descriptor_name(self._descriptor)

    @property
    def identity(self) -> str:
        """What changes when the file's content does: its size and time."""
        status = os.fstat(self._descriptor)
        return f"{status.st_size}:{status.st_mtime_ns}"

    def is_still_at(self, path: str) -> bool:
        """Whether a path leads to this file."""
        try:
            return os.path.samestat(Path(path).stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    __del__ = close


def _real_path(descriptor: int) -> str:
    """Where an open file is, behind all links."""
    if sys.platform == "darwin":
        return fcntl.fcntl(descriptor, _GETPATH, bytes(_PATH_BYTES)).rstrip(b"\0").decode()
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())
