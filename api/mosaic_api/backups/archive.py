"""The file of a backup: a tar archive, followed by the SHA-256 of all bytes before.

`tar tf` lists it. The checksum detects a truncated or damaged file before anything of it is used. It is no protection
against somebody who computes it again.
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

from mosaic_api.postgres.programs import sync_folder

FORMAT = 1
ABOUT, DATABASE, STORE = "backup.json", "database.dump", "store/"
_MARK = b"sha256 "
_LENGTH = len(_MARK) + 2 * hashlib.sha256().digest_size + 1
_PIECE = 2**20


@dataclass(frozen=True)
class About:
    """The description in a backup.

    Attributes:
        format: version of the file format.
        created: when the database was read, ISO 8601.
        revision: of the tables.
        files: keys in the store that rows name.
        lost: keys that rows name and that are missing in the store.
    """

    format: int
    created: str
    revision: str
    files: list[str]
    lost: list[str]

    def to_json(self) -> bytes:
        """Encode it."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Decode it."""
        return cls(**json.loads(content))


class _Summed(io.RawIOBase):
    """A file with the checksum of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self.sum.update(piece)
        return self._file.write(piece)


class Writer:
    """Adds files to an archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, content: IO[bytes]) -> int:
        """Add a file from its beginning; return its size in bytes."""
        member = tarfile.TarInfo(name)
        member.mode = 0o600
        member.size = content.seek(0, os.SEEK_END)
        content.seek(0)
        self._tar.addfile(member, content)
        return member.size


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive that only its owner can read. It appears under its name when it is complete and synced.

    Raises:
        RequestError: the file exists, or it cannot be written.
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
    """Reads files of a checked archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name: member for member in tar if member.isfile()}

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self._members[name].size

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file."""
        content = self._tar.extractfile(self._members[name])
        while content is not None and (piece := content.read(_PIECE)):
            yield piece


@contextmanager
def reading(path: Path) -> Iterator[tuple[About, Reader]]:
    """An archive whose checksum is correct.

    Raises:
        RequestError: it cannot be read, is damaged, or has another format.
    """
    try:
        with path.open("rb") as file:
            _expect_whole(path, file)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                reader = Reader(tar)
                about = About.from_json(b"".join(reader.pieces(ABOUT)))
                if about.format != FORMAT:
                    raise RequestError(f"{path} was made by another version (format {about.format}); use that version")
                yield about, reader
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tarfile.TarError, ValueError, KeyError, TypeError):
        raise _damaged(path) from None


def _expect_new(path: Path) -> None:
    if path.exists():
        raise RequestError(f"{path} already exists; choose another name")


def _expect_whole(path: Path, file: IO[bytes]) -> None:
    left = file.seek(0, os.SEEK_END) - _LENGTH
    file.seek(0)
    found = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        found.update(piece)
        left -= len(piece)
    if file.read() != _MARK + found.hexdigest().encode() + b"\n":
        raise _damaged(path)
    file.seek(0)


def _damaged(path: Path) -> RequestError:
    return RequestError(f"{path} is not a complete backup: it was truncated or changed; nothing was restored")
