"""Disk space for files in transit: reserved before they are written, and deleted when their process has ended.

Each process locks a folder of its own. The lock ends with the process, however it ends, so other processes can find
folders that nobody uses.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic_api.web.problems import NoRoom

PREFIX = "mosaic-scratch-"
_log = logging.getLogger(__name__)


class Scratch:
    """The folder of this process, and the reserved bytes.

    Args:
        most: bytes that may be reserved; None for all that the disk has.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._promised, self._unwritten = 0, 0  # the first includes what is already written
        self._held: tuple[Path, int] | None = None

    @property
    def folder(self) -> Path:
        """The folder of this process; the first use creates it."""
        with self._lock:
            if self._held is None:
                self._held = _made()
            return self._held[0]

    @contextmanager
    def reserved(self, size: int) -> Iterator[Callable[[], None]]:
        """Reserve bytes.

        Yields:
            A function to call after they are written: from then on, the disk itself counts them.

        Raises:
            NoRoom: they are not free, or reserved by others.
        """
        with self._lock:
            if size > self._free():
                raise NoRoom(
                    f"this needs {size / 2**20:.0f} MiB of the server's temporary disk, which has no space now; try "
                    "again later"
                )
            self._promise(size, size)
        unwritten = size

        def written() -> None:
            nonlocal unwritten
            with self._lock:
                self._promise(0, -unwritten)
                unwritten = 0

        try:
            yield written
        finally:
            with self._lock:
                self._promise(-size, -unwritten)

    @contextmanager
    def reserved_up_to(self, most: int) -> Iterator[int]:
        """Reserve so many bytes, or half of the free ones if that is less, because others need some too."""
        with self._lock:
            size = max(0, min(most, self._free() // 2))
            self._promise(size, size)
        try:
            yield size
        finally:
            with self._lock:
                self._promise(-size, -size)

    def close(self) -> None:
        """Delete the folder."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            shutil.rmtree(held[0], ignore_errors=True)
            os.close(held[1])

    def _promise(self, size: int, unwritten: int) -> None:
        self._promised += size
        self._unwritten += unwritten

    def _free(self) -> int:
        """Bytes that can still be reserved."""
        on_disk = shutil.disk_usage(tempfile.gettempdir()).free - self._unwritten
        return on_disk if self._most is None else min(on_disk, self._most - self._promised)


def sweep_scratch() -> int:
    """Delete the folders of processes that have ended; return their number."""
    count = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        held = _locked(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
            count += 1
    if count:
        _log.warning("deleted %s temporary folders of servers that have ended", count)
    return count


def _made() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _locked(folder)
        if held is not None and folder.exists():  # otherwise another process deleted it before it was locked
            return folder, held
        if held is not None:
            os.close(held)


def _locked(folder: Path) -> int | None:
    """Lock a folder of this user, and return its handle; None if it is locked, or is not such a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
    except BlockingIOError:
        pass
    os.close(handle)
    return None
