"""The disk for files that are under way: reserved before they are written, and swept when their server is gone.

Each process has a folder of its own, which it holds by a lock. The lock ends with the process, however that ends, so
that the next one knows which folders nobody uses.
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
    """The folder of this process, and what of the disk is promised.

    Args:
        most: bytes that may be promised; what the disk has if None.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._promised, self._unwritten = 0, 0  # the first with what is written already
        self._held: tuple[Path, int] | None = None

    @property
    def folder(self) -> Path:
        """The folder of this process, made when it is first used."""
        with self._lock:
            if self._held is None:
                self._held = _made()
            return self._held[0]

    @contextmanager
    def reserved(self, size: int) -> Iterator[Callable[[], None]]:
        """Have room for so many bytes.

        Yields:
            What to call when they are written: the disk itself counts them from then on.

        Raises:
            NoRoom: the disk does not have them, or they are promised to others.
        """
        with self._lock:
            if size > self._free():
                raise NoRoom(
                    f"this needs {size / 2**20:.0f} MiB of the server's temporary disk, which are not free now; try "
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
        """Have room for so many bytes, or for half of what is free if that is less; others need some as well."""
        with self._lock:
            size = max(0, min(most, self._free() // 2))
            self._promise(size, size)
        try:
            yield size
        finally:
            with self._lock:
                self._promise(-size, -size)

    def close(self) -> None:
        """Give the folder back."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            shutil.rmtree(held[0], ignore_errors=True)
            os.close(held[1])

    def _promise(self, size: int, unwritten: int) -> None:
        self._promised += size
        self._unwritten += unwritten

    def _free(self) -> int:
        """Bytes that may still be promised."""
        on_disk = shutil.disk_usage(tempfile.gettempdir()).free - self._unwritten
        return on_disk if self._most is None else min(on_disk, self._most - self._promised)


def sweep_scratch() -> int:
    """Delete the folders of processes that are gone; how many."""
    count = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        held = _locked(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
            count += 1
    if count:
        _log.warning("deleted %s temporary folders of servers that are gone", count)
    return count


def _made() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _locked(folder)
        if held is not None and folder.exists():  # else another process swept it before it was locked
            return folder, held
        if held is not None:
            os.close(held)


def _locked(folder: Path) -> int | None:
    """A handle that holds a folder of this user; None if another process does, or it is no such folder."""
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
