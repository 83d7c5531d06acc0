"""A store in a directory: a local disk, or a volume that several pods mount."""

import errno
import io
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mosaic_crds.errors import PassingError

from mosaic_worker.store.stored import ABANDONED_SECONDS, Chunk, Stored

UNFINISHED = ".unfinished"
"""The folder for objects that are being written."""


class DirectoryStore:
    """Objects are files. A hard link gives a complete file its name, and fails if the name exists."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))  # noqa: PTH100 (resolve() follows symbolic links)
        self._unfinished = self._root / UNFINISHED
        self._above_synced = False

    def create(self, key: str, content: Iterable[Chunk], *, durable: bool = True) -> bool:
        """See `Store`. A durable object is on the disk with all folders from the root to it."""
        target = self._path(key)
        with self._explained("written"):
            if target.exists():
                if durable:
                    self._sync_existing(target)
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._forget_abandoned()
            unfinished = self._unfinished / uuid.uuid4().hex
            try:
                with unfinished.open("xb", buffering=2**16) as file:
                    file.writelines(content)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                target.hardlink_to(unfinished)
            except FileExistsError:
                if durable:
                    self._sync_existing(target)
                return False
            finally:
                unfinished.unlink(missing_ok=True)
            if durable:
                self._sync_folders(target)
        return True

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """See `Store`."""
        with self._explained("read"):
            try:
                with self._path(key).open("rb") as file:
                    file.seek(start)
                    return file.read(-1 if stop is None else stop - start)
            except FileNotFoundError:
                return None

    def open(self, key: str) -> io.BufferedReader:
        """See `Store`."""
        with self._explained("read"):
            try:
                return self._path(key).open("rb")
            except FileNotFoundError:
                missing = FileNotFoundError(f"the store has no {self.location(key)}")
        raise missing

    def list(self, prefix: str) -> Iterator[Stored]:
        """See `Store`."""
        with self._explained("read"):
            for folder, _, names in os.walk(self._path(prefix)):
                for path in (Path(folder) / name for name in names):
                    with suppress(FileNotFoundError):  # it was deleted meanwhile
                        stat = path.stat()
                        yield Stored(path.relative_to(self._root).as_posix(), stat.st_mtime, stat.st_size)

    def delete(self, key: str) -> None:
        """See `Store`. Folders that become empty are deleted too."""
        path = self._path(key)
        with self._explained("written"):
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self._root).parents[:-1]:
                try:
                    (self._root / folder).rmdir()
                except OSError:
                    break

    def location(self, key: str) -> str:
        """The file:// URI of the object."""
        return self._path(key).as_uri()

    def _sync_existing(self, target: Path) -> None:
        """Sync an existing object, unless it is deleted meanwhile."""
        with suppress(FileNotFoundError), target.open("rb") as file:
            os.fsync(file.fileno())
        self._sync_folders(target)

    def _sync_folders(self, target: Path) -> None:
        """Sync the folders from the root to an object, because syncing a file does not sync its name.

        Any of them may be new, or another process may have created it without a sync. The folders above the root are
        synced once, because they may have been created with it.
        """
        folders = [folder for folder in target.parents if folder == self._root or self._root in folder.parents]
        if not self._above_synced:
            folders += self._root.parents
        for folder in folders:
            _sync_folder(folder)
        self._above_synced = True

    def folders(self, prefixes: Iterable[str], *, make: bool) -> Sequence[Path]:
        """The folders for a process that only reads and writes objects below some prefixes; `make` creates them."""
        folders = [self._unfinished, *(self._path(prefix) for prefix in prefixes)]
        if make:
            with self._explained("written"):
                for folder in folders:
                    folder.mkdir(parents=True, exist_ok=True)
                    self._sync_folders(folder)  # the process itself has no access to the folders above
        return folders

    def _path(self, key: str) -> Path:
        path = Path(os.path.normpath(self._root / key))
        if self._root not in path.parents:
            raise ValueError(f"the key {key!r} is outside the store")
        return path

    def _forget_abandoned(self) -> None:
        """Delete unfinished files of killed processes."""
        for file in self._unfinished.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > ABANDONED_SECONDS:
                    file.unlink()

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise PassingError(
                    f"the store {self._root} is full; free some space and run again, finished tiles are kept"
                ) from None
            raise PassingError(f"the store {self._root} cannot be {done}: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder, if the file system supports it and this user may open it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, PermissionError):
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS}:
            raise
    finally:
        os.close(descriptor)
