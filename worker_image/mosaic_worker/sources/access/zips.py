"""Files in zip archives, read without unpacking the archive."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.access.local_files import open_file

_JOINT = "!/"
"""Separates an archive and a file in it, as in URLs of Java archives."""
_MEMBER = re.compile(rf"(?P<archive>.+?\.zip){_JOINT}(?P<member>.+)", re.IGNORECASE)


def member_reference(archive: str, member: str) -> str:
    """The reference to a file in an admitted archive."""
    return f"{archive}{_JOINT}{member}"


def file_of(admitted: str) -> str:
    """The file on disk of an admitted path: the archive for a file in an archive."""
    found = _MEMBER.fullmatch(admitted)
    return found["archive"] if found and "://" not in admitted else admitted


def gdal_name(admitted: str) -> str:
    """The name for GDAL of an admitted path or URL; /vsizip/ for a file in an archive."""
    archive = file_of(admitted)
    if archive == admitted:
        return admitted
    return f"/vsizip/{{{archive}}}/{admitted.removeprefix(archive + _JOINT)}"


@contextmanager
def open_bytes(admitted: str, gate: Gate | None) -> Iterator[IO[bytes]]:
    """Open an admitted path, also of a file in an archive.

    Raises:
        RequestError: it cannot be read.
    """
    archive = file_of(admitted)
    try:
        with open_file(archive, gate) as whole:
            if archive == admitted:
                yield whole
                return
            with zipfile.ZipFile(whole) as opened, opened.open(admitted.removeprefix(archive + _JOINT)) as file:
                yield file
    except (OSError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise RequestError(f"{admitted} cannot be read ({error})") from None


def members(archive: str, where: str, gate: Gate) -> list[str]:
    """The names of all files in an admitted archive.

    Raises:
        RequestError: it is not a zip file, or cannot be read.
    """
    try:
        with open_file(archive, gate) as whole, zipfile.ZipFile(whole) as opened:
            return opened.namelist()
    except (OSError, zipfile.BadZipFile):
        raise RequestError(f"{where}: {archive} is not a zip file, or is damaged") from None
