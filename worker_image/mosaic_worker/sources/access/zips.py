"""Files inside a zip: how they are named, and how they are read without unpacking the zip."""

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
"""Between an archive and the file in it, as in the URLs of Java archives."""
_MEMBER = re.compile(rf"(?P<archive>.+?\.zip){_JOINT}(?P<member>.+)", re.IGNORECASE)
LARGEST_TEXT = 16 * 2**20
"""Bytes; deflated, a small file may hold any number of them."""


def member_reference(archive: str, member: str) -> str:
    """The name by which a file in an admitted archive goes on."""
    return f"{archive}{_JOINT}{member}"


def file_of(admitted: str) -> str:
    """The file on disk that an admitted path names, or in which the file lies that it names."""
    found = _MEMBER.fullmatch(admitted)
    return found["archive"] if found and "://" not in admitted else admitted


def gdal_name(admitted: str) -> str:
    """The name by which GDAL opens an admitted path or URL.

    Of a file in an archive it is one of /vsizip/, which reads what is stored by its offset, and inflates what is
    deflated as it goes, in memory.
    """
    archive = file_of(admitted)
    if archive == admitted:
        return admitted
    return f"/vsizip/{{{archive}}}/{admitted.removeprefix(archive + _JOINT)}"


@contextmanager
def open_bytes(admitted: str, where: str, gate: Gate | None) -> Iterator[IO[bytes]]:
    """The bytes of the file that an admitted path names, also of one in an archive.

    Args:
        admitted: the path.
        where: the field that names it.
        gate: what may be read.

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
        raise RequestError(f"{where}: {admitted} cannot be read ({error})") from None


def members(archive: str, where: str, gate: Gate) -> list[str]:
    """The names of all files in an admitted archive.

    Raises:
        RequestError: it is no zip, or may not be read.
    """
    try:
        with open_file(archive, gate) as whole, zipfile.ZipFile(whole) as opened:
            return opened.namelist()
    except (OSError, zipfile.BadZipFile):
        raise RequestError(f"{where}: {archive} is no zip file, or is damaged") from None


def read_member(archive: str, member: str, where: str, gate: Gate) -> str:
    """The text, in UTF-8, of a file in an admitted archive.

    Raises:
        RequestError: it cannot be read, is larger than 16 MiB, or no text.
    """
    try:
        with open_bytes(member_reference(archive, member), where, gate) as file:
            content = file.read(LARGEST_TEXT + 1)
        text = content.decode()
    except ValueError as error:
        raise RequestError(f"{where}: {member} in {archive} cannot be read ({error})") from None
    if len(content) > LARGEST_TEXT:
        raise RequestError(f"{where}: {member} in {archive} is larger than the 16 MiB that are read of a text")
    return text
