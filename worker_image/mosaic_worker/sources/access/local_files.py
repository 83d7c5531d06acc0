"""Opens local files safely: the file that is read is the file that was checked.

Somebody can replace a part of a path by a symbolic link between a check and the opening. So the file is opened first,
and then its real path is checked. GDAL reads the open file by its descriptor, where it finds no files beside it.
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
"""The command F_GETPATH of `fcntl` on macOS, which returns the path of an open file, and the longest path."""


def open_file(path: str, gate: Gate | None) -> IO[bytes]:
    """Open a regular file that the gate admits; any file without a gate.

    Raises:
        RequestError: it does not exist, cannot be read, or is outside the admitted folders.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # does not block on a pipe
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(f"there is no file {path}") from None
    except PermissionError:
        raise RequestError(f"no permission to read {path}") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror})") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RequestError(f"{path} is not a file")
        if gate is not None:
            gate.admit_opened(_real_path(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def descriptor_name(descriptor: int) -> str:
    """A path that opens an open file again."""
    return f"/dev/fd/{descriptor}"


class HeldFile:
    """A file that is kept open for GDAL; closed with this object at the latest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())

    @property
    def path(self) -> str:
        """The path for GDAL; it has no files beside it."""
        return descriptor_name(self._descriptor)

    @property
    def identity(self) -> str:
        """Size and time: they change with the content."""
        status = os.fstat(self._descriptor)
        return f"{status.st_size}:{status.st_mtime_ns}"

    def is_still_at(self, path: str) -> bool:
        """Whether a path is still this file."""
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
    """The path of an open file, without symbolic links."""
    if sys.platform == "darwin":
        return fcntl.fcntl(descriptor, _GETPATH, bytes(_PATH_BYTES)).rstrip(b"\0").decode()
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())
