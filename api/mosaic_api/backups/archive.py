"""The file of a backup: a tar, and after its end the SHA-256 of all bytes before.

`tar tf` lists it. A file that was cut off or altered is found before anything of it is used; against somebody who means
harm and computes the sum anew it is no protection.
"""

import hashlib
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

from mosaic_crds.errors import RequestError

FORMAT = 1
ABOUT, DATABASE, STORE = "backup.json", "database.dump", "store/"
_MARK = b"sha256 "
_LENGTH = len(_MARK) + 2 * hashlib.sha256().digest_size + 1
_PIECE = 2**20


@dataclass(frozen=True)
class About:
    """What a backup says of itself.

    Attributes:
        format: of the file.
        created: when its database was read, ISO 8601.
        revision: of the tables.
        files: the keys of the store that its rows name.
        lost: keys that rows name and that the store did not have any more.
    """

    format: int
    created: str
    revision: str
    files: list[str]
    lost: list[str]

    def to_json(self) -> bytes:
        """As it is written."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """As it is read."""
        return cls(**json.loads(content))


class _Summed(io.RawIOBase):
    """A file, and the sum of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self.sum.update(piece)
        return self._file.write(piece)


class Writer:
    """Puts files into an archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, content: IO[bytes]) -> int:
        """Put a file in, from its beginning; give its bytes."""
        member = tarfile.TarInfo(name)
        member.mode = 0o600
        member.size = content.seek(0, os.SEEK_END)
        content.seek(0)
        self._tar.addfile(member, content)
        return member.size


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive that only its owner may read; it appears under its name when all of it is on the disk.

    Raises:
        RequestError: there is such a file already, or it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        _expect_new(path)
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            summed = _Summed(file)
            with tarfile.open(fileobj=summed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                yield Writer(tar)
            file.write(_MARK + summed.sum.hexdigest().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _expect_new(path)
        unfinished.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RequestError(f"the backup {path} cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


class Reader:
    """Takes files out of an archive that is whole."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name: member for member in tar if member.isfile()}

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._members[name].size

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file."""
        content = self._tar.extractfile(self._members[name])
        while content is not None and (piece := content.read(_PIECE)):
            yield piece


@contextmanager
def reading(path: Path) -> Iterator[tuple[About, Reader]]:
    """An archive, after all of it was checked.

    Raises:
        RequestError: it cannot be read, or it is not as it was written.
    """
    try:
        with path.open("rb") as file:
            _expect_whole(path, file)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                reader = Reader(tar)
                about = About.from_json(b"".join(reader.pieces(ABOUT)))
                if about.format != FORMAT:
                    raise RequestError(f"{path} was made by another version (format {about.format}); use that one")
                yield about, reader
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tarfile.TarError, ValueError, KeyError, TypeError):
        raise _strange(path) from None


def sync_folder(folder: Path) -> None:
    """Let what was renamed in a folder last, whatever happens to the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _expect_new(path: Path) -> None:
    if path.exists():
        raise RequestError(f"there is a file {path} already; choose another name")


def _expect_whole(path: Path, file: IO[bytes]) -> None:
    left = file.seek(0, os.SEEK_END) - _LENGTH
    file.seek(0)
    found = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        found.update(piece)
        left -= len(piece)
    if file.read() != _MARK + found.hexdigest().encode() + b"\n":
        raise _strange(path)
    file.seek(0)


def _strange(path: Path) -> RequestError:
    return RequestError(f"{path} is no whole backup: it was cut off or altered; nothing was restored")
